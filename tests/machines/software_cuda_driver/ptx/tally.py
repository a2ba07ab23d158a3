"""What the threads of a kernel execute, counted by kind as they run; `SWCUDA_TALLY` names the file for the counts.

A division or a square root, which the hardware makes of about ten operations, counts as ten. Moves and reads of
parameters are not counted: registers and constant operands do without.
"""

from .syntax import Entry, Instruction

__all__ = ["KINDS", "counting", "report"]

KINDS = ("threads", "float", "double", "integer", "load", "store", "atomic")

_FREE = {"mov", "cvta", "ret", "exit"}
_MADE_OF_TEN = {"div", "sqrt", "rcp"}


def kind_and_count(instruction: Instruction) -> tuple[str, int] | None:
    """What an instruction counts as, and how often; None where it counts for nothing."""
    base, parts = instruction.opcode[0], instruction.opcode[1:]
    if base in _FREE or (base in ("ld", "st") and "param" in parts):
        return None
    if base in ("ld", "st"):
        return {"ld": "load", "st": "store"}[base], 1
    if base in ("atom", "red"):
        return "atomic", 1
    if "f64" in parts or "f32" in parts:
        return "double" if "f64" in parts else "float", 10 if base in _MADE_OF_TEN and "approx" not in parts else 1
    return "integer", 1


def counting(instruction: Instruction, kernel: str) -> str:
    """The C++ statement that counts an instruction."""
    counted = kind_and_count(instruction)
    return "" if counted is None else f"tally_{kernel}[{KINDS.index(counted[0])}] += {counted[1]};"


def report(entries: list[Entry], names: list[str]) -> str:
    """C++ that writes the counts as the process ends: a line per kernel, in the order of `KINDS`."""
    lines = [
        f'fprintf(file, "{entry.name}"); for (u64 n : tally_{name}) fprintf(file, " %llu", (unsigned long long)n); '
        f'fprintf(file, "\\n");'
        for entry, name in zip(entries, names, strict=True)
    ]
    body = "\n".join(lines)
    opened = 'FILE* file = fopen(getenv("SWCUDA_TALLY"), "w");'
    return f"static struct Report {{ ~Report() {{ {opened} if (!file) return;\n{body}\nfclose(file); }} }} the_report;"
