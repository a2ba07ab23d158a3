"""Every PTX instruction that the software driver knows, against numpy, on the numbers where meanings differ.

The expected values follow the PTX ISA 9.0: wrapping integers, clamped shifts, conversions that saturate and turn NaN
into 0, comparisons ordered and unordered, one rounding in `fma`.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from ptx.syntax import PtxError
from ptx.translate import translate
from raw_driver import RawDriver

Array = NDArray[np.generic]
DTYPE = {
    **{"u16": np.uint16, "s16": np.int16, "b16": np.uint16, "u32": np.uint32, "s32": np.int32, "b32": np.uint32},
    **{"u64": np.uint64, "s64": np.int64, "b64": np.uint64, "f32": np.float32, "f64": np.float64, "pred": np.uint32},
}
RNG = np.random.default_rng(20261122)


def numbers(kind: str) -> Array:
    dtype = DTYPE[kind]
    if np.issubdtype(dtype, np.floating):
        special = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 1e-40, -1e-40, 3e9, -3e9, 1e30, np.inf, -np.inf, np.nan]
        return np.array([*special, *RNG.normal(0, 100, 16)], dtype)
    info = np.iinfo(dtype)
    special = [0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 100, info.max, info.max - 1, info.min, info.min + 1, info.max // 2]
    drawn = RNG.integers(info.min, info.max, 16, dtype=dtype, endpoint=True)
    return np.concatenate([np.array(special, dtype), drawn])


def pairs(*kinds: str) -> list[Array]:
    """All pairs of the first two operands' numbers; a third operand is drawn."""
    first, second = (numbers(kind) for kind in (*kinds, *kinds)[:2])
    a, b = (x.ravel() for x in np.meshgrid(first, second))
    arrays = [a, b, *(RNG.permutation(np.resize(numbers(kind), a.size)) for kind in kinds[2:])]
    return arrays[: len(kinds)]


@dataclass(frozen=True)
class Case:
    """`instruction` over %a, %b, %c of `inputs`' types gives %d of type `output`."""

    instruction: str
    inputs: tuple[str, ...]
    output: str
    expected: Callable[..., Array]
    exact: bool = True


def wrapped(kind: str, operation: Callable[..., object]) -> Callable[..., Array]:
    """The operation on Python's unbounded integers, cut to the type."""
    bits = 8 * np.dtype(DTYPE[kind]).itemsize

    def expected(*arrays: Array) -> Array:
        values = [int(operation(*map(int, row))) % 2**bits for row in zip(*arrays, strict=True)]  # type: ignore[call-overload]
        return np.array(values, f"uint{bits}").view(DTYPE[kind])

    return expected


