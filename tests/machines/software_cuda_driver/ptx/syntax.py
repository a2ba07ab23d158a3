"""PTX text → statements: what stands in a module, before anything is known about what an instruction does."""

import re
from dataclasses import dataclass, field

__all__ = ["SIZE", "Entry", "Instruction", "Label", "Module", "Parameter", "PtxError", "Scope", "Variable", "parse"]

# Bytes of one value of a PTX type (PTX ISA 9.0, table "Fundamental Types").
SIZE = {
    **{"pred": 1, "b8": 1, "u8": 1, "s8": 1, "b16": 2, "u16": 2, "s16": 2, "f16": 2},
    **{"b32": 4, "u32": 4, "s32": 4, "f32": 4, "b64": 8, "u64": 8, "s64": 8, "f64": 8},
}
_NAME = r"[\w$%]+"


class PtxError(SyntaxError):
    """Text that is no PTX, or PTX that the translator does not know."""


@dataclass(frozen=True)
class Variable:
    """A variable of a state space: `.shared .align 4 .b8 buffer[1024];`."""

    space: str
    name: str
    type: str
    align: int
    count: int  # 0 for an extern array, whose size comes with the launch
    values: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return SIZE[self.type] * self.count


@dataclass(frozen=True)
class Parameter:
    """A kernel's parameter and where it stands in the buffer of all of them."""

    name: str
    offset: int
    bytes: int


@dataclass(frozen=True)
class Label:
    name: str


@dataclass(frozen=True)
class Scope:
    """`{` opens a scope of register names, `}` closes it."""

    opens: bool


@dataclass(frozen=True)
class Instruction:
    """`@!%p1 ld.global.nc.f32 %f1, [%rd8+4];`."""

    opcode: tuple[str, ...]  # ("ld", "global", "nc", "f32")
    operands: tuple[str, ...]
    guard: str = ""  # "%p1" or "!%p1"

    def __str__(self) -> str:
        return f"{'.'.join(self.opcode)} {', '.join(self.operands)}"


@dataclass
class Entry:
    """A kernel."""

    name: str
    parameters: list[Parameter]
    body: list[Instruction | Label | Scope | Variable | str]  # str: a directive, as it stands

    @property
    def parameter_bytes(self) -> int:
        return max((p.offset + p.bytes for p in self.parameters), default=0)


@dataclass
class Module:
    version: str
    target: str
    entries: list[Entry] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)


def parse(text: str) -> Module:
    """A module's kernels and variables.

    Raises:
        PtxError: if the text is cut off or holds what no kernel of ours may (functions that are called).
    """
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    version = re.search(r"^\s*\.version\s+(\S+)", text, re.MULTILINE)
    target = re.search(r"^\s*\.target\s+(\S+)", text, re.MULTILINE)
    if not version or not target:
        raise PtxError("the text has no .version or no .target: it is no PTX module")
    module = Module(version[1], target[1])
    outside = []
    for head, body in _blocks(text):
        outside.append(head)
        if body is not None:
            name, parameters = _signature(head)
            module.entries.append(Entry(name, parameters, list(_statements(body))))
    for line in re.split(r";", "\n".join(outside)):
        declaration = re.sub(r"^\s*\.(version|target|address_size)\b[^\n]*", "", line, flags=re.MULTILINE).strip()
        variable = _variable(re.sub(r"\.(visible|extern|weak|common)\b", "", declaration).strip())
        if variable:
            module.variables.append(variable)
    return module


def _blocks(text: str) -> list[tuple[str, str | None]]:
    """The text outside of bodies, each piece with the body that follows it. Braces of initial values are no bodies."""
    pieces, depth, start, opened = [], 0, 0, 0
    for match in re.finditer(r"=\s*\{[^{}]*\}|[{}]", text):
        if match[0] == "{":
            if depth == 0:
                opened = match.end()
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                pieces.append((text[start : opened - 1], text[opened : match.start()]))
                start = match.end()
    if depth:
        raise PtxError("the text ends inside a body: it is cut off")
    return [*pieces, (text[start:], None)]


def _signature(head: str) -> tuple[str, list[Parameter]]:
    match = re.search(rf"\.entry\s+({_NAME})\s*(?:\((.*?)\))?[^()]*$", head, re.DOTALL)
    if not match:
        raise PtxError(f"only kernels (.entry) can have a body, got {head.strip()[-80:]!r}")
    parameters, end = [], 0
    for text in filter(None, (part.strip() for part in (match[2] or "").split(","))):
        variable = _variable(re.sub(r"\.ptr\b(\s*\.(global|const|shared|local))?(\s*\.align\s+\d+)?", "", text))
        if not variable:
            raise PtxError(f"kernel {match[1]}: cannot read the parameter {text!r}")
        offset = -(-end // variable.align) * variable.align
        parameters.append(Parameter(variable.name, offset, variable.bytes))
        end = offset + variable.bytes
    return match[1], parameters


def _variable(text: str) -> Variable | None:
    match = re.match(
        rf"\.(param|shared|local|const|global)\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+({_NAME})\s*(?:\[(\d*)\])?"
        r"\s*(?:=\s*(.*))?$",
        text,
        re.DOTALL,
    )
    if not match or match[3] not in SIZE:
        return None
    values = tuple(v.strip() for v in (match[6] or "").strip("{} \n").split(",") if v.strip())
    count = 1 if match[5] is None else int(match[5] or 0)
    return Variable(match[1], match[4], match[3], int(match[2] or SIZE[match[3]]), count, values)


def _statements(body: str) -> list[Instruction | Label | Scope | Variable | str]:
    body = re.sub(r"^\s*\.(loc|file|section)\b[^\n]*", "", body, flags=re.MULTILINE)
    found: list[Instruction | Label | Scope | Variable | str] = []
    position = 0
    token = re.compile(rf"\s*(?:({_NAME})\s*:(?!:)|([{{}}])(?!\s*,)|([^;]*);)", re.DOTALL)
    while position < len(body.rstrip()):
        match = token.match(body, position)
        if not match:
            raise PtxError(f"cannot read {body[position : position + 60].strip()!r}")
        position = match.end()
        if match[1]:
            found.append(Label(match[1]))
        elif match[2]:
            found.append(Scope(match[2] == "{"))
        elif match[3].strip():
            found.append(_statement(match[3].strip()))
    return found


def _statement(text: str) -> Instruction | Variable | str:
    if text.startswith("."):
        return _variable(text) or text
    match = re.match(rf"(?:@(!?{_NAME})\s+)?(\S+)\s*(.*)$", text, re.DOTALL)
    if not match:
        raise PtxError(f"cannot read the instruction {text!r}")
    return Instruction(tuple(match[2].split(".")), tuple(_split(match[3])), match[1] or "")


def _split(text: str) -> list[str]:
    """At the commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "{[(") - (character in "}])")
        if character == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts
