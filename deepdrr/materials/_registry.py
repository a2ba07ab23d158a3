"""The registered materials, with composition by weight, density and source."""

from functools import cache
from types import MappingProxyType

from deepdrr._names import unknown_name
from deepdrr.materials._elements import mass_fractions
from deepdrr.materials._material import Material, mixture

__all__ = ["as_material", "material", "materials"]

_ICRU44 = "ICRU Report 44 (1989), as tabulated by NIST"
_ICRU46 = "ICRU Report 46 (1992)"
_NIST = "NIST X-ray mass attenuation tables (NISTIR 5632), materials list"

# name: (weight % of each element, g/cm³, source)
_BY_WEIGHT: dict[str, tuple[str, float, str]] = {
    "air": ("C 0.0124 N 75.5268 O 23.1781 Ar 1.2827", 0.001205, _NIST + ", dry, 20 °C"),
    "lung": ("H 10.3 C 10.5 N 3.1 O 74.9 Na .2 P .2 S .3 Cl .3 K .2", 0.26, _ICRU44 + "; density inflated"),
    "adipose": ("H 11.4 C 59.8 N .7 O 27.8 Na .1 S .1 Cl .1", 0.95, _ICRU44),
    "adipose 3": ("H 11.6 C 68.1 N .2 O 19.8 Na .1 S .1 Cl .1", 0.93, _ICRU46 + ", adipose tissue 3 (rich in fat)"),
    "soft tissue": ("H 10.2 C 14.3 N 3.4 O 70.8 Na .2 P .3 S .3 Cl .2 K .3", 1.06, _ICRU44),
    "muscle": ("H 10.2 C 14.3 N 3.4 O 71.0 Na .1 P .2 S .3 Cl .1 K .4", 1.05, _ICRU44),
    "blood": ("H 10.2 C 11.0 N 3.3 O 74.5 Na .1 P .1 S .2 Cl .3 K .2 Fe .1", 1.06, _ICRU44),
    "brain": ("H 10.7 C 14.5 N 2.2 O 71.2 Na .2 P .4 S .2 Cl .3 K .3", 1.04, _ICRU44),
    "breast": ("H 10.6 C 33.2 N 3.0 O 52.7 Na .1 P .1 S .2 Cl .1", 1.02, _ICRU44),
    "liver": ("H 10.2 C 13.9 N 3.0 O 71.6 Na .2 P .3 S .3 Cl .2 K .3", 1.06, _ICRU46),
    "skin": ("H 10.0 C 20.4 N 4.2 O 64.5 Na .2 P .1 S .2 Cl .3 K .1", 1.09, _ICRU46),
    "cartilage": ("H 9.6 C 9.9 N 2.2 O 74.4 Na .5 P 2.2 S .9 Cl .3", 1.10, _ICRU46),
    "red marrow": ("H 10.5 C 41.4 N 3.4 O 43.9 P .1 S .2 Cl .2 K .2 Fe .1", 1.03, _ICRU46),
    "yellow marrow": ("H 11.5 C 64.4 N .7 O 23.1 Na .1 S .1 Cl .1", 0.98, _ICRU46),
    "trabecular bone": (
        "H 8.5 C 40.4 N 2.8 O 36.7 Na .1 Mg .1 P 3.4 S .2 Cl .2 K .1 Ca 7.4 Fe .1",
        1.18,
        _ICRU46 + ", spongiosa",
    ),
    "cortical bone": ("H 3.4 C 15.5 N 4.2 O 43.5 Na .1 Mg .2 P 10.3 S .3 Ca 22.5", 1.92, _ICRU44),
    "stainless steel": ("Fe 65.5 Cr 17.0 Ni 12.0 Mo 2.5 Mn 2.0 Si 1.0", 8.0, "AISI 316L, nominal (ISO 5832-1)"),
    "titanium alloy": ("Ti 90 Al 6 V 4", 4.43, "Ti-6Al-4V, nominal (ISO 5832-3)"),
    "titanium aluminium niobium": ("Ti 87 Al 6 Nb 7", 4.52, "Ti-6Al-7Nb, nominal (ISO 5832-11)"),
    "cobalt chromium": ("Co 65 Cr 28 Mo 6 Mn .5 Si .5", 8.3, "Co-28Cr-6Mo, nominal (ASTM F75)"),
    "nitinol": ("Ni 55.5 Ti 44.5", 6.45, "nominal (ASTM F2063)"),
    "borosilicate glass": ("B 4.0064 O 53.9562 Na 2.8191 Al 1.1644 Si 37.7220 K .3321", 2.23, _NIST),
    "lead glass": ("O 15.6453 Si 8.0866 Ti .8092 As .2651 Pb 75.1938", 6.22, _NIST),
}

