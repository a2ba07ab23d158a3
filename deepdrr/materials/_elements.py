"""The elements 1..92 (symbol, standard atomic weight) and the parser of chemical formulas."""

import re
from collections.abc import Mapping
from functools import cache

__all__ = ["ATOMIC_WEIGHTS", "SYMBOLS", "atomic_number", "mass_fractions"]

# IUPAC standard atomic weights, abridged (2021), g/mol; where there is none, the mass of the longest-lived isotope.
_TABLE: str = """
H 1.008 He 4.0026 Li 6.94 Be 9.0122 B 10.81 C 12.011 N 14.007 O 15.999 F 18.998 Ne 20.180 Na 22.990 Mg 24.305 Al 26.982
Si 28.085 P 30.974 S 32.06 Cl 35.45 Ar 39.95 K 39.098 Ca 40.078 Sc 44.956 Ti 47.867 V 50.942 Cr 51.996 Mn 54.938
Fe 55.845 Co 58.933 Ni 58.693 Cu 63.546 Zn 65.38 Ga 69.723 Ge 72.630 As 74.922 Se 78.971 Br 79.904 Kr 83.798 Rb 85.468
Sr 87.62 Y 88.906 Zr 91.224 Nb 92.906 Mo 95.95 Tc 97 Ru 101.07 Rh 102.91 Pd 106.42 Ag 107.87 Cd 112.41 In 114.82
Sn 118.71 Sb 121.76 Te 127.60 I 126.90 Xe 131.29 Cs 132.91 Ba 137.33 La 138.91 Ce 140.12 Pr 140.91 Nd 144.24 Pm 145
Sm 150.36 Eu 151.96 Gd 157.25 Tb 158.93 Dy 162.50 Ho 164.93 Er 167.26 Tm 168.93 Yb 173.05 Lu 174.97 Hf 178.49
Ta 180.95 W 183.84 Re 186.21 Os 190.23 Ir 192.22 Pt 195.08 Au 196.97 Hg 200.59 Tl 204.38 Pb 207.2 Bi 208.98 Po 209
At 210 Rn 222 Fr 223 Ra 226 Ac 227 Th 232.04 Pa 231.04 U 238.03
"""

SYMBOLS: tuple[str, ...] = tuple(_TABLE.split()[0::2])
ATOMIC_WEIGHTS: Mapping[str, float] = dict(zip(SYMBOLS, map(float, _TABLE.split()[1::2]), strict=True))

_TOKEN = re.compile(r"([A-Z][a-z]?|[()\[\]])(\d+\.?\d*|\.\d+)?")
_CLOSES = {"(": ")", "[": "]"}


@cache
def atomic_number(symbol: str) -> int:
    """Atomic number of an element symbol.

    Raises:
        ValueError: if the symbol is not one of hydrogen to uranium.
    """
    try:
        return SYMBOLS.index(symbol) + 1
    except ValueError:
        raise ValueError(f"element must be a symbol from H to U such as 'Ca', got {symbol!r}") from None


def mass_fractions(formula: str) -> dict[str, float]:
    """Mass fraction of each element of a chemical formula.

    Args:
        formula: symbols with counts; parentheses (nested) and decimals are allowed, e.g. `"Ca10(PO4)6(OH)2"`.

    Raises:
        ValueError: if the formula cannot be read or names an unknown element.
    """
    counts = _counts(formula)
    grams = {symbol: number * ATOMIC_WEIGHTS[symbol] for symbol, number in counts.items()}
    total = sum(grams.values())
    if total <= 0:
        raise ValueError(f"formula must hold atoms, as 'CaCO3' does, got {formula!r}")
    return {symbol: gram / total for symbol, gram in grams.items() if gram > 0}


def _counts(formula: str) -> dict[str, float]:
    """Number of atoms of each element; a stack holds one dictionary per open parenthesis."""
    stack: list[dict[str, float]] = [{}]
    expected: list[str] = []
    for token, number in _tokens(formula):
        times = float(number or 1)
        if token in _CLOSES:
            if number:
                raise ValueError(
                    f"formula must have numbers behind closing parentheses, got one after {token!r} in {formula!r}"
                )
            expected.append(_CLOSES[token])
            stack.append({})
        elif token in _CLOSES.values():
            if not expected or expected.pop() != token:
                raise ValueError(f"formula must open each parenthesis before it closes it, got {formula!r}")
            for symbol, count in stack.pop().items():
                stack[-1][symbol] = stack[-1].get(symbol, 0.0) + count * times
        else:
            atomic_number(token)
            stack[-1][token] = stack[-1].get(token, 0.0) + times
    if expected:
        raise ValueError(f"formula must close each parenthesis, got {formula!r}")
    return stack[0]


def _tokens(formula: str) -> list[tuple[str, str]]:
    """Split a formula into (symbol or parenthesis, number); any other text is an error."""
    text = "".join(formula.split()) if isinstance(formula, str) else ""
    pieces = [(match.group(1), match.group(2) or "") for match in _TOKEN.finditer(text)]
    if not pieces or "".join(a + b for a, b in pieces) != text:
        raise ValueError(f"formula must be symbols with counts such as 'Gd2O2S' or 'Ca(OH)2', got {formula!r}")
    return pieces
