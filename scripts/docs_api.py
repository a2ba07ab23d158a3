"""The API reference of `make docs`: one page per public package; mkdocstrings documents each public name once.

A package is public if it has `__all__` and no part of its name begins with an underscore. A name that several packages
export is documented in the one nearest to its source; the others link to it.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import griffe

import deepdrr


def public_modules() -> dict[str, tuple[str, ...]]:
    """The public names of every public module, as Python sees them."""
    found = pkgutil.walk_packages(deepdrr.__path__, "deepdrr.")
    names = [info.name for info in found if not any(part.startswith("_") for part in info.name.split("."))]
    modules = (importlib.import_module(name) for name in ["deepdrr", *names])
    return {module.__name__: tuple(module.__all__) for module in modules if hasattr(module, "__all__")}


def api_pages(search_path: str) -> Iterator[tuple[str, str]]:
    """(module, text in Markdown) of every page of the reference."""
    modules = public_modules()
    # Inspection would import the kernels of every instruction set, and a processor that lacks one ends the process.
    package = griffe.load("deepdrr", search_paths=[search_path], resolve_aliases=True, allow_inspection=False)
    for module, names in modules.items():
        entries = [_entry(modules, package.modules_collection[module], name) for name in names]
        yield module, _page(module, entries)


class Entry(NamedTuple):
    """A public name, the package whose page documents it, and the path by which mkdocstrings finds it."""

    name: str
    package: str
    path: str


def _entry(modules: Mapping[str, tuple[str, ...]], module: griffe.Module, name: str) -> Entry:
    member = module[name]
    # A function shadows a folder of the same name for Python, but not for griffe, which needs the function's own path.
    hides_a_folder = member.is_module and module.imports.get(name, member.path) != member.path
    source = module.imports[name] if hides_a_folder else member.canonical_path
    if source in modules:
        return Entry(name, source, source)
    exporting = [package for package, names in modules.items() if name in names]
    around = [package for package in exporting if source.startswith(f"{package}.")]
    package = max(around or exporting, key=len)  # no package is around a private module at the top
    return Entry(name, package, source if hides_a_folder else f"{package}.{name}")


def _page(module: str, entries: list[Entry]) -> str:
    elsewhere = [f"[`{entry.name}`][{entry.path}]" for entry in entries if entry.package != module]
    parts = [
        f"---\ntitle: {module}\n---\n",
        f"::: {module}\n    options: {{members: false, heading_level: 1, show_root_full_path: true}}\n",
        *([f"Also here: {', '.join(elsewhere)}.\n"] if elsewhere else []),
        *(f"::: {entry.path}\n" for entry in entries if entry.package == module),
    ]
    return "\n".join(parts)
