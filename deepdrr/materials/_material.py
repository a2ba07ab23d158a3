"""Materials: elements by weight, density, and the source of both."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from deepdrr._numbers import plain_fields
from deepdrr.materials._elements import atomic_number, mass_fractions

__all__ = ["EnergyScaled", "Material", "check_density", "compound", "mixture"]

_METALS = frozenset((*range(22, 51), *range(72, 83)))
_SUM_TOLERANCE = 0.02  # published tables are rounded to 0.1 % per element


@dataclass(frozen=True, eq=False)
class Material:
    """A homogeneous material.

    Attributes:
        name: name in tables and errors.
        composition: mass fraction of each element symbol; a sum within 2 % of one is normalised, any other is refused.
        density_g_cm3: mass density in g/cm³.
        source: reference for composition and density.

    Raises:
        ValueError: if an element is unknown, a fraction or the density is not positive, or the sum is not one.

    Example:
        >>> Material("salt water", {"H": 0.1099, "O": 0.8801, "Na": 0.0039, "Cl": 0.0061}, 1.005).name
        'salt water'
    """

    name: str
    composition: Mapping[str, float]
    density_g_cm3: float
    source: str = "user"

    def __post_init__(self) -> None:
        plain_fields(self)
        for symbol, fraction in self.composition.items():
            atomic_number(symbol)
            if not (math.isfinite(fraction) and fraction > 0):
                raise ValueError(
                    f"composition of {self.name!r} must hold positive mass fractions, got {symbol}={fraction}"
                )
        total = sum(self.composition.values())
        if not abs(total - 1) <= _SUM_TOLERANCE:
            raise ValueError(f"composition of {self.name!r} must hold mass fractions that sum to 1, got {total:.4g}")
        check_density(self.density_g_cm3, self.name)
        normalized = {symbol: fraction / total for symbol, fraction in self.composition.items()}
        object.__setattr__(self, "composition", MappingProxyType(normalized))

    @property
    def is_metal(self) -> bool:
        """Whether more than half of its mass is metal of implants and tools: titanium to tin, or hafnium to lead.

        Iodine, barium and gadolinium, the contrast media, lie between.
        """
        share = sum(part for symbol, part in self.composition.items() if atomic_number(symbol) in _METALS)
        return share > 0.5

    def with_density(self, density_g_cm3: float) -> "Material":
        """The same composition at another density in g/cm³."""
        return replace(self, density_g_cm3=density_g_cm3)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Material):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, float, tuple[tuple[str, float], ...]]:
        return self.name, self.density_g_cm3, tuple(sorted(self.composition.items()))

    def __reduce__(self) -> tuple[type["Material"], tuple[str, dict[str, float], float, str]]:
        return Material, (self.name, dict(self.composition), self.density_g_cm3, self.source)


@dataclass(frozen=True, eq=False)
class EnergyScaled(Material):
    """The attenuation of a material times (E / 100 keV)^power: no matter, but a term of a law that varies with energy.

    Attributes:
        power: exponent of the energy.
    """

    power: int = 0

    def _key(self) -> tuple[str, float, tuple[tuple[str, float], ...]]:
        name, density, composition = super()._key()
        return f"{name} (E / 100 keV)^{self.power}", density, composition

    def __reduce__(self) -> tuple[type["Material"], tuple[str, dict[str, float], float, str, int]]:  # type: ignore[override]
        return EnergyScaled, (self.name, dict(self.composition), self.density_g_cm3, self.source, self.power)


def check_density(density_g_cm3: float, name: str) -> None:
    """Refuse a density that is not a positive number."""
    if not (math.isfinite(density_g_cm3) and density_g_cm3 > 0):
        raise ValueError(f"density_g_cm3 of {name!r} must be a positive number in g/cm³, got {density_g_cm3}")


def compound(formula: str, density_g_cm3: float, name: str | None = None) -> Material:
    """A material from its chemical formula.

    Args:
        formula: e.g. `"CaWO4"`, `"Ca10(PO4)6(OH)2"`, `"Cd0.9Zn0.1Te"`.
        density_g_cm3: mass density in g/cm³.
        name: defaults to the formula.

    Raises:
        ValueError: if the formula cannot be read or the density is not positive.

    Example:
        >>> compound("H2O", 1.0).composition["O"]  # doctest: +ELLIPSIS
        0.888...
    """
    return Material(name or formula, mass_fractions(formula), density_g_cm3, f"formula {formula}")


def mixture(parts: Mapping[Material, float], density_g_cm3: float, name: str, source: str = "user") -> Material:
    """A mixture of materials by weight.

    Args:
        parts: mass of each material, in any common unit.
        density_g_cm3: density of the mixture in g/cm³.
        name: name of the mixture.
        source: reference for the recipe.

    Raises:
        ValueError: if there are no parts, a mass is negative or not finite, or the density is not positive.

    Example:
        >>> saline = mixture({compound("H2O", 1.0): 99.1, compound("NaCl", 2.16): 0.9}, 1.0046, "saline")
        >>> round(saline.composition["Na"], 5)
        0.00354
    """
    for part, mass in parts.items():
        if not (math.isfinite(mass) and mass >= 0):
            raise ValueError(f"parts of {name!r} must have masses of zero or more, got {mass} of {part.name!r}")
    total = sum(parts.values())
    if total <= 0:
        raise ValueError(f"parts of {name!r} must hold a material with a positive mass, got a sum of {total}")
    composition: dict[str, float] = {}
    for part, mass in parts.items():
        for symbol, fraction in part.composition.items():
            composition[symbol] = composition.get(symbol, 0.0) + fraction * mass / total
    return Material(name, {s: f for s, f in composition.items() if f > 0}, density_g_cm3, source)