# name: (mass of each registered material, g/cm³, source)
_BY_MASS: dict[str, tuple[dict[str, float], float, str]] = {
    # Powder of 36 g PMMA and 4 g barium sulfate with 20 ml of monomer at 0.94 g/ml, all of which becomes PMMA. Density
    # by the volumes of the cured parts: 58.8 g in (54.8 / 1.19 + 4 / 4.50) cm³.
    "bone cement": (
        {"pmma": 54.8, "barium sulfate": 4.0},
        1.25,
        "acrylic cement (ISO 5833), usual recipe: 40 g powder with 10 % barium sulfate, 20 ml monomer",
    ),
}

# name: (formula, g/cm³, source)
_BY_FORMULA: dict[str, tuple[str, float, str]] = {
    "water": ("H2O", 1.0, _NIST),
    "pmma": ("C5H8O2", 1.19, _NIST),
    "polyethylene": ("C2H4", 0.93, _NIST),
    "polystyrene": ("C8H8", 1.06, _NIST),
    "polycarbonate": ("C16H14O3", 1.20, _NIST),
    "peek": ("C19H12O3", 1.30, "nominal"),
    "uhmwpe": ("C2H4", 0.935, "nominal, within ISO 5834-2"),
    "alumina": ("Al2O3", 3.97, "nominal, within ISO 6474-1"),
    "teflon": ("C2F4", 2.25, _NIST),
    "hydroxyapatite": ("Ca10(PO4)6(OH)2", 3.16, "nominal, crystalline"),
    "barium sulfate": ("BaSO4", 4.50, _NIST),
    "caesium iodide": ("CsI", 4.51, _NIST),
    "gadolinium oxysulfide": ("Gd2O2S", 7.44, _NIST),
    "cadmium telluride": ("CdTe", 6.20, _NIST),
    "beryllium": ("Be", 1.848, _NIST),
    "carbon": ("C", 1.70, _NIST + ", graphite"),
    "aluminium": ("Al", 2.699, _NIST),
    "silicon": ("Si", 2.33, _NIST),
    "titanium": ("Ti", 4.54, _NIST),
    "iron": ("Fe", 7.874, _NIST),
    "nickel": ("Ni", 8.902, _NIST),
    "copper": ("Cu", 8.96, _NIST),
    "selenium": ("Se", 4.50, _NIST),
    "molybdenum": ("Mo", 10.22, _NIST),
    "rhodium": ("Rh", 12.41, _NIST),
    "silver": ("Ag", 10.50, _NIST),
    "tin": ("Sn", 7.31, _NIST),
    "iodine": ("I", 4.93, _NIST),
    "barium": ("Ba", 3.50, _NIST),
    "gadolinium": ("Gd", 7.90, _NIST),
    "tantalum": ("Ta", 16.65, _NIST),
    "tungsten": ("W", 19.30, _NIST),
    "platinum": ("Pt", 21.45, _NIST),
    "gold": ("Au", 19.32, _NIST),
    "lead": ("Pb", 11.35, _NIST),
}

