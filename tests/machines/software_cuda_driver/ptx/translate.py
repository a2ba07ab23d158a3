"""A module of PTX as one C++ file: a function per kernel, which runs one thread, and a table of the kernels."""

import os
import re
import sys
from pathlib import Path

from .instructions import translate as translate_instruction
from .operands import CPP, Operands, identifier
from .syntax import SIZE, Entry, Instruction, Label, Module, PtxError, Scope, Variable, parse
from .tally import KINDS, counting, report

__all__ = ["translate"]

# Threads of a kernel without these never wait for each other, so that one can run to its end before the next begins.
_MEETS = {"bar", "barrier", "shfl", "vote", "activemask"}


def translate(text: str, tally: bool = False) -> str:
    """PTX → C++ that includes `ptx_runtime.h`.

    Args:
        text: a module.
        tally: whether its kernels count what they execute, see `tally.py`.

    Raises:
        PtxError: for whatever is not known; nothing is skipped.
    """
    module = parse(text)
    parts = ['#include "ptx_runtime.h"', *(_variable(v) for v in module.variables if v.space in ("global", "const"))]
    parts += [_kernel(entry, module, tally) for entry in module.entries]
    if tally:
        parts[0] = f"#include <cstdio>\n#include <cstdlib>\n{parts[0]}"
        parts.append(report(module.entries, [identifier(entry.name) for entry in module.entries]))
    return "\n".join([*parts, _tables(module)])


def _variable(variable: Variable) -> str:
    for value in variable.values:
        if not re.match(r"^-?(0[xXfFdD])?[0-9a-fA-F]+U?$", value):
            raise PtxError(f"variable {variable.name}: cannot read the initial value {value!r}")
    values = ", ".join(_initial(value, variable.type) for value in variable.values)
    count = max(variable.count, 1)
    declared = f"{CPP[variable.type]} variable_{identifier(variable.name)}[{count}]"
    return f"alignas({max(variable.align, 16)}) static {declared} = {{{values}}};"


def _initial(value: str, kind: str) -> str:
    if value[:2] in ("0f", "0F"):
        return f"as<{CPP[kind]}>(0x{value[2:]}u)"
    if value[:2] in ("0d", "0D"):
        return f"as<{CPP[kind]}>(0x{value[2:]}ull)"
    return f"({CPP[kind]}){value.rstrip('U')}"


def _kernel(entry: Entry, module: Module, tally: bool) -> str:
    names, name = Operands(entry, module), identifier(entry.name)
    lines, meets = [f"++tally_{name}[0];"] if tally else [], False
    for statement in entry.body:
        if isinstance(statement, Label):
            lines.append(f"{identifier(statement.name)}:;")
        elif isinstance(statement, Scope):
            names.scope(statement)
        elif isinstance(statement, Variable):
            names.declare(statement)
        elif isinstance(statement, Instruction):
            meets |= statement.opcode[0] in _MEETS
            if tally:
                lines.append(counting(statement, name))
            lines.append(translate_instruction(statement, names))
        else:
            _directive(statement, names)
    table = ", ".join(f"{{{p.offset}, {p.bytes}}}" for p in entry.parameters) or "{0, 0}"
    facts = f"{entry.parameter_bytes}, {len(entry.parameters)}, layout_{name}"
    memory = f"{names.shared_bytes}, {names.local_bytes}, {str(meets).lower()}"
    return "\n".join(
        [
            f"static u64 tally_{name}[{len(KINDS)}];" if tally else "",
            f"static void run_{name}(Thread& t) {{",
            *names.declarations,
            *lines,
            "}",
            f"static const Span layout_{name}[] = {{{table}}};",
            f'#define KERNEL_{name} {{"{entry.name}", run_{name}, {facts}, {memory}}}',
        ]
    )


def _directive(text: str, names: Operands) -> None:
    kind = text.split()[0]
    if kind == ".reg":
        names.declare_registers(text)
    elif kind not in (".pragma", ".maxntid", ".minnctapersm"):
        raise PtxError(f"kernel {names.entry.name}: the software driver does not know the directive {text!r}")


def _tables(module: Module) -> str:
    kernels = ", ".join(f"KERNEL_{identifier(entry.name)}" for entry in module.entries)
    variables = ", ".join(
        f'{{"{v.name}", variable_{identifier(v.name)}, {SIZE[v.type] * max(v.count, 1)}}}'
        for v in module.variables
        if v.space in ("global", "const")
    )
    return (
        f'extern "C" const Kernel kernels[] = {{{kernels}{", " if kernels else ""}{{}}}};\n'
        f'extern "C" const ModuleVariable variables[] = {{{variables}{", " if variables else ""}{{}}}};'
    )


def main() -> int:
    source, target = map(Path, sys.argv[1:])
    try:
        text = source.read_text(encoding="utf-8").rstrip("\0")
        target.write_text(translate(text, tally="SWCUDA_TALLY" in os.environ))
    except PtxError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
