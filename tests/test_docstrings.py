"""Docstrings explain only arguments that exist."""

from collections.abc import Iterator
from pathlib import Path

import griffe

import deepdrr

# Compiled modules are not imported: some are for other processors.
PACKAGE = griffe.load("deepdrr", search_paths=[Path(deepdrr.__file__).parent.parent], allow_inspection=False)


def functions(module: griffe.Object) -> Iterator[griffe.Function]:
    for member in module.members.values():
        if isinstance(member, griffe.Function):
            yield member
        elif isinstance(member, griffe.Module | griffe.Class):
            yield from functions(member)


def explained(function: griffe.Function) -> set[str]:
    """The names in the section Args; "height, width: pixels" are two."""
    sections = function.docstring.parse("google", warnings=False) if function.docstring else []
    entries = (entry for section in sections if section.kind.value == "parameters" for entry in section.value)
    return {name.strip().lstrip("*") for entry in entries for name in entry.name.split(",")}


def test_explained_arguments_exist() -> None:
    strangers = {
        function.path: strange
        for function in functions(PACKAGE)
        if (strange := explained(function) - {parameter.name for parameter in function.parameters})
    }
    assert not strangers


def test_many_arguments_are_explained() -> None:
    """The test above reads something."""
    assert sum(len(explained(function)) for function in functions(PACKAGE)) > 300
