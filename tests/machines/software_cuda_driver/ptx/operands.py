"""What an operand of an instruction is in C++: registers, immediates, special registers, addresses."""

import re

from .syntax import SIZE, Entry, Label, Module, PtxError, Scope, Variable

__all__ = ["CPP", "Operands", "identifier", "vector"]

CPP = {
    **{"pred": "bool", "b8": "u8", "u8": "u8", "s8": "i8", "b16": "u16", "u16": "u16", "s16": "i16", "f16": "u16"},
    **{"b32": "u32", "u32": "u32", "s32": "i32", "f32": "float", "b64": "u64", "u64": "u64", "s64": "i64"},
    "f64": "double",
}
_BITS = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}
_COUNTERS = {"tid": "thread", "ntid": "block_size", "ctaid": "block", "nctaid": "grid_size"}
_SPECIAL = {
    "%laneid": "(t.lane())",
    "%warpid": "(t.warp())",
    "%lanemask_lt": "((1u << t.lane()) - 1)",
    "%lanemask_eq": "(1u << t.lane())",
    "%lanemask_le": "((2u << t.lane()) - 1)",
    "%lanemask_gt": "(~((2u << t.lane()) - 1))",
    "%lanemask_ge": "(~((1u << t.lane()) - 1))",
    "WARP_SZ": "32",
}


def identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


