"""What each instruction does, as C++ over the run-time header. An instruction or modifier not listed here is an error.

The approximate operations (`.approx`, `.full`, `ex2`, `lg2`, `sin`, `cos`) are computed as exactly as the host can: the
hardware's last bits are not imitated. `.ftz` flushes subnormal operands and results to zero, as on the hardware.
"""

from collections.abc import Callable

from .operands import CPP, Operands, identifier, vector
from .syntax import SIZE, Instruction, PtxError

__all__ = ["translate"]

Handler = Callable[["Call"], str]
_HANDLERS: dict[str, tuple[Handler, frozenset[str]]] = {}
_SPACES = {"param", "shared", "global", "local", "const"}
_ROUNDING = {"rn": "", "rz": "toward_zero", "rm": "down", "rp": "up"}


class Call:
    """One instruction, with its parts at hand."""

    def __init__(self, instruction: Instruction, names: Operands) -> None:
        self.instruction, self.names = instruction, names
        self.base, self.parts = instruction.opcode[0], instruction.opcode[1:]
        self.type = next((p for p in reversed(self.parts) if p in SIZE), "")
        self.operands = instruction.operands

    def has(self, modifier: str) -> bool:
        return modifier in self.parts

    @property
    def floating(self) -> bool:
        return self.type in ("f32", "f64")

    @property
    def space(self) -> str:
        return next((p for p in self.parts if p in _SPACES), "generic")

    def read(self, index: int, kind: str = "") -> str:
        value = self.names.read(self.operands[index], kind or self.type)
        return f"flush({value})" if self.has("ftz") and (kind or self.type) == "f32" else value

    def write(self, value: str, kind: str = "") -> str:
        kind = kind or self.type
        if self.has("ftz") and kind == "f32":
            value = f"flush({value})"
        if self.has("sat") and self.floating:
            value = f"saturate({value})"
        return self.names.write(self.operands[0], kind, value)

    def refuse(self, why: str) -> PtxError:
        return PtxError(f"kernel {self.names.entry.name}: {self.instruction}: {why}")


def handles(*opcodes: str, modifiers: str = "") -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for opcode in opcodes:
            _HANDLERS[opcode] = (handler, frozenset(modifiers.split()))
        return handler

    return register


def translate(instruction: Instruction, names: Operands) -> str:
    """The C++ statement of an instruction.

    Raises:
        PtxError: for an opcode, a modifier or an operand that is not known.
    """
    call = Call(instruction, names)
    if call.base not in _HANDLERS:
        raise call.refuse(f"the software driver does not know the instruction {call.base!r}")
    handler, modifiers = _HANDLERS[call.base]
    for part in call.parts:
        if part not in modifiers and part not in SIZE:
            raise call.refuse(f"the software driver does not know {call.base} with .{part}")
    try:
        body = handler(call)
    except IndexError:
        raise call.refuse("an operand is missing") from None
    guard = f"if ({names.read(instruction.guard, 'pred')}) " if instruction.guard else ""
    return f"{guard}{{ {body} }}"


# Control


@handles("ret", "exit")
def _ret(_: Call) -> str:
    return "return;"


@handles("bra", modifiers="uni")
def _bra(call: Call) -> str:
    if call.operands[0] not in call.names.labels:
        raise call.refuse("there is no such label")
    return f"goto {identifier(call.operands[0])};"


@handles("trap")
def _trap(_: Call) -> str:
    return "t.trap();"


@handles("bar", "barrier", modifiers="sync cta aligned warp")
def _bar(call: Call) -> str:
    if call.has("warp"):
        return f"t.warp_barrier({call.read(0, 'u32')});"
    if call.operands != ("0",):
        raise call.refuse("only barrier 0 of the whole block is known")
    return "t.barrier();"


@handles("membar", "fence", modifiers="cta gl sys gpu sc acq_rel")
def _fence(_: Call) -> str:
    return "__atomic_thread_fence(__ATOMIC_SEQ_CST);"


