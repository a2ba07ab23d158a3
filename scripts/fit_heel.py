"""Fit the six numbers of the heel effect (`deepdrr/spectrum/tube/_heel.py`) to SpekPy: run once, the results are code.

    pip install spekpy scipy             # 'deepdrr[tables]'
    python scripts/fit_heel.py

SpekPy's bare tungsten anode (casim, 1 keV bins) on the axis and at places toward anode and cathode, 1 m away. The fit
minimises relative errors of five integrals over the spectrum: air kerma behind three filters, and energy behind 20 and
30 cm of water. It prints the numbers and the largest errors.
"""

import math
from dataclasses import dataclass

import numpy as np
import spekpy
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares

from deepdrr.materials import Material, mass_attenuation, mass_energy_absorption

Array = NDArray[np.float64]

ANGLES_DEG, KVPS = (8.0, 10.0, 12.0, 15.0), (60.0, 80.0, 110.0, 140.0)
PLACES_CM = (-15.0, -12.0, -9.0, -6.0, -3.0, 3.0, 6.0, 10.0, 15.0)
TUNGSTEN_G_CM3 = 19.30
HYDROGEN = Material("hydrogen", {"H": 1.0}, 1.0)


@dataclass(frozen=True, eq=False)
class Place:
    """One ray: spectrum relative to the axis, and the weights [5, E] of the integrals."""

    angle_deg: float
    kvp: float
    place_cm: float
    energies_kev: Array
    ratio: Array
    weights: Array

    @property
    def trust(self) -> float:
        """Weight in the fit: less for rays that graze the anode."""
        if self.angle_deg < 9:
            return 0.25
        return 0.7 if abs(self.place_cm) >= 15 and self.angle_deg < 11 else 1.0


def attenuation(material: Material | str, energies_kev: Array) -> Array:
    return np.asarray(mass_attenuation(material, torch.from_numpy(energies_kev)))


def spectrum(kvp: float, angle_deg: float, place_cm: float) -> tuple[Array, Array]:
    """Energies, and photons with the inverse square taken out."""
    spek = spekpy.Spek(kvp=kvp, th=angle_deg, x=place_cm, y=0.0, z=100.0, dk=1.0)
    energies, photons = spek.get_spectrum(edges=False, flu=True, diff=False)
    return energies, photons * (1 + (place_cm / 100.0) ** 2)


def places() -> list[Place]:
    found = []
    for angle in ANGLES_DEG:
        for kvp in KVPS:
            energies, axis = spectrum(kvp, angle, 0.0)
            lit = (energies > 18) & (energies < kvp - 1) & (axis > 1e-6 * axis.max())
            weights = integrals(energies[lit], axis[lit])
            for place in PLACES_CM:
                if place > 0 or math.degrees(math.atan(-place / 100)) <= angle - 0.3:
                    there = spectrum(kvp, angle, place)[1]
                    found.append(Place(angle, kvp, place, energies[lit], (there / axis)[lit], weights))
    return found


def integrals(energies: Array, photons: Array) -> Array:
    aluminium, copper, water = (attenuation(name, energies) for name in ("aluminium", "copper", "water"))
    kerma = energies * np.asarray(mass_energy_absorption("air", torch.from_numpy(energies)))
    soft = photons * np.exp(-aluminium * 2.7 * 0.25)
    hard = photons * np.exp(-aluminium * 2.7 * 0.3 - copper * 8.96 * 0.01)
    behind = [hard * energies * np.exp(-water * depth_cm) for depth_cm in (20, 30)]
    return np.stack([soft * kerma, hard * kerma, hard * kerma * np.exp(-water * 10), *behind])


def model(numbers: Array, ray: Place) -> Array:
    depth_um, growth, shallower, linear, square, leaning = numbers
    angle, phi = math.radians(ray.angle_deg), math.atan(ray.place_cm / 100)
    path, central = math.cos(angle) / math.sin(angle + phi), 1 / math.tan(angle)
    beyond = path / (1 + shallower * path) - central / (1 + shallower * central)
    share = ray.energies_kev / ray.kvp
    depth_cm = depth_um * 1e-4 * (ray.kvp / 80) ** growth * (1 + linear * share + square * share**2)
    tungsten = attenuation("tungsten", ray.energies_kev) * TUNGSTEN_G_CM3 * depth_cm * beyond
    return np.exp(-tungsten - leaning * attenuation(HYDROGEN, ray.energies_kev) * share**3 * math.sin(phi))


def errors(numbers: Array, ray: Place) -> Array:
    """Relative error of each integral."""
    found: Array = (ray.weights @ model(numbers, ray)) / (ray.weights @ ray.ratio) - 1
    return found


def main() -> None:
    rays = places()
    start, size = [0.5, 1.6, 0.01, 5.0, -4.0, 1.5], [0.5, 1.0, 0.01, 5.0, 5.0, 1.0]

    def residuals(numbers: Array) -> Array:
        return np.concatenate([ray.trust * errors(numbers, ray) for ray in rays])

    fit = least_squares(residuals, start, x_scale=size)
    print("depth µm, growth, β, linear, square, leaning g/cm²:", [float(f"{v:.3g}") for v in fit.x])
    for name, chosen in (("kerma", slice(0, 3)), ("energy behind water", slice(3, 5))):
        for angle in ANGLES_DEG:
            for title, near in (("to 10 cm", True), ("beyond", False)):
                group = [ray for ray in rays if ray.angle_deg == angle and (abs(ray.place_cm) <= 10) == near]
                worst = max(float(np.abs(errors(fit.x, ray)[chosen]).max()) for ray in group)
                print(f"{name}, {angle:g}°, {title}: {100 * worst:.1f} %")


if __name__ == "__main__":
    main()