class Operands:
    """The names a kernel may use, and how each is read and written.

    A register is an unsigned variable of its width, whatever the type of the instruction; `.pred` is a bool.
    """

    def __init__(self, entry: Entry, module: Module) -> None:
        self.entry = entry
        self.parameters = {p.name: p for p in entry.parameters}
        self.module_variables = {v.name: v for v in module.variables}
        self.labels = {s.name for s in entry.body if isinstance(s, Label)}
        self.declarations: list[str] = []
        self.shared: dict[str, int] = {}
        self.shared_bytes = 0
        self.dynamic_shared: list[str] = []
        self.local: dict[str, int] = {}
        self.local_bytes = 0
        self._scopes: list[dict[str, tuple[str, str]]] = [{}]
        self._opened = 0
        for variable in module.variables:
            if variable.space == "shared":
                self.declare(variable)

    def scope(self, change: Scope) -> None:
        if change.opens:
            self._opened += 1
            self._scopes.append({})
        elif len(self._scopes) == 1:
            raise PtxError(f"kernel {self.entry.name}: a scope is closed that was not opened")
        else:
            self._scopes.pop()

    def declare_registers(self, directive: str) -> None:
        match = re.match(r"\.reg\s+\.(\w+)\s+(.*)$", directive, re.DOTALL)
        if not match or match[1] not in SIZE:
            raise PtxError(f"kernel {self.entry.name}: cannot read the declaration {directive!r}")
        kind = "bool" if match[1] == "pred" else _BITS[max(SIZE[match[1]], 2)]
        for name in (n.strip() for n in match[2].split(",")):
            many = re.match(r"(.+)<(\d+)>$", name)
            for register in [f"{many[1]}{i}" for i in range(int(many[2]))] if many else [name]:
                inner = f"_{self._opened}" if len(self._scopes) > 1 else ""
                variable = f"r{identifier(register)}{inner}"
                self._scopes[-1][register] = (variable, kind)
                poison = "false" if kind == "bool" else f"({kind})0xBADBADBADBADBADBull"
                self.declarations.append(f"{kind} {variable} = {poison};")

    def declare(self, variable: Variable) -> None:
        """A variable in shared or local memory gets its place."""
        if variable.space == "shared" and variable.count == 0:
            self.dynamic_shared.append(variable.name)
        elif variable.space == "shared":
            self.shared_bytes = -(-self.shared_bytes // variable.align) * variable.align
            self.shared[variable.name] = self.shared_bytes
            self.shared_bytes += variable.bytes
        elif variable.space == "local":
            self.local_bytes = -(-self.local_bytes // variable.align) * variable.align
            self.local[variable.name] = self.local_bytes
            self.local_bytes += variable.bytes
        else:
            raise PtxError(f"kernel {self.entry.name}: a .{variable.space} variable in a body: {variable.name}")

    def read(self, operand: str, kind: str) -> str:
        """The operand as a C++ value of a PTX type."""
        if operand.startswith("!"):
            return f"(!{self.read(operand[1:], 'pred')})"
        register = self._register(operand)
        if register:
            return register[0] if kind == "pred" else f"as<{CPP[kind]}>({register[0]})"
        if operand.startswith("-") and self._register(operand[1:]):
            return f"(-{self.read(operand[1:], kind)})"
        immediate = _immediate(operand, kind)
        if immediate is not None:
            return immediate
        return f"({CPP[kind]})({self._symbol(operand)})"

    def write(self, operand: str, kind: str, value: str) -> str:
        """A statement that puts a value of a PTX type into a register; `_` takes nothing.

        A result narrower than its register is extended by its sign or by zeros, as the ISA says of `ld` and `cvt`.
        """
        if operand == "_":
            return f"(void)({value});"
        register = self._register(operand)
        if not register:
            raise PtxError(f"kernel {self.entry.name}: {operand!r} is no register")
        variable, kind_of_register = register
        if kind_of_register == "bool":
            return f"{variable} = {value};"
        return f"{variable} = into<{kind_of_register}>(({CPP[kind]})({value}));"

    def address(self, operand: str, space: str, kind: str, count: int = 1) -> str:
        """A host pointer to `count` values, checked where the build checks."""
        match = re.match(r"^\[\s*([\w$%]+)\s*(?:\+\s*(-?\w+))?\s*\]$", operand)
        if not match:
            raise PtxError(f"kernel {self.entry.name}: cannot read the address {operand!r}")
        base, offset = match[1], f"({match[2] or '0'}ll)"
        size = SIZE[kind] * count
        if space == "param":
            return f"t.in_parameters({self.read(base, 'u64')} + {offset}, {size})"
        if space == "shared":
            return f"t.in_shared((u32)({self.read(base, 'u32')} + {offset}), {size})"
        if space == "local":
            return f"t.in_local((u32)({self.read(base, 'u32')} + {offset}), {size})"
        if space == "const":
            return f"((u8*)({self.read(base, 'u64')} + {offset}))"
        return f"t.in_global({self.read(base, 'u64')} + {offset}, {size})"

    def _register(self, name: str) -> tuple[str, str] | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return None

    def _symbol(self, name: str) -> str:
        if name in _SPECIAL:
            return _SPECIAL[name]
        counter = re.match(r"^%(tid|ntid|ctaid|nctaid)\.([xyz])$", name)
        if counter:
            return f"t.{_COUNTERS[counter[1]]}[{'xyz'.index(counter[2])}]"
        if name in self.parameters:
            return f"(u64)(t.parameters + {self.parameters[name].offset})"
        if name in self.shared:
            return f"{self.shared[name]}u"
        if name in self.dynamic_shared:
            return "t.dynamic_shared"
        if name in self.local:
            return f"{self.local[name]}u"
        if name in self.module_variables:
            return f"(u64)variable_{identifier(name)}"
        raise PtxError(f"kernel {self.entry.name}: what is {name!r}?")


def _immediate(text: str, kind: str) -> str | None:
    if re.match(r"^0[fF][0-9A-Fa-f]{8}$", text):
        return f"as<{CPP[kind]}>(0x{text[2:]}u)"
    if re.match(r"^0[dD][0-9A-Fa-f]{16}$", text):
        return f"as<{CPP[kind]}>(0x{text[2:]}ull)"
    if re.match(r"^-?(0[xX][0-9a-fA-F]+|\d+)U?$", text):
        number = int(text.rstrip("U"), 0)
        return f"({CPP[kind]}){number % 2**64}ull" if number >= 0 else f"({CPP[kind]})(-{-number - 1}ll - 1)"
    return None


def vector(operand: str) -> list[str]:
    """`{%f1, %f2}` → its parts; a single operand is a list of one."""
    return [part.strip() for part in operand.strip("{} ").split(",")] if operand.startswith("{") else [operand]
