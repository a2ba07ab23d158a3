"""`XRaySource`: a beam together with everything that shapes it between anode and patient; and named sources."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._numbers import plain_fields
from deepdrr.spectrum._quality import filtered
from deepdrr.spectrum._spectrum import Spectrum
from deepdrr.spectrum._tungsten import C_ARM_FILTERS, tungsten_spectrum
from deepdrr.spectrum.tube._focal_spot import FocalSpot
from deepdrr.spectrum.tube._heel import HeelEffect
from deepdrr.spectrum.tube._shutters import Shutters

__all__ = ["SOURCES", "XRaySource", "xray_source"]


@dataclass(frozen=True, kw_only=True)
class XRaySource:
    """An X-ray source. With a spectrum alone it is a point that shines alike in all directions.

    Attributes:
        spectrum: the beam on the central ray.
        heel: fewer and harder photons on the anode's side; None for no heel effect. It needs the `kvp` of the spectrum.
        focal_spot: size of the source; None for a point.
        shutters: blades that cover the field; None for an open field.
        air_path: the air between the focal spot and the detector attenuates, less what the patient displaces: a metre
            takes 3 % of the kerma at 80 kV. An exposure in photons or air kerma is that of what arrives. It needs rays
            from a point.
        tolerance: relative error allowed to the sum over the spectrum, such as 1e-4 (see `weighted_sums`); None sums
            over every energy.

    Raises:
        ValueError: if there is a heel effect and the spectrum has no voltage.
        TypeError: if `spectrum` is not a `Spectrum`.
    """

    spectrum: Spectrum
    heel: HeelEffect | None = None
    focal_spot: FocalSpot | None = None
    shutters: Shutters | None = None
    tolerance: float | None = None
    air_path: bool = False

    def __post_init__(self) -> None:
        plain_fields(self)
        if not isinstance(self.spectrum, Spectrum):
            raise TypeError(f"spectrum must be a deepdrr.spectrum.Spectrum, got {type(self.spectrum).__name__}")
        if self.heel is not None and self.spectrum.kvp is None:
            raise ValueError(f"spectrum must have a tube voltage for a heel effect, got {self.spectrum!r} without kvp")

    def arriving(self, distance_mm: float | Tensor) -> Spectrum:
        """The spectrum at a distance from the focal spot: behind the air, if there is an air path.

        Args:
            distance_mm: length of the way, mm; a scalar tensor may ask for a gradient.
        """
        return filtered(self.spectrum, "air", distance_mm) if self.air_path else self.spectrum


def _c_arm(kvp: float) -> XRaySource:
    # Tube and filters: GATE's model of a Siemens Cios Alpha. Focal spot: 0.6 mm (nominal) is usual, not looked up.
    spectrum = tungsten_spectrum(kvp, anode_angle_deg=10.0, filters=C_ARM_FILTERS)
    return XRaySource(
        spectrum=spectrum,
        heel=HeelEffect(anode_angle_deg=10.0),
        focal_spot=FocalSpot(width_mm=0.6, height_mm=0.6),
    )


def _radiography(kvp: float) -> XRaySource:
    # 12° and a large focus of 1.2 mm are usual, 2.5 mm Al the least total filtration of IEC 60601-1-3; not looked up.
    spectrum = tungsten_spectrum(kvp, anode_angle_deg=12.0, filters=[("aluminium", 2.5)])
    return XRaySource(
        spectrum=spectrum,
        heel=HeelEffect(anode_angle_deg=12.0),
        focal_spot=FocalSpot(width_mm=1.2, height_mm=1.2),
    )


SOURCES: MappingProxyType[str, Callable[[float], XRaySource]] = MappingProxyType(
    {"c-arm fluoroscopy": _c_arm, "radiography": _radiography}
)


def xray_source(name: str, kvp: float) -> XRaySource:
    """A typical source by name, with heel effect and focal spot.

    Args:
        name: `"c-arm fluoroscopy"` (10° anode, 3 mm Al + 0.1 mm Cu, 0.6 mm spot) or `"radiography"` (12°, 2.5 mm Al,
            1.2 mm spot).
        kvp: tube voltage, kV.

    Raises:
        ValueError: if there is no such source or the voltage is outside 40 to 150 kV.

    Example:
        >>> xray_source("radiography", 110.0).spectrum
        Spectrum(tungsten 12°, 2.5 mm aluminium: 110 kVp, mean 51.97 keV)
    """
    if name not in SOURCES:
        raise unknown_name("source", name, SOURCES)
    return SOURCES[name](kvp)
