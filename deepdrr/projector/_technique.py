"""`Technique`: how an image is taken and computed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self, TypedDict, Unpack, cast

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._numbers import as_count
from deepdrr.detector import Detector, Exposure, FlatPanel
from deepdrr.montecarlo import MonteCarlo
from deepdrr.raycast import Exact, Integration, check_backend
from deepdrr.scatter import ScatterModel
from deepdrr.spectrum import Spectrum, XRaySource, tungsten_spectrum

__all__ = ["DEFAULT_EXPOSURE", "DEFAULT_KVP", "SCATTER_MODELS", "BeamFields", "Technique", "TechniqueFields"]

DEFAULT_KVP = 80.0
_AS_GIVEN = ("exposure", "scatter", "backend", "rays_per_pixel")  # fields of a technique that need no conversion
# 20 to 40 mAs at 80 kV is the usual technique of an AP pelvis radiograph of an adult.
DEFAULT_EXPOSURE = Exposure(mas=25.0)


class BeamFields(TypedDict, total=False):
    """Fields of a technique, except the integration of rays.

    kvp: tube voltage, kV: the open beam is `tungsten_spectrum(kvp)`.
    spectrum: or the open beam itself; an `XRaySource` adds heel effect, focal spot, shutters and a faster sum over the
        spectrum.
    mas: tube load of one frame, mAs.
    exposure: or the exposure in another quantity. None: images are relative to the open beam before the shutters, 1 in
        air, without noise.
    detector: any of `deepdrr.detector`.
    scatter: a `deepdrr.scatter.ScatterModel` such as `deepdrr.montecarlo.MonteCarlo()`, or a name of `SCATTER_MODELS`;
        None for no scatter.
    rays_per_pixel: rays along each side of a pixel, see `Technique`; None for a number that suits the scene.
    """

    kvp: float | Tensor
    spectrum: Spectrum | XRaySource | None
    mas: float
    exposure: Exposure | None
    detector: Detector | None
    scatter: ScatterModel | str | None
    rays_per_pixel: int | None


class TechniqueFields(BeamFields, total=False):
    """Fields of a technique, see also `BeamFields`.

    integration: `Exact()`, `Step(mm=…)` or `Samples(count=…)`.
    backend: `"auto"`, `"cuda"`, `"cpu"` or `"reference"`, see `deepdrr.raycast.project`.
    """

    integration: Integration | None
    backend: str


SCATTER_MODELS: MappingProxyType[str, Callable[[], ScatterModel]] = MappingProxyType({"monte carlo": MonteCarlo})
"""Models of scatter by name, each with its defaults."""


def _scatter_model(name: str) -> ScatterModel:
    if name not in SCATTER_MODELS:
        raise unknown_name("scatter model", name, SCATTER_MODELS)
    return SCATTER_MODELS[name]()


def _default_source() -> XRaySource:
    return XRaySource(spectrum=tungsten_spectrum(DEFAULT_KVP))


@dataclass(frozen=True, kw_only=True)
class Technique:
    """How an image is taken and computed: beam, exposure, detector, scatter, and integration of rays.

    Attributes:
        source: the tube; default 80 kV through a C-arm's filtration, `tungsten_spectrum(80)`, from a point.
        exposure: exposure of one frame; default 25 mAs. None: images relative to the open beam before the shutters,
            1 in air, no noise.
        detector: default `FlatPanel()`: CsI with its blur, quantum and electronic noise.
        scatter: the model of scattered photons, or a name of `SCATTER_MODELS`, such as `"monte carlo"`; None for no
            scatter.
        integration: how rays are integrated.
        backend: the backend that integrates them.
        rays_per_pixel: n: the photons of a pixel are averaged over n × n rays through its area, before the detector
            blurs them; it costs n² projections. None: 1 for a CT, whose voxels are coarser than what a pixel sees; up
            to 4, so that rays are half a detail apart, for contrast media and for objects that state a `detail_mm`.

    Raises:
        TypeError: if one of them is of another type.
        ValueError: for an unknown backend, or if a detector with a readout, whose ADU depend on the exposure, has none.

    Example:
        >>> Technique().changed(kvp=90, mas=2).exposure
        Exposure(photons_per_pixel=None, air_kerma_ngy=None, mas=2)
    """

    source: XRaySource = field(default_factory=_default_source)
    exposure: Exposure | None = DEFAULT_EXPOSURE
    detector: Detector = field(default_factory=FlatPanel)
    scatter: ScatterModel | str | None = None
    integration: Integration = field(default_factory=Exact)
    backend: str = "auto"
    rays_per_pixel: int | None = None

    def __post_init__(self) -> None:
        _check(self.source, XRaySource, "source", "an XRaySource, such as xray_source('radiography', 80.0)")
        if self.exposure is not None:
            _check(self.exposure, Exposure, "exposure", "an Exposure, such as Exposure(mas=25)")
        _check(self.detector, Detector, "detector", "a detector, such as FlatPanel()")
        if isinstance(self.scatter, str):
            object.__setattr__(self, "scatter", _scatter_model(self.scatter))
        if self.scatter is not None:
            _check(self.scatter, ScatterModel, "scatter", "a ScatterModel, with a method `estimate`, or None")
        check_backend(self.backend)
        _check(self.integration, Integration, "integration", "Exact(), Step(mm=…) or Samples(count=…)")
        if self.rays_per_pixel is not None:
            as_count(self.rays_per_pixel, "rays_per_pixel")
        if self.exposure is None and getattr(self.detector, "readout", None) is not None:
            raise ValueError("exposure must be given for a detector with a readout, whose ADU depend on it")

    @property
    def scatter_model(self) -> ScatterModel | None:
        """The model of scattered photons, or None."""
        assert not isinstance(self.scatter, str)  # a name was looked up
        return self.scatter

    @property
    def spectrum(self) -> Spectrum:
        """The open beam on the central ray."""
        return self.source.spectrum

    @property
    def in_words(self) -> str:
        """Beam, exposure and detector, for logs.

        Example:
            >>> Technique().changed(kvp=90, mas=2).in_words
            '90 kVp, mas=2, FlatPanel'
        """
        beam = repr(self.spectrum) if self.spectrum.kvp is None else f"{float(self.spectrum.kvp):g} kVp"
        given = {} if self.exposure is None else vars(self.exposure)
        load = ", ".join(f"{name}={value}" for name, value in given.items() if value is not None) or "relative"
        return f"{beam}, {load}, {type(self.detector).__name__}"

    def changed(self, **fields: Unpack[TechniqueFields]) -> Self:
        """The same technique with some fields replaced.

        A spectrum or an `XRaySource` replaces the source; a voltage replaces only the spectrum.

        Args:
            fields: see `TechniqueFields`. None for a spectrum, detector or integration leaves it as it is.

        Raises:
            TypeError: for an unknown name or a value of another type.
            ValueError: if two fields state the same quantity, or a voltage would undo other filters.
        """
        given = cast(dict[str, Any], fields)
        if unknown := [name for name in given if name not in TechniqueFields.__annotations__]:
            raise TypeError(str(unknown_name("field of a technique", unknown[0], TechniqueFields.__annotations__)))
        for one, other in (("kvp", "spectrum"), ("mas", "exposure")):
            if given.get(one) is not None and given.get(other) is not None:
                raise ValueError(f"{one} or {other} must be given, not both, got {given[one]} and {given[other]}")
        return replace(self, **self._parts(given))

    def _parts(self, given: dict[str, Any]) -> dict[str, Any]:
        parts: dict[str, Any] = {name: given[name] for name in _AS_GIVEN if name in given}
        parts |= {name: given[name] for name in ("detector", "integration") if given.get(name) is not None}
        if given.get("mas") is not None:
            parts["exposure"] = Exposure(mas=given["mas"])
        if given.get("kvp") is not None:
            parts["source"] = self._at_voltage(given["kvp"])
        elif given.get("spectrum") is not None:
            parts["source"] = _as_source(given["spectrum"])
        return parts

    def _at_voltage(self, kvp: float | Tensor) -> XRaySource:
        now = self.spectrum
        usual = None if now.kvp is None else tungsten_spectrum(now.kvp)
        if usual is None or not torch.equal(usual.photons, now.photons.detach()):
            raise ValueError(f"kvp changes the voltage of the usual tube, not of {now!r}; give spectrum=… instead")
        return replace(self.source, spectrum=tungsten_spectrum(kvp))


def _as_source(beam: object) -> XRaySource:
    if isinstance(beam, XRaySource):
        return beam
    _check(beam, Spectrum, "spectrum", "a Spectrum, such as tungsten_spectrum(80.0), or an XRaySource")
    assert isinstance(beam, Spectrum)  # it was checked
    return XRaySource(spectrum=beam)


def _check(value: object, kind: Any, name: str, accepted: str) -> None:
    if not isinstance(value, kind) or isinstance(value, type):
        raise TypeError(f"{name} must be {accepted}, got {value!r}")
