"""A CT that ends inside the beam: the warning, the body beyond, and the window of the picture."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from deepdrr import Projector, Volume
from deepdrr.camera import Camera
from deepdrr.data import Source
from deepdrr.detector import EnergyIntegratingDetector
from deepdrr.display import automatic_window, display
from deepdrr.materials import MaterialModel
from deepdrr.projector import OUTPUTS, Scene
from deepdrr.spectrum import Shutters, XRaySource, tungsten_spectrum

IDEAL = EnergyIntegratingDetector()


def trunk(slices: int, generator: torch.Generator, axis: int = 2, thick: int = 1) -> Volume:
    """A slab of the trunk around the isocenter with its spine, of so many slices of 2 mm, in air.

    Args:
        slices: number of slices.
        generator: of the noise, which differs from pixel to pixel and is the same in all slices.
        axis: along which the body goes on.
        thick: repeat the first and the last slice so often.
    """
    place = (torch.arange(48.0) - 23.5) * 4.0
    section = torch.where((place[:, None] / 80) ** 2 + (place / 60) ** 2 < 1, 40.0, -1000.0)
    section[20:28, 30:36] = 600.0
    section = section + 15.0 * torch.randn(48, 48, generator=generator) * (section > -500)
    counts = [thick, *[1] * (slices - 2), thick]
    hu = section[..., None].expand(48, 48, sum(counts)).movedim(-1, axis)
    spacing = torch.full((3,), 4.0, dtype=torch.float64)
    spacing[axis] = 2.0
    affine = torch.diag(torch.cat([spacing, spacing.new_ones(1)]))
    affine[:3, 3] = -spacing * (torch.tensor(hu.shape) - 1) / 2
    return Volume.from_array(hu.contiguous(), affine, check_hu="off", source=Source())


def camera(size: int = 40, pixel_mm: float = 6.0, angles: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Camera:
    """AP: the isocenter magnified twice, the axis of the trunk up the picture, 120 mm of it in the field."""
    return Camera.carm(
        sdd_mm=1000, sid_mm=500, height=size, width=size, pixel_mm=pixel_mm, angles_deg=angles, isocenter=(0, 0, 0)
    )


def image(volume: Volume, view: Camera, **options: object) -> torch.Tensor:
    return Projector(volume, carm=view, detector=IDEAL, exposure=None, **options)()  # type: ignore[arg-type]


class TestWarning:
    def test_the_share_of_pixels(self, generator: torch.Generator) -> None:
        """64 mm of a trunk 120 mm deep: rays that cross its cut faces before they are through."""
        body, view = trunk(32, generator), camera()
        with pytest.warns(UserWarning, match="the CT ends inside the beam in (.*) % of the pixels") as found:
            shot = Projector(body, carm=view, detector=IDEAL).project("expected_image")
        share = float(str(found[0].message).split(" in ")[1].split(" %")[0]) / 100
        # By geometry: at mid-width a ray crosses a face if it is between 32 mm · 1000 / 560 and · 1000 / 440 off the
        # axis of the detector of ± 120 mm, where the body is 80 mm wide, and ever less beside it.
        assert 0.05 < share < (72.7 - 57.1) / 120
        assert shot.whole is not None
        assert share == pytest.approx(1 - float(shot.whole.double().mean()), abs=0.005)

    def test_over_the_views_of_a_batch(self, generator: torch.Generator) -> None:
        body = trunk(100, generator)  # 200 mm: only oblique rays leave it
        steep = camera(angles=(0.0, 55.0, 0.0))
        image(body, camera())
        with pytest.warns(UserWarning, match=r"in (2|3|4)\d % of the pixels"):  # most of one of two views
            shot = Projector(body, carm=Camera.stack([camera(), steep]), detector=IDEAL).project("expected_image")
        upright, oblique = (shot.at(n).whole for n in (0, 1))
        assert upright is not None
        assert oblique is not None
        assert bool(upright.all())
        assert float(oblique.double().mean()) < 0.5

    def test_a_scan_cut_on_all_sides(self, generator: torch.Generator) -> None:
        """A file is a scan, though no face of it is free of body; the same voxels as an array are a phantom."""
        block = 40.0 + 15.0 * torch.randn(40, 40, 40, generator=generator)
        place = torch.diag(torch.tensor([3.0, 3.0, 3.0, 1.0]))
        place[:3, 3] = -58.5
        for source, count in ((Source(format="nifti"), 1), (Source(), 0)):
            body = Volume.from_array(block, place, check_hu="off", source=source)
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                image(body, camera())
            assert len([one for one in found if "the CT ends inside the beam" in str(one.message)]) == count

    def test_what_is_no_cut(self, generator: torch.Generator) -> None:
        """A field within the CT; a body in the air; shutters over the ends; a phantom; a CT that goes on by request."""
        short = trunk(32, generator)
        image(trunk(200, generator), camera())
        whole = trunk(40, generator)
        whole.hu[..., :3] = whole.hu[..., -3:] = -1000.0
        image(whole, camera())
        ends = Shutters(top_mm=50.0, bottom_mm=50.0)
        image(short, camera(), spectrum=XRaySource(spectrum=tungsten_spectrum(80.0), shutters=ends))
        image(Volume.from_array(torch.zeros(40, 40, 40), torch.eye(4), check_hu="off"), camera())
        for beyond in ("repeat", "fade"):
            image(short, camera(), beyond=beyond)


class TestBeyond:
    @pytest.mark.parametrize(
        ("axis", "angles"),
        [(axis, angles) for axis in (0, 2) for angles in ((0.0, 0.0, 0.0), (20.0, 15.0, 30.0))]
        + [(1, (90.0, 0.0, 0.0))],
    )
    def test_repeated_slices(self, generator: torch.Generator, axis: int, angles: tuple[float, float, float]) -> None:
        """The same as a CT whose first and last slice were repeated."""
        body, longer = (trunk(16, generator.manual_seed(1), axis, thick) for thick in (1, 120))
        view = camera(angles=angles)
        expected = image(longer, view, beyond="repeat")  # so long that nothing beyond it is met
        assert_close(image(body, view, beyond="repeat"), expected, rtol=2e-5, atol=0)  # float32 sums in other parts

    def test_faded(self, generator: torch.Generator) -> None:
        body, view = trunk(16, generator), camera()
        middle = {beyond: image(body, view, beyond=beyond)[:, 20] for beyond in ("repeat", "fade")}
        with pytest.warns(UserWarning, match="the CT ends inside the beam"):
            middle["air"] = image(body, view)[:, 20]
        assert bool((middle["repeat"] <= middle["fade"] * (1 + 1e-5)).all())
        assert bool((middle["fade"] <= middle["air"] * (1 + 1e-5)).all())
        beside = slice(4, 12)  # 48 to 96 mm from the axis on the detector; the CT itself ends at 32 mm
        assert bool((middle["fade"][beside].diff() < 0).all())  # darker toward the CT, without a step
        assert float(middle["air"][beside].min()) > 0.99

    def test_labels_end_with_the_ct_and_models_do_not(self, generator: torch.Generator) -> None:
        body = trunk(16, generator)
        body = body.with_labels((body.hu > 300).to(torch.uint8), {1: "spine"})
        model = MaterialModel(by_label={1: "titanium"}, density_factors={"soft tissue": 1.1})
        seen = {
            b: Projector(body, carm=camera(), detector=IDEAL, materials=model, beyond=b) for b in ("repeat", "fade")
        }
        masks = {name: projector.project("label_masks")["label_masks"] for name, projector in seen.items()}
        assert torch.equal(masks["repeat"], masks["fade"])
        areas = seen["repeat"].project("area_densities")["area_densities"]
        titanium = areas[seen["repeat"].material_names.index("titanium")]
        assert float(titanium[2].max()) > 1.0  # in the first rows, far beyond the CT
        assert float(titanium[2].max()) == pytest.approx(float(titanium[20].max()), rel=0.1)

    def test_a_moved_ct_takes_its_continuation_along(self, generator: torch.Generator) -> None:
        body = trunk(16, generator)
        projector = Projector(body, carm=camera(), detector=IDEAL, exposure=None, beyond="repeat")
        before = projector()
        moved = torch.eye(4, dtype=torch.float64)
        moved[0, 3] = 12.0  # two pixels
        body.world_from_anatomical = moved @ body.world_from_anatomical
        shifted = projector()
        assert not torch.equal(shifted, before)
        at = [float(picture[2].argmin()) for picture in (before, shifted)]  # the spine, in rows beyond the CT
        assert abs(at[1] - at[0]) == pytest.approx(4.0, abs=1.0)  # 12 mm, magnified twice, in noise and pixels of 6 mm
        body.world_from_anatomical = torch.linalg.inv(moved) @ body.world_from_anatomical
        assert torch.equal(projector(), before)
        body.hu.add_(100.0)
        assert float(projector()[2, 20]) < 0.99 * float(before[2, 20])  # what was kept is made again

    def test_gradients_reach_pose_and_voxels(self, generator: torch.Generator) -> None:
        body = trunk(16, generator)
        body.hu.requires_grad_()
        view = camera(8, 30.0)
        pose = view.camera_from_world.clone().requires_grad_()
        scene = Scene(body, beyond="repeat")
        areas = scene.area_densities(Camera(view.intrinsics, pose, view.sdd_mm, 8, 8), backend="reference")
        areas[..., 0, :].sum().backward()  # rays beyond the CT alone
        assert body.hu.grad is not None
        assert float(body.hu.grad[..., 1:-1].abs().max()) == 0.0
        assert float(body.hu.grad[..., 0].abs().max() + body.hu.grad[..., -1].abs().max()) > 0.0
        assert pose.grad is not None
        assert float(pose.grad.abs().max()) > 0.0

    def test_words_that_mean_nothing(self, generator: torch.Generator) -> None:
        body = trunk(8, generator)
        with pytest.raises(ValueError, match="beyond must be one of air, repeat, fade, got 'mirror'"):
            Scene(body, beyond="mirror")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="beyond belongs to the Scene, which has its own, got 'fade'"):
            Projector(Scene(body), carm=camera(), beyond="fade")


@pytest.mark.filterwarnings("ignore:the CT ends inside the beam")
class TestWindow:
    def test_a_view_that_hardly_sees_the_whole_body_is_looked_at_everywhere(self, generator: torch.Generator) -> None:
        projector = Projector(trunk(40, generator), carm=camera(), detector=IDEAL, exposure=None)
        shot = projector.project("expected_image")
        for share, seen in ((0.05, 1.0), (0.5, 0.5)):
            grid = torch.zeros(20, 20, dtype=torch.bool)
            grid[: round(20 * share)] = True
            region = replace(shot, whole=grid).looked_at(OUTPUTS["expected_image"])
            assert region is not None
            assert float(region.double().mean()) == pytest.approx(seen, abs=0.03)

    @pytest.mark.parametrize("asked", [("expected_image",), ("expected_image", "area_densities")])
    def test_metal_does_not_darken_the_anatomy(self, generator: torch.Generator, asked: tuple[str, ...]) -> None:
        """The window is that of the same view without the stem, wherever the rays of the metal are at hand or not."""
        body = trunk(120, generator)
        labels = torch.zeros(body.hu.shape, dtype=torch.int16)
        labels[22:27, 22:27, 50:70] = 1
        implanted = body.with_labels(labels, {1: "stem"})
        metal = MaterialModel(by_label={"stem": "cobalt chromium"})
        view = camera(64, 3.5)
        without = Projector(body, carm=view).project(*asked).picture("expected_image").astype(float)
        shot = Projector(implanted, carm=view, materials=metal).project(*asked)
        beside = torch.nn.functional.interpolate(shot.whole[None, None].float(), size=(64, 64)).bool()[0, 0].numpy()
        assert 0.5 < beside.mean() < 1.0
        # A tenth of the window: without the pixels beside the stem the percentiles are a little other.
        assert np.abs(shot.picture("expected_image").astype(float) - without)[beside].mean() < 0.1 * 255
        everywhere = replace(shot, whole=None).picture("expected_image").astype(float)
        assert np.abs(everywhere - without)[beside].mean() > 0.2 * 255

    def test_the_picture_of_a_cropped_ct_has_the_window_of_the_whole(self, generator, tmp_path: Path) -> None:
        """Rays that pass the cut are thin; the window is that of those that see all of the body, in PNG and DICOM."""
        whole, cropped = (
            Projector(trunk(n, generator.manual_seed(2)), carm=camera(64, 3.5)).project("expected_image", "open_field")
            for n in (120, 32)
        )
        expected = automatic_window(whole["expected_image"], open_field=whole["open_field"])
        strip = automatic_window(cropped["expected_image"], open_field=cropped["open_field"])
        assert expected[0] - strip[0] > 0.4
        wanted = display(cropped["expected_image"], open_field=cropped["open_field"], window=expected)
        # Half a tenth of a window of 3: the body seen whole is a little other than all of it.
        assert float(np.abs(cropped.picture().astype(float) - wanted).mean()) < 0.05 * 255
        for processing in ("plain", "radiograph"):
            cropped.save(tmp_path / "a.dcm", processing=processing)
            cropped.save(tmp_path / "a.png", processing=processing)
            file = pydicom.dcmread(tmp_path / "a.dcm")
            shown = file.pixel_array
            if processing == "plain":
                shown = np.frombuffer(file.VOILUTSequence[0].LUTData, "<u2")[shown] / 257
            with Image.open(tmp_path / "a.png") as picture:
                assert np.abs(shown - np.array(picture).astype(float)).max() < 1.0  # rounding
