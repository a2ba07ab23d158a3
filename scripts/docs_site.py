"""Hooks of `make docs` for mkdocs: the repository's paths, the API reference, and formulas without a script.

Pages keep their path in the repository, so that a link works on disk, on a forge and on the site. Files outside `docs/`
that a page links to are included.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs_api import api_pages
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES_BESIDE_DOCS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
API = "docs/api/"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """All files under their paths in the repository, and the pages of the API reference."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for path in _files_of_the_site():
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for module, text in api_pages(str(ROOT)):
        files.append(File.generated(config, f"{API}{module}.md", content=text))
    config.nav = _with_folders_listed(config.nav, sorted(files.src_uris, key=lambda uri: uri.removesuffix(".md")))
    return files


def on_page_content(html_text: str, **_: Any) -> str:
    """Convert formulas to MathML, which browsers draw without a script."""
    return re.sub(r'<span class="arithmatex">\\\((.*?)\\\)</span>', _mathml, html_text, flags=re.DOTALL)


def _mathml(match: re.Match[str]) -> str:
    return convert(html.unescape(match[1]))


def _files_of_the_site() -> Iterator[Path]:
    pages = [*(ROOT / page for page in PAGES_BESIDE_DOCS), *(ROOT / "docs").rglob("*.md")]
    beside = {target for page in pages for target in _linked(page) if ROOT in target.parents}
    inside = {path for path in (ROOT / "docs").rglob("*") if path.is_file()}
    yield from sorted({*pages, *inside, *(target for target in beside if target.is_file())})


def _linked(page: Path) -> Iterator[Path]:
    """The files that a page links to or shows; links to other sites are skipped."""
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        yield (page.parent / link).resolve()


def _with_folders_listed(entry: Any, uris: list[str]) -> Any:
    """The navigation, with each folder replaced by its pages."""
    if isinstance(entry, list):
        return [_with_folders_listed(item, uris) for item in entry]
    if isinstance(entry, dict):
        return {title: _with_folders_listed(item, uris) for title, item in entry.items()}
    if entry.endswith("/"):
        return [uri for uri in uris if uri.startswith(entry) and uri.endswith(".md")]
    return entry
