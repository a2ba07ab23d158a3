"""The site of `make docs`: it builds without a warning, documents each public name once, and needs no network."""

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

from pages import ROOT

import deepdrr


def public_names() -> dict[str, object]:
    """Every name in the `__all__` of a public module, by its path."""
    modules = ["deepdrr", *(info.name for info in pkgutil.walk_packages(deepdrr.__path__, "deepdrr."))]
    public = [importlib.import_module(module) for module in modules if "._" not in module]
    return {f"{m.__name__}.{name}": getattr(m, name) for m in public for name in getattr(m, "__all__", ())}


def homes(path: str, names: dict[str, object]) -> set[str]:
    """Where a public name may be documented: under any path that leads to the same object."""
    name, thing = path.rpartition(".")[2], names[path]
    source = f"{getattr(thing, '__module__', '')}.{name}"
    return {source, *(other for other, it in names.items() if it is thing and other.endswith(f".{name}"))}


def headings(site: Path) -> list[str]:
    """The paths of modules and of names of modules that have a heading, as often as they have one."""
    pages = (page.read_text(encoding="utf-8") for page in (site / "docs/api").glob("*.html"))
    return [path for page in pages for path in re.findall(r'<h[12] id="([^"]+)" class="doc doc-heading"', page)]


def fetched_from_elsewhere(page: Path) -> list[str]:
    """What a browser would load from another host, without being asked."""
    return re.findall(
        r'(?:<(?:script|img|iframe)[^>]*\ssrc|<link[^>]*\shref)="?((?:https?:)?//[^" >]+)', page.read_text()
    )


def test_the_site(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr

    names, paths = public_names(), headings(tmp_path)
    assert len(names) > 200
    assert {path: n for path in names if (n := sum(paths.count(home) for home in homes(path, names))) != 1} == {}

    pages = list(tmp_path.rglob("*.html"))
    assert {page.name: found for page in pages if (found := fetched_from_elsewhere(page))} == {}
    project = (tmp_path / "docs/api/deepdrr.raycast.html").read_text()
    assert "<math" in project  # the integral in the docstring of `project`
    assert not [page.name for page in pages if r"\(" in re.sub("<(script|code).*?</", "", page.read_text(), flags=re.S)]
