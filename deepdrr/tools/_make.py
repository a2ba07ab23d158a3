"""The generators by name, with the material that each has by default."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from deepdrr._names import unknown_name
from deepdrr.tools import generators
from deepdrr.tools.generators import Shape

__all__ = ["GENERATORS", "generated"]

_STEEL, _TITANIUM = "stainless steel", "titanium alloy"

GENERATORS: Mapping[str, tuple[Callable[..., Shape], str]] = MappingProxyType(
    {
        "k-wire": (generators.kirschner_wire, _STEEL),
        "guide wire": (generators.guide_wire, _STEEL),
        "bone screw": (generators.bone_screw, _STEEL),
        "screw": (generators.screw, _TITANIUM),
        "pedicle screw": (generators.pedicle_screw, _TITANIUM),
        "rod": (generators.rod, _TITANIUM),
        "plate": (generators.plate, _TITANIUM),
        "nail": (generators.intramedullary_nail, _TITANIUM),
        "hip stem": (generators.hip_stem, "cobalt chromium"),
        "needle": (generators.needle, _STEEL),
        "drill": (generators.drill, _STEEL),
        "tube": (generators.tube_along, "polyethylene"),
        "ball": (generators.ball, _STEEL),
        "phantom": (generators.calibration_phantom, _STEEL),
    }
)
"""Generator and default material of each kind of tool."""


def generated(kind: str, dimensions: Mapping[str, Any]) -> tuple[Shape, str]:
    """The shape of a kind of tool, and its default material.

    Raises:
        ValueError: for an unknown kind or dimension, with near names, or a dimension that does not fit.
        TypeError: if one that has no default is missing.
    """
    if kind not in GENERATORS:
        raise unknown_name("kind of tool", kind, GENERATORS)
    generator, material = GENERATORS[kind]
    parameters = inspect.signature(generator).parameters
    if unknown := [name for name in dimensions if name not in parameters]:
        raise unknown_name(f"dimension of a {kind}", unknown[0], parameters)
    needed = [name for name, p in parameters.items() if p.default is inspect.Parameter.empty]
    if missing := [name for name in needed if name not in dimensions]:
        raise TypeError(f"{missing[0]} must be given for a {kind}, got only {', '.join(dimensions) or 'nothing'}")
    return generator(**dimensions), material