_ALIASES = {
    "aluminum": "aluminium",
    "cesium iodide": "caesium iodide",
    "csi": "caesium iodide",
    "gadolinium oxysulphide": "gadolinium oxysulfide",
    "gadox": "gadolinium oxysulfide",
    "gos": "gadolinium oxysulfide",
    "gd2o2s": "gadolinium oxysulfide",
    "barium sulphate": "barium sulfate",
    "bone": "cortical bone",
    "compact bone": "cortical bone",
    "cancellous bone": "trabecular bone",
    "spongiosa": "trabecular bone",
    "fat": "adipose",
    "adipose tissue": "adipose",
    "tissue": "soft tissue",
    "steel": "stainless steel",
    "316l": "stainless steel",
    "ti6al4v": "titanium alloy",
    "ti 6al 4v": "titanium alloy",
    "ti6al7nb": "titanium aluminium niobium",
    "ti 6al 7nb": "titanium aluminium niobium",
    "titanium aluminum niobium": "titanium aluminium niobium",
    "cocr": "cobalt chromium",
    "cocrmo": "cobalt chromium",
    "ultra high molecular weight polyethylene": "uhmwpe",
    "polyether ether ketone": "peek",
    "niti": "nitinol",
    "aluminium oxide": "alumina",
    "aluminum oxide": "alumina",
    "cement": "bone cement",
    "acrylic": "pmma",
    "perspex": "pmma",
    "plexiglas": "pmma",
    "plexiglass": "pmma",
    "polymethyl methacrylate": "pmma",
    "polyethene": "polyethylene",
    "polythene": "polyethylene",
    "ptfe": "teflon",
    "glass": "borosilicate glass",
    "pyrex": "borosilicate glass",
    "graphite": "carbon",
    "cdte": "cadmium telluride",
}


def material(name: str) -> Material:
    """A registered material by name. Case, spaces, hyphens and underscores do not matter; common synonyms work too.

    Args:
        name: e.g. `"cortical bone"`, `"aluminum"`, `"Cu"`.

    Returns:
        The material.

    Raises:
        ValueError: if the name is unknown; the message lists similar names.

    Example:
        >>> material("Aluminum").density_g_cm3
        2.699
    """
    registry = _registry()
    key = _normalize(name)
    found = registry.get(_synonyms().get(key, key))
    if found is None:
        raise unknown_name("material", name, [*registry, *_synonyms()])
    return found


def materials() -> tuple[str, ...]:
    """Names of all registered materials, sorted.

    Example:
        >>> "titanium" in materials()
        True
    """
    return tuple(sorted(_registry()))


def as_material(value: Material | str) -> Material:
    """The material itself, or the registered material of a name.

    Raises:
        TypeError: if the value is neither a material nor a name.
        ValueError: if the name is unknown.
    """
    if isinstance(value, Material):
        return value
    if isinstance(value, str):
        return material(value)
    raise TypeError(f"material must be a Material or a name, got {type(value).__name__}")


def _normalize(name: str) -> str:
    return " ".join(str(name).replace("_", " ").replace("-", " ").lower().split())


@cache
def _synonyms() -> MappingProxyType[str, str]:
    """Aliases, and the symbol of each registered element."""
    symbols = {f.lower(): name for name, (f, _, _) in _BY_FORMULA.items() if len(f) <= 2}
    return MappingProxyType({**symbols, **_ALIASES})


@cache
def _registry() -> MappingProxyType[str, Material]:
    registry = {}
    for name, (percent, density, source) in _BY_WEIGHT.items():
        words = percent.split()
        weights = {symbol: float(value) / 100 for symbol, value in zip(words[::2], words[1::2], strict=True)}
        registry[name] = Material(name, weights, density, source)
    for name, (formula, density, source) in _BY_FORMULA.items():
        registry[name] = Material(name, mass_fractions(formula), density, source)
    for name, (masses, density, source) in _BY_MASS.items():
        registry[name] = mixture({registry[part]: grams for part, grams in masses.items()}, density, name, source)
    return MappingProxyType(registry)