def truncated(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if b else -1


def to_integer(kind: str, rounding: Callable[[Array], Array]) -> Callable[[Array], Array]:
    info = np.iinfo(DTYPE[kind])

    def expected(a: Array) -> Array:
        values = [0 if np.isnan(x) else max(info.min, min(info.max, int(x) if np.isfinite(x) else x))
                  for x in rounding(a.astype(np.float64))]  # fmt: skip
        return np.array(
            [info.max if v == np.inf else info.min if v == -np.inf else int(v) for v in values], DTYPE[kind]
        )

    return expected


def funnel(low: int, high: int, n: int, left: bool) -> int:
    both = high << 32 | low
    return both << n >> 32 if left else both >> n


def lop3(a: int, b: int, c: int, table: int) -> int:
    return sum((table >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i for i in range(32))


def flushed(x: Array) -> Array:
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x).astype(np.float32)


CASES = [
    Case("add.s32 %d, %a, %b;", ("s32", "s32"), "s32", wrapped("s32", lambda a, b: a + b)),
    Case("sub.u64 %d, %a, %b;", ("u64", "u64"), "u64", wrapped("u64", lambda a, b: a - b)),
    Case("add.s16 %d, %a, %b;", ("s16", "s16"), "s16", wrapped("s16", lambda a, b: a + b)),
    Case("mul.lo.s32 %d, %a, %b;", ("s32", "s32"), "s32", wrapped("s32", lambda a, b: a * b)),
    Case("mul.hi.s32 %d, %a, %b;", ("s32", "s32"), "s32", wrapped("s32", lambda a, b: a * b >> 32)),
    Case("mul.hi.u64 %d, %a, %b;", ("u64", "u64"), "u64", wrapped("u64", lambda a, b: a * b >> 64)),
    Case("mul.wide.s32 %d, %a, %b;", ("s32", "s32"), "s64", wrapped("s64", lambda a, b: a * b)),
    Case("mul.wide.u16 %d, %a, %b;", ("u16", "u16"), "u32", wrapped("u32", lambda a, b: a * b)),
    Case("mad.lo.s32 %d, %a, %b, %c;", ("s32", "s32", "s32"), "s32", wrapped("s32", lambda a, b, c: a * b + c)),
    Case("mad.wide.u32 %d, %a, %b, %c;", ("u32", "u32", "u64"), "u64", wrapped("u64", lambda a, b, c: a * b + c)),
    Case("div.s32 %d, %a, %b;", ("s32", "s32"), "s32", wrapped("s32", truncated)),
    Case("rem.u32 %d, %a, %b;", ("u32", "u32"), "u32", wrapped("u32", lambda a, b: a % b if b else a)),
    Case("min.s32 %d, %a, %b;", ("s32", "s32"), "s32", wrapped("s32", min)),
    Case("max.u32 %d, %a, %b;", ("u32", "u32"), "u32", wrapped("u32", max)),
    Case("neg.s32 %d, %a;", ("s32",), "s32", wrapped("s32", lambda a: -a)),
    Case("abs.s32 %d, %a;", ("s32",), "s32", wrapped("s32", abs)),
    Case("and.b32 %d, %a, %b;", ("b32", "b32"), "b32", wrapped("b32", lambda a, b: a & b)),
    Case("or.b64 %d, %a, %b;", ("b64", "b64"), "b64", wrapped("b64", lambda a, b: a | b)),
    Case("xor.b32 %d, %a, %b;", ("b32", "b32"), "b32", wrapped("b32", lambda a, b: a ^ b)),
    Case("not.b32 %d, %a;", ("b32",), "b32", wrapped("b32", lambda a: ~a)),
    Case("shl.b32 %d, %a, %b;", ("b32", "u32"), "b32", wrapped("b32", lambda a, b: a << min(b, 32))),
    Case("shr.s32 %d, %a, %b;", ("s32", "u32"), "s32", wrapped("s32", lambda a, b: a >> min(b, 32))),
    Case("shr.u64 %d, %a, %b;", ("u64", "u32"), "u64", wrapped("u64", lambda a, b: a >> min(b, 64))),
    Case("shf.l.wrap.b32 %d, %a, %b, %c;", ("b32", "b32", "u32"), "b32",
         wrapped("b32", lambda a, b, c: funnel(a, b, c % 32, True))),
    Case("shf.r.clamp.b32 %d, %a, %b, %c;", ("b32", "b32", "u32"), "b32",
         wrapped("b32", lambda a, b, c: funnel(a, b, min(c, 32), False))),
    Case("lop3.b32 %d, %a, %b, %c, 0x96;", ("b32", "b32", "b32"), "b32",
         wrapped("b32", lambda a, b, c: lop3(a, b, c, 0x96))),
    Case("lop3.b32 %d, %a, %b, %c, 0xE8;", ("b32", "b32", "b32"), "b32",
         wrapped("b32", lambda a, b, c: lop3(a, b, c, 0xE8))),
    Case("bfe.u32 %d, %a, 5, 9;", ("u32",), "u32", wrapped("u32", lambda a: a >> 5 & 0x1FF)),
    Case("bfe.s32 %d, %a, 5, 9;", ("s32",), "s32", wrapped("s32", lambda a: ((a >> 5 & 0x1FF) ^ 0x100) - 0x100)),
    Case("bfi.b32 %d, %a, %b, 4, 12;", ("b32", "b32"), "b32",
         wrapped("b32", lambda a, b: b & ~(0xFFF << 4) | (a & 0xFFF) << 4)),
    Case("prmt.b32 %d, %a, %b, 0x3715;", ("b32", "b32"), "b32",
         wrapped("b32", lambda a, b: sum(((b << 32 | a) >> 8 * s & 255) << 8 * i for i, s in enumerate((5, 1, 7, 3))))),
    Case("popc.b32 %d, %a;", ("b32",), "u32", wrapped("u32", lambda a: a.bit_count())),
    Case("clz.b32 %d, %a;", ("b32",), "u32", wrapped("u32", lambda a: 32 - a.bit_length())),
    Case("brev.b32 %d, %a;", ("b32",), "b32", wrapped("b32", lambda a: int(f"{a:032b}"[::-1], 2))),
    Case("selp.b32 %d, %a, %b, 1;", ("b32", "b32"), "b32", wrapped("b32", lambda a, b: a)),
    # Reals
    Case("add.rn.f32 %d, %a, %b;", ("f32", "f32"), "f32", lambda a, b: a + b),
    Case("add.ftz.f32 %d, %a, %b;", ("f32", "f32"), "f32", lambda a, b: flushed(flushed(a) + flushed(b))),
    Case("mul.f64 %d, %a, %b;", ("f64", "f64"), "f64", lambda a, b: a * b),
    Case("mul.rz.f32 %d, %a, %b;", ("f32", "f32"), "f32", lambda a, b: toward_zero(a.astype(np.float64) * b)),
    # Exact in double (products of floats have 48 bits) but for one rounding of the sum, below half a float's last bit.
    Case("fma.rn.f32 %d, %a, %b, %c;", ("f32", "f32", "f32"), "f32",
         lambda a, b, c: (a.astype(np.float64) * b + c).astype(np.float32), exact=False),
    Case("div.rn.f32 %d, %a, %b;", ("f32", "f32"), "f32", lambda a, b: a / b),
    Case("sqrt.rn.f32 %d, %a;", ("f32",), "f32", lambda a: np.sqrt(a)),
    Case("rcp.rn.f32 %d, %a;", ("f32",), "f32", lambda a: np.float32(1) / a),
    Case("ex2.approx.f32 %d, %a;", ("f32",), "f32", lambda a: np.exp2(a.astype(np.float64)).astype(np.float32), False),
    Case("lg2.approx.f32 %d, %a;", ("f32",), "f32", lambda a: np.log2(a.astype(np.float64)).astype(np.float32), False),
    Case("min.f32 %d, %a, %b;", ("f32", "f32"), "f32", lambda a, b: np.fmin(a, b)),
    Case("max.NaN.f32 %d, %a, %b;", ("f32", "f32"), "f32", lambda a, b: np.maximum(a, b)),
    Case("neg.f32 %d, %a;", ("f32",), "f32", lambda a: -a),
    Case("abs.f64 %d, %a;", ("f64",), "f64", lambda a: np.abs(a)),
    Case("copysign.f32 %d, %a, %b;", ("f32", "f32"), "f32", lambda a, b: np.copysign(b, a)),
    Case("add.sat.f32 %d, %a, %b;", ("f32", "f32"), "f32",
         lambda a, b: np.nan_to_num(np.clip(a + b, 0, 1), nan=0).astype(np.float32)),
    # Comparisons
    Case("setp.lt.f32 %p, %a, %b;", ("f32", "f32"), "pred", lambda a, b: a < b),
    Case("setp.ltu.f32 %p, %a, %b;", ("f32", "f32"), "pred", lambda a, b: ~(a >= b)),
    Case("setp.ne.f32 %p, %a, %b;", ("f32", "f32"), "pred", lambda a, b: (a < b) | (a > b)),
    Case("setp.neu.f32 %p, %a, %b;", ("f32", "f32"), "pred", lambda a, b: a != b),
    Case("setp.nan.f32 %p, %a, %b;", ("f32", "f32"), "pred", lambda a, b: np.isnan(a) | np.isnan(b)),
    Case("setp.num.f64 %p, %a, %b;", ("f64", "f64"), "pred", lambda a, b: ~(np.isnan(a) | np.isnan(b))),
    Case("setp.lt.s32 %p, %a, %b;", ("s32", "s32"), "pred", lambda a, b: a < b),
    Case("setp.hi.u32 %p, %a, %b;", ("u32", "u32"), "pred", lambda a, b: a > b),
    # Conversions
    Case("cvt.rzi.s32.f32 %d, %a;", ("f32",), "s32", to_integer("s32", np.trunc)),
    Case("cvt.rni.s32.f32 %d, %a;", ("f32",), "s32", to_integer("s32", np.rint)),
    Case("cvt.rmi.s64.f64 %d, %a;", ("f64",), "s64", to_integer("s64", np.floor)),
    Case("cvt.rzi.u32.f32 %d, %a;", ("f32",), "u32", to_integer("u32", np.trunc)),
    Case("cvt.rmi.f32.f32 %d, %a;", ("f32",), "f32", lambda a: np.floor(a)),
    Case("cvt.rpi.f64.f64 %d, %a;", ("f64",), "f64", lambda a: np.ceil(a)),
    Case("cvt.rn.f32.s32 %d, %a;", ("s32",), "f32", lambda a: a.astype(np.float32)),
    Case("cvt.rn.f64.u64 %d, %a;", ("u64",), "f64", lambda a: a.astype(np.float64)),
    Case("cvt.rz.f32.s32 %d, %a;", ("s32",), "f32", lambda a: toward_zero(a.astype(np.float64))),
    Case("cvt.rn.f32.f64 %d, %a;", ("f64",), "f32", lambda a: a.astype(np.float32)),
    Case("cvt.f64.f32 %d, %a;", ("f32",), "f64", lambda a: a.astype(np.float64)),
    Case("cvt.rn.f16.f32 %d, %a;", ("f32",), "b16", lambda a: a.astype(np.float16).view(np.uint16)),
    Case("cvt.f32.f16 %d, %a;", ("b16",), "f32", lambda a: a.view(np.float16).astype(np.float32)),
    Case("cvt.s64.s32 %d, %a;", ("s32",), "s64", lambda a: a.astype(np.int64)),
    Case("cvt.u64.u32 %d, %a;", ("u32",), "u64", lambda a: a.astype(np.uint64)),
    Case("cvt.s32.s16 %d, %a;", ("s16",), "s32", lambda a: a.astype(np.int32)),
    Case("cvt.u16.u32 %d, %a;", ("u32",), "u16", lambda a: a.astype(np.uint16)),
    Case("cvt.sat.s16.s32 %d, %a;", ("s32",), "s16", lambda a: np.clip(a, -32768, 32767).astype(np.int16)),
]  # fmt: skip


def toward_zero(exact: Array) -> Array:
    nearest = exact.astype(np.float32)
    too_far = np.abs(nearest.astype(np.float64)) > np.abs(exact)
    return np.where(too_far, np.nextafter(nearest, np.float32(0)), nearest).astype(np.float32)


def kernel(index: int, case: Case) -> str:
    register = {"pred": "b32"} | {k: f"b{8 * np.dtype(t).itemsize}" for k, t in DTYPE.items() if k != "pred"}
    loads = "".join(
        f"ld.global.{register[kind]} %{name}, [%p{name}+0];\n" for name, kind in zip("abc", case.inputs, strict=False)
    )
    addresses = "".join(
        f"ld.param.u64 %p{name}, [case{index}_{name}];\n"
        f"mad.wide.u32 %p{name}, %i, {np.dtype(DTYPE[kind]).itemsize}, %p{name};\n"
        for name, kind in zip("dabc", (case.output, *case.inputs), strict=False)
    )
    registers = "".join(
        f".reg .{register[kind]} %{name};\n" for name, kind in zip("dabc", (case.output, *case.inputs), strict=False)
    )
    result = "selp.u32 %d, 1, 0, %p;\n" if case.output == "pred" else ""
    return f"""
    .visible .entry case{index}(.param .u64 case{index}_d, .param .u64 case{index}_a, .param .u64 case{index}_b,
                                .param .u64 case{index}_c, .param .u32 case{index}_n) {{
        .reg .pred %p, %q;
        .reg .b32 %i, %t, %n;
        .reg .b64 %pa, %pb, %pc, %pd;
        {registers}
        mov.u32 %i, %ctaid.x;
        mov.u32 %t, %ntid.x;
        mad.lo.s32 %i, %i, %t, %tid.x;
        ld.param.u32 %n, [case{index}_n];
        setp.ge.u32 %q, %i, %n;
        @%q bra $end{index};
        {addresses} {loads} {case.instruction} {result}
        st.global.{register[case.output]} [%pd], %d;
    $end{index}: ret;
    }}"""


HEADER = ".version 7.0\n.target sm_75\n.address_size 64\n"
MODULE = HEADER + "".join(kernel(i, case) for i, case in enumerate(CASES))


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case.instruction for case in CASES])
def test_an_instruction_means_what_the_manual_says(driver: RawDriver, index: int) -> None:
    case = CASES[index]
    inputs = pairs(*case.inputs) if len(case.inputs) > 1 else [numbers(case.inputs[0])]
    size = inputs[0].size
    out = np.zeros(size, DTYPE[case.output])
    addresses = [driver.upload(array) for array in (out, *inputs)]
    arguments = [*addresses, *[ctypes.c_uint64()] * (4 - len(addresses)), ctypes.c_uint32(size)]
    function = driver.function(driver.load(MODULE), f"case{index}")
    driver.launch(function, (-(-size // 128),), (128,), arguments)
    found = driver.download(addresses[0], out)
    with np.errstate(all="ignore"):
        expected = case.expected(*inputs)
    if case.exact:
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
    else:
        np.testing.assert_array_max_ulp(*(np.nan_to_num(x, nan=7.0) for x in (found, expected)), maxulp=1)
    for address in addresses:
        driver.free(address)


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("frob.b32 %d, %a;", "does not know the instruction 'frob'"),
        ("add.rn.f16x2 %d, %a, %b;", "does not know add with .f16x2"),
        ("mov.u32 %d, %nosuch;", "what is '%nosuch'"),
        ("bra $nowhere;", "there is no such label"),
        ("bar.sync 1;", "only barrier 0"),
    ],
)
def test_what_is_not_known_raises(instruction: str, message: str) -> None:
    text = kernel(0, Case(instruction, ("b32", "b32"), "b32", lambda a, b: a))
    with pytest.raises(PtxError, match=message.replace(".", r"\.")):
        translate(HEADER + text)


@pytest.mark.parametrize("text", ["", "not PTX at all", HEADER + ".visible .entry k() { ret;"])
def test_text_that_is_no_module_raises(text: str) -> None:
    with pytest.raises(PtxError, match=r"no PTX module|cut off"):
        translate(text)
