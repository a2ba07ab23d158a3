"""The technique in a scene file, both ways."""

from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

import torch

from deepdrr._names import unknown_name
from deepdrr.detector import PANELS, Exposure
from deepdrr.montecarlo import MonteCarlo
from deepdrr.projector._technique import DEFAULT_KVP, SCATTER_MODELS, Technique
from deepdrr.projector.scene_file._section import Section
from deepdrr.raycast import Exact, Step
from deepdrr.spectrum import FocalSpot, XRaySource, tungsten_spectrum

__all__ = ["technique_fields", "technique_of"]

_EXPOSURES = ("mas", "photons_per_pixel", "air_kerma_ngy")
_FIELDS = ("kvp", *_EXPOSURES, "relative", "panel", "focal_spot_mm", "scatter", "step_mm", "rays_per_pixel", "backend")
_MONTE_CARLO = tuple(field.name for field in fields_of(MonteCarlo))


def technique_of(section: Section) -> Technique:
    """The technique that a section of a scene file describes.

    Raises:
        ValueError: with file, line and key.
    """
    section.check(_FIELDS)
    parts: dict[str, Any] = section.given("rays_per_pixel", "backend") | _scatter_of(section)
    with section.blamed("kvp"):
        source = XRaySource(spectrum=tungsten_spectrum(section.get("kvp", DEFAULT_KVP)))
    if "focal_spot_mm" in section:
        with section.blamed("focal_spot_mm"):
            side = section.get("focal_spot_mm")
            source = replace(source, focal_spot=FocalSpot(width_mm=side, height_mm=side))
    if (stated := section.one_of(*_EXPOSURES, "relative")) is not None:
        with section.blamed(stated):
            parts["exposure"] = None if stated == "relative" else Exposure(**section.given(stated))
            if stated == "relative" and section.get(stated) is not True:
                raise ValueError(f"relative must be true, or left out, got {section.get(stated)!r}")
    if "panel" in section:
        with section.blamed("panel"):
            if section.get("panel") not in PANELS:
                raise unknown_name("panel", section.get("panel"), PANELS)
            parts["detector"] = PANELS[section.get("panel")]
    if "step_mm" in section:
        with section.blamed("step_mm"):
            parts["integration"] = Step(mm=section.get("step_mm"))
    with section.blamed():
        return Technique(source=source, **parts)


def technique_fields(technique: Technique) -> dict[str, Any]:
    """What a scene file says of a technique.

    Raises:
        ValueError: if it has a part that a scene file has no word for; the sentence names it.
    """
    source, kvp = technique.source, technique.spectrum.kvp
    if kvp is None or not torch.equal(tungsten_spectrum(float(kvp)).photons, technique.spectrum.photons.detach()):
        raise _no_word("spectrum", technique.spectrum)
    fields: dict[str, Any] = {"kvp": float(kvp)}
    if (spot := source.focal_spot) is not None:
        if spot != FocalSpot(width_mm=spot.width_mm, height_mm=spot.width_mm):
            raise _no_word("focal_spot", spot)
        fields["focal_spot_mm"] = spot.width_mm
    if source != XRaySource(spectrum=source.spectrum, focal_spot=spot):
        raise _no_word("source", source)
    if technique.exposure is None:
        fields["relative"] = True
    else:
        fields |= {name: value for name, value in vars(technique.exposure).items() if value is not None}
    panels = [name for name, panel in PANELS.items() if panel == technique.detector]
    if not panels:
        raise _no_word("detector", technique.detector)
    fields["panel"] = panels[0]
    if technique.scatter is not None:
        fields["scatter"] = _scatter_fields(technique.scatter)
    if isinstance(technique.integration, Step):
        fields["step_mm"] = technique.integration.mm
    elif technique.integration != Exact():
        raise _no_word("integration", technique.integration)
    if technique.rays_per_pixel is not None:
        fields["rays_per_pixel"] = technique.rays_per_pixel
    return fields | ({} if technique.backend == "auto" else {"backend": technique.backend})


def _scatter_of(section: Section) -> dict[str, Any]:
    """The scatter model: by name, or Monte Carlo by its fields."""
    if not isinstance(section.get("scatter"), dict):
        return section.given("scatter")
    inner = section.section("scatter")
    inner.check(_MONTE_CARLO)
    with inner.blamed():
        return {"scatter": MonteCarlo(**inner.fields)}


def _scatter_fields(scatter: object) -> str | dict[str, Any]:
    for name, model in SCATTER_MODELS.items():
        if model() == scatter:
            return name
    if not isinstance(scatter, MonteCarlo):
        raise _no_word("scatter", scatter)
    return {name: getattr(scatter, name) for name in _MONTE_CARLO}


def _no_word(name: str, value: object) -> ValueError:
    return ValueError(f"{name} must be one that a scene file has a word for, got {value!r}")
