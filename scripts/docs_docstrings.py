"""How `make docs` reads the docstrings of this package: a griffe extension for the habits of the house."""

import re
from typing import Any

import griffe


class HouseDocstrings(griffe.Extension):
    """What a class's signature or docstring shows is not listed again below it; docstrings become Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = "\n".join(as_markdown(line) for line in obj.docstring.value.splitlines())

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        explained = documented_arguments(cls.docstring) | _parameters(cls)
        for name, member in list(cls.members.items()):
            shown_above = member.is_attribute and name in explained
            special = name.startswith("__") and name != "__init__"  # its signature is the class's
            if (shown_above or special) and not member.docstring:
                del cls.members[name]


def _parameters(cls: griffe.Class) -> set[str]:
    init = cls.members.get("__init__")
    return {parameter.name for parameter in init.parameters} if isinstance(init, griffe.Function) else set()


def documented_arguments(docstring: griffe.Docstring | None) -> set[str]:
    """The names in the sections Args and Attributes; "height, width: pixels" are two."""
    sections = docstring.parse("google", warnings=False) if docstring else []
    kinds = (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.attributes)
    entries = (entry.name for section in sections if section.kind in kinds for entry in section.value)
    return {name.strip() for names in entries for name in names.split(",")}


def as_markdown(line: str) -> str:
    """ "Example:" begins a section of code; the star of a shape `[*batch, H, W]` is a star, and begins no emphasis."""
    if line.strip() == "Example:":
        return line.replace("Example:", "Examples:")
    in_code = line.lstrip().startswith((">>>", "..."))
    return line if in_code else re.sub(r"(`[^`]*`)|\[\*(?=\w)", lambda match: match[1] or r"[\*", line)
