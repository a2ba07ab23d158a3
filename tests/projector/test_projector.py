"""The Projector on the bundled pelvis: its images, the changes it follows, and what it refuses."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume, geo
from deepdrr.camera import Camera
from deepdrr.data import Source
from deepdrr.detector import EnergyIntegratingDetector, Exposure
from deepdrr.materials import MaterialModel
from deepdrr.projector import Projector
from deepdrr.raycast import Step
from deepdrr.resources import resource_path

PELVIS = resource_path("data/ct/pelvis.nii.gz")


def small(carm: MobileCArm | None = None, pixels: int = 48) -> Camera:
    return (carm or MobileCArm()).camera.resized(pixels, pixels)


@pytest.mark.large("2.4 million rays")
def test_the_seed_example() -> None:
    """As a newcomer writes it, at the C-arm's full resolution."""
    carm = MobileCArm()
    ct = Volume.from_nifti(PELVIS)
    with Projector(ct, carm=carm) as projector:
        ct.orient_patient(head_first=True, supine=True)
        carm.move_to(alpha=30, beta=10, degrees=True)
        image = projector()
    assert image.shape == (1536, 1536)
    assert image.dtype == torch.float32
    assert bool((image > 0).all())
    # 25 mAs at 80 kV bring some 8e5 photons of 50 keV to a pixel; this body, 40 cm thick, passes 1e-3 to 1e-5 of them.
    assert 1e2 < float(image.median()) < 1e5


