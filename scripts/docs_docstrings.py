"""A griffe extension with which `make docs` reads the docstrings of this package."""

import re
from typing import Any

import griffe


class HouseDocstrings(griffe.Extension):
    """Hide members that a class's signature or docstring already shows, and convert docstrings to Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = "\n".join(as_markdown(line) for line in obj.docstring.value.splitlines())

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        explained = documented_arguments(cls.docstring) | _parameters(cls)
        for name, member in list(cls.members.items()):
            shown_above = member.is_attribute and name in explained
            special = name.startswith("__") and name != "__init__"  # its signature is that of the class
            if (shown_above or special) and not member.docstring:
                del cls.members[name]


def _parameters(cls: griffe.Class) -> set[str]:
    init = cls.members.get("__init__")
    return {parameter.name for parameter in init.parameters} if isinstance(init, griffe.Function) else set()


def documented_arguments(docstring: griffe.Docstring | None) -> set[str]:
    """The names in the sections Args and Attributes; "height, width: pixels" counts as two."""
    sections = docstring.parse("google", warnings=False) if docstring else []
    kinds = (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.attributes)
    entries = (entry.name for section in sections if section.kind in kinds for entry in section.value)
    return {name.strip() for names in entries for name in names.split(",")}


def as_markdown(line: str) -> str:
    """A line of a docstring as Markdown, with unchanged code.

    "Example:" starts a section, a public `deepdrr.name` becomes a link, and the star of a shape `[*batch, H, W]` is
    escaped.
    """
    if line.strip() == "Example:":
        return line.replace("Example:", "Examples:")
    if line.lstrip().startswith((">>>", "...")):
        return line
    return re.sub(r"`(deepdrr(?:\.[a-zA-Z]\w*)+)`|(`[^`]*`)|\[\*(?=\w)", _as_link, line)


def _as_link(match: re.Match[str]) -> str:
    path, code = match.groups()
    return f"[`{path}`][{path}]" if path else code or r"[\*"