@handles("prefetch", "prefetchu", modifiers="global L1 L2")
def _prefetch(_: Call) -> str:
    return ";"


# Warps: all members of the mask meet


@handles("shfl", modifiers="sync up down bfly idx")
def _shfl(call: Call) -> str:
    destination, _, predicate = call.operands[0].partition("|")
    mode = next(p for p in call.parts if p in ("up", "down", "bfly", "idx"))
    exchange = (
        f"t.shuffle_{mode}({call.read(1, 'b32')}, {call.read(2, 'u32')}, {call.read(3, 'u32')}, {call.read(4, 'u32')})"
    )
    inside = call.names.write(predicate, "pred", "s.inside") if predicate else ""
    return f"const Shuffled s = {exchange}; {call.names.write(destination, 'b32', 's.value')} {inside}"


@handles("vote", modifiers="sync all any uni ballot")
def _vote(call: Call) -> str:
    ballot = f"t.ballot({call.read(1, 'pred')}, {call.read(2, 'u32')})"
    if call.has("ballot"):
        return call.names.write(call.operands[0], "b32", ballot)
    members = f"t.members({call.read(2, 'u32')})"
    test = {"all": "b == m", "any": "b != 0", "uni": "b == 0 || b == m"}
    rule = next(test[p] for p in call.parts if p in test)
    return f"const u32 b = {ballot}, m = {members}; {call.names.write(call.operands[0], 'pred', rule)}"


@handles("activemask")
def _activemask(call: Call) -> str:
    return call.write("t.members(0xFFFFFFFFu)")


# Memory


_LOAD = "param shared global local const nc v2 v4 volatile relaxed acquire weak cta gpu sys ca cg cs lu cv"
_STORE = "shared global local v2 v4 volatile relaxed release weak cta gpu sys wb cg cs wt"


@handles("ld", "ldu", modifiers=_LOAD)
def _ld(call: Call) -> str:
    registers = vector(call.operands[0])
    at = call.names.address(call.operands[1], call.space, call.type, len(registers))
    loads = (
        call.names.write(register, call.type, f"load<{CPP[call.type]}>(p + {i * SIZE[call.type]})")
        for i, register in enumerate(registers)
    )
    return f"const u8* p = {at}; {' '.join(loads)}"


@handles("st", modifiers=_STORE)
def _st(call: Call) -> str:
    values = vector(call.operands[1])
    at = call.names.address(call.operands[0], call.space, call.type, len(values))
    stores = (
        f"store<{CPP[call.type]}>(p + {i * SIZE[call.type]}, {call.names.read(value, call.type)});"
        for i, value in enumerate(values)
    )
    return f"u8* p = {at}; {' '.join(stores)}"


@handles("cvta", modifiers="to shared global local const param")
def _cvta(call: Call) -> str:
    window = {"shared": "(u64)t.shared", "local": "(u64)t.local"}.get(call.space, "0")
    return call.write(f"{call.read(1)} {'-' if call.has('to') else '+'} {window}")


_ATOMICS = "add min max exch cas and or xor inc dec"


@handles("atom", "red", modifiers=f"global shared relaxed acquire release acq_rel cta gpu sys {_ATOMICS}")
def _atom(call: Call) -> str:
    operation = next(p for p in call.parts if p in _ATOMICS.split())
    operands = call.operands if call.base == "atom" else ("_", *call.operands)
    at = call.names.address(operands[1], call.space, call.type)
    values = ", ".join(call.names.read(value, call.type) for value in operands[2:])
    old = f"atomic_{operation}<{CPP[call.type]}>({at}, {values})"
    return f"{old};" if operands[0] == "_" else call.names.write(operands[0], call.type, old)


# Moves, comparisons, conversions


@handles("mov")
def _mov(call: Call) -> str:
    target, source = call.operands
    if source.startswith("{"):
        parts = vector(source)
        bits = SIZE[call.type] * 8 // len(parts)
        joined = " | ".join(f"((u64){call.names.read(p, f'b{bits}')} << {i * bits})" for i, p in enumerate(parts))
        return call.write(joined)
    if target.startswith("{"):
        parts = vector(target)
        bits = SIZE[call.type] * 8 // len(parts)
        split = (call.names.write(p, f"b{bits}", f"whole >> {i * bits}") for i, p in enumerate(parts))
        return f"const u64 whole = {call.read(1)}; {' '.join(split)}"
    return call.write(call.read(1))


_ORDERED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_UNSIGNED = {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
_UNORDERED = {"equ": "==", "neu": "!=", "ltu": "<", "leu": "<=", "gtu": ">", "geu": ">="}
_COMPARISONS = " ".join([*_ORDERED, *_UNSIGNED, *_UNORDERED, "nan", "num"])


@handles("setp", modifiers=f"and or xor ftz {_COMPARISONS}")
def _setp(call: Call) -> str:
    a, b = call.read(1), call.read(2)
    rule = call.parts[0]
    result = _compare(rule, a, b, call.floating)
    joined = next((p for p in call.parts[1:] if p in ("and", "or", "xor")), "")
    if joined:
        result = f"({result}) {dict(and_='&&', or_='||', xor_='!=')[joined + '_']} {call.read(3, 'pred')}"
        second = f"(!({_compare(rule, a, b, call.floating)})) "
        second += f"{dict(and_='&&', or_='||', xor_='!=')[joined + '_']} {call.read(3, 'pred')}"
    else:
        second = f"!({result})"
    first, _, other = call.operands[0].partition("|")
    text = f"const bool yes = {result}, no = {second}; (void)no; {call.names.write(first, 'pred', 'yes')}"
    return f"{text} {call.names.write(other, 'pred', 'no')}" if other else text


def _compare(rule: str, a: str, b: str, floating: bool) -> str:
    if not floating:
        return f"{a} {({**_ORDERED, **_UNSIGNED})[rule]} {b}"
    unordered = f"(is_nan({a}) || is_nan({b}))"
    if rule in ("nan", "num"):
        return unordered if rule == "nan" else f"!{unordered}"
    if rule in _UNORDERED:
        return f"{unordered} || {a} {_UNORDERED[rule]} {b}"
    return f"!{unordered} && {a} {_ORDERED[rule]} {b}"


@handles("selp")
def _selp(call: Call) -> str:
    return call.write(f"{call.read(3, 'pred')} ? {call.read(1)} : {call.read(2)}")


_TO_INTEGER = {"rni": "std::rint", "rzi": "std::trunc", "rmi": "std::floor", "rpi": "std::ceil"}


@handles("cvt", modifiers="rn rz rm rp rni rzi rmi rpi ftz sat")
def _cvt(call: Call) -> str:
    to, source = (p for p in call.parts if p in SIZE)
    value = call.names.read(call.operands[1], source)
    if source == "f16":
        value, source = f"from_half({value})", "f32"
    if call.has("ftz") and source == "f32":
        value = f"flush({value})"
    whole = next((_TO_INTEGER[p] for p in call.parts if p in _TO_INTEGER), "")
    real = ("f16", "f32", "f64")
    if source in real and to in real:
        return _real_to_real(call, f"{whole}({value})" if whole else value, source, to)
    if source in real:
        return call.names.write(call.operands[0], to, f"to_integer<{CPP[to]}>({whole}({value}))")
    if to in real:
        return _integer_to_real(call, value, to)
    if call.has("sat"):
        value = f"clamped<{CPP[to]}>({value})"
    return call.names.write(call.operands[0], to, value)


def _real_to_real(call: Call, value: str, source: str, to: str) -> str:
    if to == "f16":
        return call.names.write(call.operands[0], "b16", f"to_half({value})")
    if SIZE[to] < SIZE[source] and not call.has("rn"):
        value = f"rounded<{CPP[to]}>({value}, {_round_mode(call)})"
    if call.has("sat"):
        value = f"saturate({value})"
    return call.names.write(call.operands[0], to, value)


def _integer_to_real(call: Call, value: str, to: str) -> str:
    if to == "f16":
        return call.names.write(call.operands[0], "b16", f"to_half((float)({value}))")
    if call.has("rn"):
        return call.names.write(call.operands[0], to, f"({CPP[to]})({value})")
    return call.names.write(call.operands[0], to, f"converted<{CPP[to]}>({value}, {_round_mode(call)})")


def _round_mode(call: Call) -> str:
    modes = {"rn": "FE_TONEAREST", "rz": "FE_TOWARDZERO", "rm": "FE_DOWNWARD", "rp": "FE_UPWARD"}
    return next((modes[p] for p in call.parts if p in modes), "FE_TONEAREST")


# Arithmetic


_ARITHMETIC = "rn rz rm rp ftz sat lo hi wide approx full NaN"


def _unsigned(kind: str) -> str:
    return "u" + kind[1:] if kind[0] == "s" else kind


def _rounded(call: Call, exact: str) -> str:
    """A sum or product under the instruction's rounding; the host's own is to nearest."""
    mode = _round_mode(call)
    return exact if mode == "FE_TONEAREST" else f"under({mode}, [&] {{ return {exact}; }})"


@handles("add", "sub", modifiers=_ARITHMETIC)
def _add(call: Call) -> str:
    sign = "+" if call.base == "add" else "-"
    if call.floating:
        return call.write(_rounded(call, f"{call.read(1)} {sign} {call.read(2)}"))
    if call.has("sat"):
        return call.write(f"clamped<i32>((i64){call.read(1)} {sign} (i64){call.read(2)})")
    kind = _unsigned(call.type)
    return call.write(f"{call.read(1, kind)} {sign} {call.read(2, kind)}")


@handles("mul", "mad", "fma", modifiers=_ARITHMETIC)
def _mul(call: Call) -> str:
    adds = call.base != "mul"
    if call.floating:
        a, b = call.read(1), call.read(2)
        return call.write(_rounded(call, f"std::fma({a}, {b}, {call.read(3)})" if adds else f"{a} * {b}"))
    if call.has("wide"):
        wide = {"s16": "s32", "u16": "u32", "s32": "s64", "u32": "u64"}[call.type]
        product, kind = f"({CPP[wide]}){call.read(1)} * ({CPP[wide]}){call.read(2)}", wide
        if adds:
            product = f"({CPP[_unsigned(wide)]})({product}) + {call.read(3, _unsigned(wide))}"
        return call.write(product, kind)
    if call.has("hi"):
        product = f"high_half<{CPP[call.type]}>({call.read(1)}, {call.read(2)})"
    else:
        kind = _unsigned(call.type)
        product = f"(u64){call.read(1, kind)} * (u64){call.read(2, kind)}"
    if adds:
        product = f"(u64)({product}) + (u64){call.read(3)}"
    return call.write(product)


@handles("div", "rem", modifiers=_ARITHMETIC)
def _div(call: Call) -> str:
    if call.floating:
        return call.write(_rounded(call, f"{call.read(1)} / {call.read(2)}"))
    operation = "quotient" if call.base == "div" else "remainder_of"
    return call.write(f"{operation}<{CPP[call.type]}>({call.read(1)}, {call.read(2)})")


@handles("min", "max", modifiers="ftz NaN")
def _min(call: Call) -> str:
    a, b = call.read(1), call.read(2)
    if call.floating:
        function = f"nan_{call.base}" if call.has("NaN") else f"std::f{call.base}"
        return call.write(f"{function}({a}, {b})")
    return call.write(f"std::{call.base}<{CPP[call.type]}>({a}, {b})")


@handles("neg", "abs", modifiers="ftz")
def _neg(call: Call) -> str:
    if call.floating:
        return call.write(f"-{call.read(1)}" if call.base == "neg" else f"std::fabs({call.read(1)})")
    kind = _unsigned(call.type)
    negative = f"0 - {call.read(1, kind)}"
    return call.write(negative if call.base == "neg" else f"{call.read(1)} < 0 ? {negative} : {call.read(1, kind)}")


_FUNCTIONS = {
    "rcp": "1 / {}",
    "sqrt": "std::sqrt({})",
    "rsqrt": "1 / std::sqrt({})",
    "sin": "std::sin({})",
    "cos": "std::cos({})",
    "ex2": "std::exp2({})",
    "lg2": "std::log2({})",
    "tanh": "std::tanh({})",
}


@handles(*_FUNCTIONS, modifiers="approx rn rz rm rp ftz")
def _function(call: Call) -> str:
    return call.write(_rounded(call, _FUNCTIONS[call.base].format(call.read(1))))


@handles("copysign")
def _copysign(call: Call) -> str:
    return call.write(f"std::copysign({call.read(2)}, {call.read(1)})")


@handles("testp", modifiers="finite infinite number notanumber normal subnormal")
def _testp(call: Call) -> str:
    tests = {
        "finite": "std::isfinite({})",
        "infinite": "std::isinf({})",
        "number": "!is_nan({})",
        "notanumber": "is_nan({})",
        "normal": "std::isnormal({})",
        "subnormal": "(std::fpclassify({}) == FP_SUBNORMAL)",
    }
    return call.names.write(call.operands[0], "pred", tests[call.parts[0]].format(call.read(1)))


# Bits


@handles("and", "or", "xor")
def _logic(call: Call) -> str:
    return call.write(f"{call.read(1)} {({'and': '&', 'or': '|', 'xor': '^'})[call.base]} {call.read(2)}")


@handles("not")
def _not(call: Call) -> str:
    return call.write(f"!{call.read(1)}" if call.type == "pred" else f"~{call.read(1)}")


@handles("shl", "shr")
def _shift(call: Call) -> str:
    direction = "left" if call.base == "shl" else "right"
    return call.write(f"shift_{direction}<{CPP[call.type]}>({call.read(1)}, {call.read(2, 'u32')})")


@handles("shf", modifiers="l r wrap clamp")
def _shf(call: Call) -> str:
    side, wraps = ("left" if call.has("l") else "right"), str(call.has("wrap")).lower()
    values = ", ".join(call.read(i, "u32") for i in (1, 2, 3))
    return call.write(f"funnel_{side}({values}, {wraps})")


@handles("lop3")
def _lop3(call: Call) -> str:
    values = ", ".join(call.read(i, "u32") for i in (1, 2, 3, 4))
    return call.write(f"logic3({values})")


@handles("prmt")
def _prmt(call: Call) -> str:
    values = ", ".join(call.read(i, "u32") for i in (1, 2, 3))
    return call.write(f"permute_bytes({values})")


@handles("bfe")
def _bfe(call: Call) -> str:
    return call.write(f"extract<{CPP[call.type]}>({call.read(1)}, {call.read(2, 'u32')}, {call.read(3, 'u32')})")


@handles("bfi")
def _bfi(call: Call) -> str:
    values = f"{call.read(1)}, {call.read(2)}, {call.read(3, 'u32')}, {call.read(4, 'u32')}"
    return call.write(f"insert<{CPP[call.type]}>({values})")


@handles("popc", "clz", "brev")
def _count(call: Call) -> str:
    if call.base == "brev":
        return call.write(f"reversed<{CPP[call.type]}>({call.read(1)})")
    function = {"popc": "__builtin_popcountll", "clz": "leading_zeros"}[call.base]
    return call.names.write(call.operands[0], "u32", f"{function}({call.read(1)})")
