"""The heel effect: rays on the anode's side leave through more tungsten, and are fewer and harder.

Photons come from some depth d below the surface of the anode, measured along the electrons' path. One that leaves along
the unit vector r crosses d g of tungsten, g = cos α / (r·n), with α the anode angle and n the surface's normal, so that
on the central ray r·n = sin α. In the plane of anode and cathode r·n = sin(α + φ), with φ > 0 toward the cathode. Where
g is large, on rays that graze the anode, only the photons from shallow depths are left: the depth of those that count
falls, as 1 / (1 + β g). The spectrum of the tables holds what the central ray loses; what is left is a sheet of

    a = ρ d (G(g) − G(cot α)),  G(g) = g / (1 + β g)

g/cm² of tungsten, negative toward the cathode. The depth depends on the energy, u = E / kV: photons near the end of the
spectrum come from electrons that have lost no energy yet, soft ones are made too by electrons on their way out. And
hard photons go more toward the anode, because bremsstrahlung leans forward along the electrons' path. With

    d = 0.541 µm (kV / 80)^1.62 (1 + 4.29 u − 3.55 u²),  β = 0.00918

and a factor exp(−1.65 g/cm² µ_H(E) u³ sin φ), where hydrogen's µ_H serves as a nearly constant 0.3 cm²/g, every energy
is followed. All terms are layers of more "materials" in `attenuate`: tungsten, tungsten times E and E², hydrogen times
E³.

The six numbers are fitted to SpekPy 2.5.4 (casim, bare anode, 60 to 140 kV, 8° to 15°, −15 to 15 cm at 1 m), by air
kerma behind 2.5 mm Al, behind 3 mm Al and 0.1 mm Cu and 10 cm of water more, and by the energy behind 20 and 30 cm of
water. From 10° up, kerma is followed within 0.9 % and the energy behind water within 1.2 % over ±10 cm; over ±15 cm
both within 2 % from 12° up, and within 3.8 and 2.8 % at 10°, whose outermost ray leaves the anode at 1.5°; kerma within
5.2 % at 8°. `scripts/fit_heel.py` makes the fit.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.camera import Camera, ray_slopes
from deepdrr.materials import EnergyScaled, Material, material

__all__ = ["HEEL_MATERIALS", "HeelEffect", "Side", "heel_area_density", "heel_layers"]

Side = Literal["left", "right", "top", "bottom"]

_DEPTH_CM, _AT_KV, _GROWTH, _SHALLOWER = 0.541e-4, 80.0, 1.62, 0.00918
_BY_ENERGY = (1.0, 4.29, -3.55)  # of the depth, in powers of E / kV
_LEANING_G_CM2 = 1.65  # of hydrogen, times (E / kV)³ sin φ
_GRAZING = 1e-4  # least r·n: beyond it the anode is in the way
_OPAQUE_CM = 1.0  # of tungsten: nothing is left behind it


@dataclass(frozen=True, kw_only=True)
class HeelEffect:
    """How the anode stands.

    Attributes:
        anode_angle_deg: angle between the anode's surface and the central ray, degrees; that of the spectrum.
        cathode: the side of the picture that the cathode is on, the brighter one. On C-arms the axis of the tube
            lies along the patient.
    """

    anode_angle_deg: float = 10.0
    cathode: Side = "top"

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 1.0 <= self.anode_angle_deg <= 45.0:
            raise ValueError(f"anode_angle_deg must be from 1 to 45 degrees, got {self.anode_angle_deg}")
        if self.cathode not in get_args(Side):
            raise ValueError(f"cathode must be one of {', '.join(get_args(Side))}, got {self.cathode!r}")


def _scaled(name: str, power: int) -> Material:
    base = material("tungsten") if name == "tungsten" else Material("hydrogen", {"H": 1.0}, 1.0, "the element")
    return EnergyScaled(name, base.composition, base.density_g_cm3, base.source, power) if power else base


HEEL_MATERIALS = (*(_scaled("tungsten", power) for power in range(3)), _scaled("hydrogen", 3))
"""The materials of `heel_layers`."""


def heel_layers(camera: Camera, kvp: float | Tensor, heel: HeelEffect) -> Tensor:
    """The layers that make the beam of the central ray that of each ray, at every energy.

    Args:
        camera: the geometry [...], perspective.
        kvp: tube voltage in kV; a scalar tensor may ask for a gradient.
        heel: how the anode stands.

    Returns:
        float64 [..., 4, H, W], g/cm² of `HEEL_MATERIALS`; of either sign.

    Raises:
        ValueError: if the camera is orthographic or the voltage not positive.

    Example:
        >>> from deepdrr.spectrum import attenuate, tungsten_spectrum
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=3, width=1, pixel_mm=100.0)
        >>> layers = heel_layers(camera, 80.0, HeelEffect(anode_angle_deg=12.0))
        >>> beam = attenuate(layers, tungsten_spectrum(80.0), HEEL_MATERIALS, negative="allow")
        >>> bool(beam.photons[0] > beam.photons[2])  # the cathode is at the top
        True
    """
    volts, beyond, leaning, free = _geometry(camera, kvp, heel)
    depth_cm = _DEPTH_CM * (volts / _AT_KV) ** _GROWTH
    sheet = material("tungsten").density_g_cm3 * depth_cm * beyond
    per_power = (
        100.0 / volts
    )  # the materials' energies are in units of 100 keV, those of the fit in units of the voltage
    layers = [share * per_power**power * sheet for power, share in enumerate(_BY_ENERGY)]
    layers.append(_LEANING_G_CM2 * per_power**3 * leaning)
    opaque = (material("tungsten").density_g_cm3 * _OPAQUE_CM, 0.0, 0.0, 0.0)
    return torch.stack(
        [torch.where(free, layer, blocked) for layer, blocked in zip(layers, opaque, strict=True)], dim=-3
    )


def heel_area_density(camera: Camera, kvp: float | Tensor, heel: HeelEffect) -> Tensor:
    """Tungsten that each ray crosses more than the central one, from one depth for all energies.

    A single sheet, d = 1.01 µm (kV / 80)^1.55 and β = 0.0058, fitted to air kerma alone: within 2.2 % over ±10 cm at
    1 m from 10° up, but the signal behind 20 cm of water is up to 6 % off. Images take `heel_layers`.

    Args:
        camera: the geometry [...], perspective.
        kvp: tube voltage in kV; a scalar tensor may ask for a gradient.
        heel: how the anode stands.

    Returns:
        float64 [..., H, W], g/cm² of tungsten; negative toward the cathode.

    Raises:
        ValueError: if the camera is orthographic or the voltage not positive.

    Example:
        >>> from deepdrr.spectrum import attenuate, tungsten_spectrum
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=3, width=1, pixel_mm=100.0)
        >>> sheet = heel_area_density(camera, 80.0, HeelEffect(anode_angle_deg=12.0))
        >>> beam = attenuate(sheet[None], tungsten_spectrum(80.0), ["tungsten"], negative="allow")
        >>> bool(beam.photons[0] > beam.photons[2])  # the cathode is at the top
        True
    """
    volts, beyond, _, free = _geometry(camera, kvp, heel, shallower=0.0058)
    depth_cm = 1.01e-4 * (volts / _AT_KV) ** 1.55
    return material("tungsten").density_g_cm3 * torch.where(free, depth_cm * beyond, _OPAQUE_CM)


def _geometry(
    camera: Camera, kvp: float | Tensor, heel: HeelEffect, shallower: float = _SHALLOWER
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Voltage, and of each ray: G(g) − G(cot α), sin φ, and whether it leaves the anode."""
    volts = torch.as_tensor(kvp, dtype=torch.float64)
    if not float(volts.detach()) > 0:
        raise ValueError(f"kvp must be positive, got {float(volts.detach()):g}")
    if camera.orthographic:
        raise ValueError("camera must be perspective for a heel effect: parallel rays all leave the anode alike")
    columns, rows = (camera.intrinsics[..., i, i, None, None].double().sign() for i in (0, 1))
    x, y = ray_slopes(camera)
    right, down = x * columns, y * rows  # of the picture, which may be mirrored
    toward = {"right": right, "left": -right, "bottom": down, "top": -down}[heel.cathode]
    angle = math.radians(heel.anode_angle_deg)
    length = (1 + right**2 + down**2).sqrt()
    exit_cosine = (math.cos(angle) * toward + math.sin(angle)) / length
    path, central = math.cos(angle) / exit_cosine.clamp(min=_GRAZING), 1 / math.tan(angle)
    beyond = path / (1 + shallower * path) - central / (1 + shallower * central)
    return volts, beyond, toward / length, exit_cosine > _GRAZING