class TestOutputs:
    def test_shapes_and_relations(self, ct: Volume) -> None:
        with Projector(ct, carm=small()) as projector:
            found = projector.project(
                "area_densities",
                "line_integrals",
                "primary_photons",
                "primary_energy",
                "open_field",
                "expected_image",
                "image",
                generator=torch.Generator().manual_seed(0),
            )
        shapes = {name: tuple(values.shape) for name, values in found.items()}
        assert shapes.pop("area_densities") == (3, 48, 48)
        assert set(shapes.values()) == {(48, 48)}
        mean_energy = found["primary_energy"] / found["primary_photons"]
        assert bool(((mean_energy > 40) & (mean_energy < 80)).all())  # an 80 kV beam, hardened
        assert bool((found["expected_image"] < found["open_field"]).all())
        assert bool((found["image"] != found["expected_image"]).any())

    def test_one_call_is_the_same_as_several(self, ct: Volume) -> None:
        with Projector(ct, carm=small()) as projector:
            both = projector.project("line_integrals", "expected_image")
            assert_close(both["expected_image"], projector(), rtol=0, atol=0)
            assert_close(both["line_integrals"], projector.project("line_integrals")["line_integrals"], rtol=0, atol=0)

    def test_noise_comes_from_the_generator_alone(self, ct: Volume) -> None:
        with Projector(ct, carm=small()) as projector:
            first, again, other = (projector(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_twice_the_exposure_is_twice_the_signal(self, ct: Volume) -> None:
        once, twice = (Projector(ct, carm=small(), exposure=Exposure(mas=mas))() for mas in (1.0, 2.0))
        assert_close(twice, 2 * once)

    def test_a_detector_without_noise_needs_no_generator(self, ct: Volume) -> None:
        quiet = EnergyIntegratingDetector(quantum_noise=False, electronic_noise_electrons=0.0)
        with Projector(ct, carm=small(), detector=quiet) as projector:
            found = projector.project("image", "expected_image")
        assert torch.equal(found["image"], found["expected_image"])

    def test_a_batch_is_its_members(self, ct: Volume) -> None:
        views = [small(MobileCArm(alpha=a)) for a in (0, 30, -60)]
        stack = Projector(ct, carm=Camera.stack(views))()
        assert stack.shape == (3, 48, 48)
        for image, view in zip(stack, views, strict=True):
            assert_close(image, Projector(ct, carm=view)(), rtol=1e-6, atol=0)

    def test_backends_and_integrations_agree(self, ct: Volume) -> None:
        images = {
            name: Projector(ct, carm=small(pixels=16), **choice)()  # type: ignore[arg-type]
            for name, choice in {
                "cpu": {"backend": "cpu"},
                "reference": {"backend": "reference"},
                "step": {"integration": Step(mm=0.5)},
            }.items()
        }
        # Area densities agree to 1e-5 of about 45 g/cm², attenuation multiplies them by 0.2 cm²/g.
        assert images["reference"].dtype == torch.float64
        assert_close(images["cpu"].double(), images["reference"], rtol=2e-4, atol=0)
        assert_close(images["step"], images["cpu"], rtol=1e-2, atol=0)  # a midpoint rule of 0.5 mm in 6 mm voxels


class TestFreshness:
    def test_the_volume_and_the_arm_may_move(self, ct: Volume) -> None:
        arm = MobileCArm()

        class Binned:
            @property
            def camera(self) -> Camera:
                return small(arm)

        with Projector(ct, carm=Binned()) as projector:
            still = projector()
            arm.move_to(alpha=40)
            turned = projector()
            ct.rotate((0, 0, 1), -40)
            arm.move_to(alpha=0)
            follows = projector()
        assert not torch.allclose(still, turned)
        assert torch.equal(Projector(ct, carm=small())(), follows)

    def test_written_voxels_are_seen(self, ct: Volume) -> None:
        copy = Volume.from_array(ct.hu, ct.anatomical_from_ijk)
        copy.orient_patient()
        with Projector(copy, carm=small()) as projector:
            before = projector()
            copy.hu[:, :, 20:30] = 1000.0
            after = projector()
        assert float(after.mean()) < float(before.mean())


class TestCopies:
    """Workers of a DataLoader get a pickled Projector; what was made of the voxels does not travel."""

    @pytest.mark.parametrize("used", [False, True])
    def test_pickled_and_copied(self, ct: Volume, used: bool) -> None:
        projector = Projector(ct, carm=small(pixels=8))
        if used:
            projector()
        pickled = pickle.dumps(projector)
        for copied in (pickle.loads(pickled), copy.deepcopy(projector)):
            assert torch.equal(copied(), projector())
        assert len(pickled) < len(pickle.dumps(ct)) + 100_000  # voxels once, and no densities

    def test_a_copy_is_moved_alone(self, ct: Volume) -> None:
        projector = Projector(ct, carm=small(pixels=8))
        before = projector()
        copied = copy.deepcopy(projector)
        copied.volume.hu.add_(200.0)
        assert not torch.equal(copied(), before)
        assert torch.equal(projector(), before)


def test_gradients_after_an_image_in_inference_mode(ct: Volume) -> None:
    """Nothing that is kept between images is of inference mode alone."""
    view = small(pixels=9)
    with torch.inference_mode():
        projector = Projector(ct, carm=view)
        projector()
    pose = view.camera_from_world.clone().requires_grad_()
    projector.carm = replace(view, camera_from_world=pose)
    projector().sum().backward()
    assert pose.grad is not None
    assert bool(pose.grad[:3].abs().sum() > 0)


class TestRefusals:
    def test_source_in_the_patient(self, ct: Volume) -> None:
        arm = MobileCArm(isocenter=(0, 500, 0))
        with pytest.raises(ValueError, match="source must be outside the patient"):
            Projector(ct, carm=small(arm))()

    def test_detector_in_the_patient(self, ct: Volume) -> None:
        arm = MobileCArm(isocenter=(0, -500, 0))
        with pytest.raises(ValueError, match="detector must be outside the patient"):
            Projector(ct, carm=small(arm))()

    def test_a_miss_is_warned_of_and_gives_air(self, ct: Volume) -> None:
        projector = Projector(ct, carm=small(MobileCArm(isocenter=(900, 0, 0))))
        with pytest.warns(UserWarning, match=r"beam misses the volume.*reposition"):
            found = projector.project("expected_image", "open_field")
        assert_close(found["expected_image"].double(), found["open_field"], rtol=1e-6, atol=0)

    @pytest.mark.parametrize("y_mm", [-5000.0, 5000.0])
    def test_a_volume_behind_source_or_detector_is_warned_of(self, ct: Volume, y_mm: float) -> None:
        ct.translate((0.0, y_mm, 0.0))
        with pytest.warns(UserWarning, match="beam misses the volume"):
            found = Projector(ct, carm=small()).project("line_integrals")
        assert bool((found["line_integrals"] == 0).all())

    def test_a_material_for_a_label_that_is_not_there_is_warned_of(self, ct: Volume) -> None:
        labels = (ct.hu > 300).to(torch.uint8)
        labeled = Volume.from_array(ct.hu, ct.anatomical_from_ijk, labels=labels)
        model = MaterialModel(by_label={1: "titanium", 7: "iron"})
        with pytest.warns(UserWarning, match="material for 7, but no voxel"):
            model.densities(labeled)

    def test_noise_without_a_generator(self, ct: Volume) -> None:
        with pytest.raises(TypeError, match="generator"):
            Projector(ct, carm=small()).project("image")

    def test_unknown_outputs(self, ct: Volume) -> None:
        with pytest.raises(ValueError, match=r"unknown output 'photons'; did you mean 'primary_photons'"):
            Projector(ct, carm=small()).project("photons")
        with pytest.raises(ValueError, match="got none"):
            Projector(ct, carm=small()).project()

    def test_wrong_types(self, ct: Volume) -> None:
        with pytest.raises(
            TypeError, match=r"volume must be a deepdrr\.Volume, or a deepdrr\.tools\.Tool beside one, got str"
        ):
            Projector(str(PELVIS), carm=small())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"carm must be a Camera .*got tuple"):
            Projector(ct, carm=(0, 0, 0))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"detector must be .*FlatPanel.*, got 3"):
            Projector(ct, carm=small(), detector=3)  # type: ignore[arg-type]

        with pytest.raises(TypeError, match=r"exposure must be an Exposure, .*got 25"):
            Projector(ct, carm=small(), exposure=25)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"materials must be .*got 3"):
            Projector(ct, carm=small(), materials=3)  # type: ignore[arg-type]

    def test_steps_over_whole_voxels(self, ct: Volume) -> None:
        with pytest.raises(ValueError, match=r"at most 10\.4 mm, a voxel's diagonal, got Step\(mm=11.0\)"):
            Projector(ct, carm=small(), integration=Step(mm=11.0))

    def test_a_tube_voltage_of_0_is_not_that_of_the_header(self, ct: Volume) -> None:
        with pytest.raises(ValueError, match=r"ct_kvp must be 70 to 150 kV"):
            Projector(ct, carm=small(), materials=MaterialModel(ct_kvp=0.0))()

    def test_a_header_with_a_wrong_tube_voltage_is_named(self, ct: Volume) -> None:
        odd = Volume.from_array(ct.hu, ct.anatomical_from_ijk, source=Source(kvp=140000.0))
        odd.orient_patient()
        with pytest.raises(ValueError, match=r"ct_kvp must be given, .* the header of the CT has 140000 kV"):
            Projector(odd, carm=small()).project("line_integrals")

    def test_a_picture_that_cannot_fit_names_the_bytes(self, ct: Volume) -> None:
        with pytest.raises(MemoryError, match=r"takes \d+ bytes"):
            Projector(ct, carm=small(pixels=200_000))()


def test_prone_is_supine_turned(ct: Volume) -> None:
    """A prone patient under the tube at 0° is a supine one at 180°, the picture turned by half."""
    supine = Projector(ct, carm=small(MobileCArm()))()
    ct.orient_patient(head_first=True, supine=False)
    arm = MobileCArm(limits=None).camera.moved(geo.rotation_about((0, 0, 1), 180, (0, 0, 0)))
    prone = Projector(ct, carm=arm.resized(48, 48))()
    assert_close(prone, supine, rtol=1e-4, atol=0)


def test_a_device_that_is_not_here_is_refused(ct: Volume) -> None:
    with pytest.raises(ValueError, match=r"device must be 'cpu', or a GPU such as 'cuda:0', got 'gpu0'"):
        Projector(ct, carm=small(), device="gpu0")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="got 'cuda': this torch sees no CUDA GPU"):
            Projector(ct, carm=small(), device="cuda")
