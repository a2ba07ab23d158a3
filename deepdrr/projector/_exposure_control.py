"""Automatic exposure control of a projector's next image."""

import math
import warnings

import torch
from torch import Tensor

from deepdrr.detector import Exposure, controlled_mas, equivalent_mas
from deepdrr.projector._outputs import OutputName
from deepdrr.projector._projector import Projector

__all__ = ["automatic_exposure"]

# 21 CFR 1020.31(a)(3)(iii), automatic exposure controls: at most 600 mAs, or 2000 mAs below 51 kVp.
_MOST_MAS, _MOST_MAS_SOFT, _SOFT_KVP = 600.0, 2000.0, 51.0


def automatic_exposure(
    projector: Projector,
    *,
    air_kerma_ngy: float | None = None,
    signal: float | None = None,
    dominant: Tensor | None = None,
) -> Exposure:
    """The tube load that brings a target level to the detector behind the patient, as a C-arm's control finds it.

    Args:
        projector: volume, pose, beam and detector, for a single view; its own exposure does not matter.
        air_kerma_ngy: target mean air kerma of the primary beam before the grid, nGy: 10 to 50 for a frame of
            fluoroscopy, about 2500 for a radiograph.
        signal: or the target mean of the expected image, in keV or counts.
        dominant: bool [H, W], the measuring field; None for a disk in the middle.

    Returns:
        `Exposure(mas=…)`; for `Projector(…, exposure=…)`.

    Warns:
        UserWarning: if it is more than 600 mAs, or 2000 mAs below 51 kVp, the most that a real exposure control may
            give (21 CFR 1020.31(a)(3)(iii)).

    Raises:
        TypeError: if `projector` is not a `Projector`, or `dominant` not a tensor.
        ValueError: if there is not exactly one target, it is not positive, or the detector's unit is ADU, which has an
            offset.

    Example:
        >>> from deepdrr import MobileCArm, Volume
        >>> from deepdrr.resources import resource_path
        >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
        >>> ct.orient_patient()
        >>> found = automatic_exposure(Projector(ct, carm=MobileCArm().camera.resized(32, 32)), air_kerma_ngy=20.0)
        >>> 0.1 < found.mas < 100.0
        True
    """
    if not isinstance(projector, Projector):
        raise TypeError(f"projector must be a Projector, got {type(projector).__name__}")
    if (air_kerma_ngy is None) == (signal is None):
        raise ValueError(f"exactly one of air_kerma_ngy and signal must be given, got {air_kerma_ngy} and {signal}")
    technique = projector.technique
    if technique.exposure is None:
        raise ValueError("projector must have an exposure, any will do, got one whose images are relative")
    if signal is not None and technique.detector.unit == "ADU":
        raise ValueError("signal must be of a detector in keV or counts, got one in ADU; give air_kerma_ngy")
    target = signal if air_kerma_ngy is None else air_kerma_ngy
    assert target is not None  # exactly one is
    if not 0.0 < target < math.inf:
        raise ValueError(
            f"{'signal' if air_kerma_ngy is None else 'air_kerma_ngy'} must be positive and finite, got {target}"
        )
    name: OutputName = "air_kerma" if signal is None else "expected_image"
    with torch.no_grad():
        level = projector.project(name)[name]
        mas = float(equivalent_mas(technique.exposure, technique.source, projector.camera))
    found = controlled_mas(level, mas, target, dominant)
    _warn_beyond_tubes(found, technique.spectrum.kvp)
    return Exposure(mas=found)


def _warn_beyond_tubes(mas: float, kvp: float | None) -> None:
    """Warn of more mAs than the US performance standard for radiographic equipment lets an exposure control give."""
    soft = kvp is not None and kvp < _SOFT_KVP
    most = _MOST_MAS_SOFT if soft else _MOST_MAS
    if mas > most:
        warnings.warn(
            f"the exposure control asks for {mas:.0f} mAs, but a real one may give at most {most:g} mAs "
            f"{'below' if soft else 'at or above'} {_SOFT_KVP:g} kVp (21 CFR 1020.31): raise the voltage or lower the "
            "target",
            UserWarning,
            stacklevel=3,
        )
