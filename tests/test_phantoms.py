"""The whole chain on phantoms whose image is known: position, size and attenuation in the image."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume, geo
from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector, Exposure, fluence_scale
from deepdrr.materials import MaterialModel, decompose, mass_attenuation, material
from deepdrr.projector import Projector
from deepdrr.spectrum import attenuate, monochromatic
from deepdrr.validation._line_integrals import body_checks
from deepdrr.validation._phantoms import Body, Shape

AIR, WATER = -1000.0, 0.0
POSES = [(0, 0, 0), (30, 10, 0), (-45, -25, 15), (90, 0, 0)]
# Oblique, anisotropic, left-handed: rotated about an odd axis, 1.0 × 1.2 × 1.5 mm, the first axis to the left.
OBLIQUE = geo.rigid(geo.rotation((1, 2, 3), 25), (0, 0, 0)) @ torch.diag(torch.tensor([-1.0, 1.2, 1.5, 1.0])).double()


def centered(affine: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """The same grid with the centre of its box at the origin."""
    middle = geo.transform_points(affine, (torch.tensor(shape).double() - 1) / 2)
    return geo.translation(-middle) @ affine


def phantom(hu: Any, affine: torch.Tensor, **more: Any) -> Volume:
    """A volume of numbers that no scanner would give."""
    return Volume.from_array(hu, affine, check_hu="off", **more)


def camera_at(pose: tuple[float, float, float], pixels: int = 128) -> Camera:
    arm = MobileCArm(alpha=pose[0], beta=pose[1], gamma=pose[2])
    return arm.camera.resized(pixels, pixels)


def line_integrals(volume: Volume, camera: Camera, energy_kev: float = 60.0) -> torch.Tensor:
    with Projector(volume, carm=camera, spectrum=monochromatic(energy_kev)) as projector:
        return projector.project("line_integrals")["line_integrals"].double()


def centroid(image: torch.Tensor) -> torch.Tensor:
    """Centre of mass (u, v) of an image, pixel centres at +0.5."""
    rows, columns = (torch.arange(n).double() + 0.5 for n in image.shape)
    return torch.stack([(image * columns).sum(), (image * rows[:, None]).sum()]) / image.sum()


class TestPosition:
    @pytest.mark.parametrize("pose", POSES)
    def test_a_landmark_falls_on_the_image_of_its_marker(self, pose: tuple[float, float, float]) -> None:
        """A bright voxel is a landmark: its image's centre of mass is where project_points says, to 0.01 pixel.

        The perspective shifts the centre of mass of a mark of 2 mm at 530 mm by less than (2 / 530)² of its distance
        from the axis, 1e-5 of 500 pixels; the rest is the mark sampled by pixels of a fourteenth of its width.
        """
        hu = np.full((41, 37, 33), AIR, dtype=np.float32)
        voxel = (30, 9, 20)
        hu[voxel] = 1500.0
        affine = centered(OBLIQUE, hu.shape)
        mark = geo.transform_points(affine, torch.tensor(voxel).double())
        volume = phantom(hu, affine, landmarks={"mark": mark})
        volume.rotate((0, 1, 1), 10.0)
        volume.translate((3.0, -4.0, 5.0))
        camera = MobileCArm(alpha=pose[0], beta=pose[1], gamma=pose[2]).camera
        expected = camera.project_points(volume.landmark_in_world("mark"))
        corner = (expected - 24).floor()
        window = camera.cropped(top=int(corner[1]), left=int(corner[0]), height=48, width=48)
        assert_close(centroid(line_integrals(volume, window)) + corner, expected, rtol=0, atol=0.01)

    @pytest.mark.parametrize("pose", POSES)
    def test_the_image_of_a_ball_is_centered_and_magnified(self, pose: tuple[float, float, float]) -> None:
        """A ball of radius r at distance d has a shadow of radius f r / √(d² − r²) on the axis (its tangent cone)."""
        shape, radius = (81, 81, 81), 30.0
        index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij"), -1).double() - 40
        # Partial volume: the surface voxel holds the part of the ball within it, to first order.
        part = (radius + 0.5 - index.norm(dim=-1)).clamp(0, 1)
        volume = phantom((part * 1000 - 1000).float().numpy(), centered(torch.eye(4).double(), shape))
        camera = camera_at(pose, 256)
        image = line_integrals(volume, camera)
        assert_close(centroid(image), torch.tensor([128.0, 128.0]).double(), rtol=0, atol=0.001)
        inside = image > 0.5 * chord(image.max() / (2 * radius), radius, radius - 0.25)
        area = inside.sum().double() * (1536 / 256 * 0.194) ** 2
        shadow = 1020 * radius / math.sqrt(530**2 - radius**2)
        # Counting pixels of 1.2 mm in a disc of radius 58 mm: one part in a thousand.
        assert float((area / math.pi).sqrt()) == pytest.approx(shadow, rel=5e-3)


def chord(mu: torch.Tensor, radius: float, offset: float) -> torch.Tensor:
    return mu * 2 * math.sqrt(radius**2 - offset**2)


class TestLineIntegrals:
    @pytest.mark.parametrize("pose", POSES)
    @pytest.mark.parametrize("affine", [torch.eye(4).double(), OBLIQUE], ids=["straight", "oblique"])
    @pytest.mark.parametrize("shape", ["slab", "sphere", "cylinder"])
    def test_water(self, pose: tuple[float, float, float], affine: torch.Tensor, shape: Shape) -> None:
        """Rows of the validation report: µ times the way through the body within 0.1 % of the longest."""
        integral, transmission = body_checks(Body(shape, affine), pose, "")
        assert integral.passed
        assert transmission.passed


class TestInvariance:
    @pytest.mark.parametrize("pose", POSES)
    def test_moving_the_patient_is_moving_the_camera_the_other_way(self, pose: tuple[float, float, float]) -> None:
        generator = torch.Generator().manual_seed(3)
        hu = torch.rand(20, 22, 24, generator=generator) * 1500 - 700
        affine = centered(OBLIQUE, (20, 22, 24))
        motion = geo.rotation_about((3, 1, 2), 17.0, (5, 5, 5)) @ geo.translation((4, 0, -6))
        camera = camera_at(pose, 96)
        moved = phantom(hu.numpy(), affine)
        moved.world_from_anatomical = motion @ moved.world_from_anatomical
        still = phantom(hu.numpy(), affine)
        with_patient = line_integrals(moved, camera)
        with_camera = line_integrals(still, camera.moved(geo.invert_rigid(motion)))
        # float32 integrals of about 100 voxels.
        assert_close(with_patient, with_camera, rtol=1e-5, atol=1e-5 * float(with_camera.max()))


class TestSignal:
    def test_the_open_field_is_the_exposure(self) -> None:
        """Air: 1000 photons of 60 keV in the central pixel are 60 MeV."""
        volume = phantom(np.full((4, 4, 4), AIR, np.float32), centered(torch.eye(4).double(), (4, 4, 4)))
        with Projector(
            volume,
            carm=camera_at((0, 0, 0), 65),
            spectrum=monochromatic(60.0),
            exposure=Exposure(photons_per_pixel=1000.0),
            detector=EnergyIntegratingDetector(),
        ) as projector:
            found = projector.project("expected_image", "open_field", "primary_photons", "primary_energy")
        assert float(found["expected_image"][32, 32]) == pytest.approx(60_000.0, rel=1e-6)
        assert float(found["primary_photons"][32, 32]) == pytest.approx(1000.0, rel=1e-6)
        assert_close(found["expected_image"].double(), found["open_field"], rtol=1e-6, atol=0)
        assert_close(found["primary_energy"], found["expected_image"])

    def test_a_slab_attenuates_by_beer_and_lambert(self) -> None:
        """10 cm of water by label, of the registry's density: exp(−µ x) at 60 keV, within 0.1 %."""
        shape = (100, 100, 100)
        labels = np.ones(shape, np.uint8)
        volume = phantom(np.zeros(shape, np.float32), centered(torch.eye(4).double(), shape), labels=labels)
        with Projector(
            volume,
            carm=camera_at((0, 0, 0), 65),
            spectrum=monochromatic(60.0),
            materials=MaterialModel(by_label={1: "water"}),
            detector=EnergyIntegratingDetector(),
        ) as projector:
            found = projector.project("expected_image", "open_field")
        water = material("water")
        mu = float(mass_attenuation(water, torch.tensor([60.0], dtype=torch.float64))[0]) * water.density_g_cm3
        ratio = float(found["expected_image"][32, 32]) / float(found["open_field"][32, 32])
        assert ratio == pytest.approx(math.exp(-mu * 10.0), rel=1e-3)

    def test_noise_variance(self) -> None:
        """Behind a slab: the variance of a region is Σ n E² per pixel and the readout's, within 2 %."""
        shape = (60, 60, 60)
        volume = phantom(
            np.zeros(shape, np.float32), centered(torch.diag(torch.tensor([5.0, 1, 5, 1]).double()), shape)
        )
        detector = EnergyIntegratingDetector(electronic_noise_electrons=1500.0)
        with Projector(
            volume, carm=camera_at((0, 0, 0), 256), exposure=Exposure(photons_per_pixel=500.0), detector=detector
        ) as projector:
            found = projector.project("image", "area_densities", generator=torch.Generator().manual_seed(1))
            spectrum, materials = projector.technique.spectrum, decompose(volume.hu).materials
        fluence = fluence_scale(Exposure(photons_per_pixel=500.0), spectrum, camera_at((0, 0, 0), 256))
        beam = attenuate(found["area_densities"].double(), spectrum, materials, fluence=fluence)
        pull = (found["image"] - beam.energy_kev) / (beam.energy_sq_kev2 + detector.electronic_noise_kev**2).sqrt()
        # 65536 pixels: the variance is known to √(2 / 65536) = 0.6 %, the mean to 0.004.
        assert float(pull.var()) == pytest.approx(1.0, abs=0.02)
        assert abs(float(pull.mean())) < 0.016
