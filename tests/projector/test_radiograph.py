"""`Radiograph`: a mapping of tensors with metadata, which its files contain."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.camera import Camera
from deepdrr.data import Source
from deepdrr.detector import FlatPanel, Grid, IdealCounter, PhotonCounter, Readout
from deepdrr.display import PRESETS, Processing, display, processed
from deepdrr.projector import OUTPUTS, Radiograph, Scene, Technique, expose, outputs_table
from deepdrr.tools import Tool

NAMES = ("image", "open_field", "line_integrals", "area_densities", "label_path_lengths", "label_masks")


def block() -> Volume:
    """A block of tissue with a bone in it, labelled."""
    hu = torch.zeros(40, 40, 40)
    hu[15:25, :, 15:25] = 800.0
    labels = (hu > 300).to(torch.uint8) * 4
    return Volume.from_array(
        hu, torch.eye(4), check_hu="off", labels=labels, label_names={4: "long bone"}, source=Source()
    )


@pytest.fixture(scope="module")
def carm() -> MobileCArm:
    return MobileCArm(isocenter=(19.5, 19.5, 19.5))


@pytest.fixture(scope="module")
def shot(carm: MobileCArm) -> Radiograph:
    camera = carm.camera.resized(20, 24)
    return Projector(block(), carm=camera, mas=5).project(*NAMES, generator=torch.Generator().manual_seed(7))


class TestMapping:
    def test_it_is_a_mapping_of_its_results(self, shot: Radiograph) -> None:
        assert list(shot) == list(NAMES)
        assert len(shot) == len(NAMES)
        assert shot["image"].shape == (20, 24)
        assert "air_kerma" not in shot

    def test_it_knows_how_it_was_taken(self, shot: Radiograph, carm: MobileCArm) -> None:
        assert shot.seed == 7
        assert shot.technique.spectrum.kvp == 80.0
        assert (shot.camera.height, shot.camera.width) == (20, 24)
        assert shot.channel_names("area_densities") == ("adipose 3", "soft tissue", "cortical bone")
        assert shot.channel_names("label_masks") == ("long bone",)
        assert shot.channel_names("image") == ()
        held = Projector(block(), carm=carm.__class__(isocenter=(1, 2, 3)), integration=None)
        assert held.camera.height == 1536

    def test_units(self, shot: Radiograph) -> None:
        assert shot.unit("image") == "keV per pixel"
        assert shot.unit("label_path_lengths") == "mm"
        adu = Technique(detector=FlatPanel(readout=Readout(adu_per_kev=1.0)))
        assert OUTPUTS["image"].unit_of(adu) == "ADU per pixel"
        assert OUTPUTS["primary"].unit_of(adu) == "keV per pixel"
        assert OUTPUTS["scatter"].unit_of(Technique(detector=IdealCounter())) == "counts per pixel"

    def test_a_view_of_a_batch(self, carm: MobileCArm) -> None:
        camera = carm.camera.resized(8, 8)
        both = Projector(block(), carm=Camera.stack([camera, camera])).project("expected_image")
        one = both.at(1)
        assert one["expected_image"].shape == (8, 8)
        assert one.camera.batch_shape == ()
        with pytest.raises(ValueError, match="single view"):
            one.at(0)
        with pytest.raises(ValueError, match="index must be -2 to 1 for 2 views, got 2"):
            both.at(2)
        with pytest.raises(TypeError, match="index must be an integer, got True"):
            both.at(True)


class TestTable:
    @pytest.mark.parametrize("name", OUTPUTS)
    def test_every_result_has_the_shape_that_it_states(self, name: str, carm: MobileCArm) -> None:
        camera = carm.camera.resized(6, 5)
        generator = torch.Generator().manual_seed(0)
        scene = Scene(block(), Tool.make("k-wire"))
        found = expose(scene, Camera.stack([camera] * 2), Technique(), (name,), generator)[name]
        sizes = {"M": 4, "L": 1, "T": 1, "P": 2, "H": 6, "W": 5, "2": 2, "4": 4}
        assert tuple(found.shape) == (2, *(sizes[axis] for axis in OUTPUTS[name].axes))

    def test_the_documentation_has_a_row_for_each(self) -> None:
        table = outputs_table()
        assert all(f"| `{name}` |" in table for name in OUTPUTS)
        assert len(table.splitlines()) == len(OUTPUTS) + 2


class TestPicture:
    def test_the_image_is_shown_relative_to_the_open_field(self, shot: Radiograph) -> None:
        assert np.array_equal(shot.picture(), display(shot["image"], open_field=shot["open_field"]))

    def test_the_open_field_is_made_where_it_was_not_asked_for(self, carm: MobileCArm) -> None:
        camera = carm.camera.resized(8, 8)
        with_it = Projector(block(), carm=camera).project("expected_image", "open_field")
        without = Projector(block(), carm=camera).project("expected_image")
        assert np.array_equal(with_it.picture(), without.picture())
        assert_close(without.open_field(), with_it["open_field"], rtol=1e-12, atol=0)

    def test_presets_and_windows(self, shot: Radiograph) -> None:
        expected = processed(shot["image"], "bone detail", open_field=shot["open_field"])
        assert np.array_equal(shot.picture(processing="bone detail"), expected)
        dark = shot.picture(processing=Processing(window=(0.0, 2.0), polarity="bone_black"))
        light = shot.picture(processing=Processing(window=(0.0, 2.0)))
        assert np.abs(255.0 - dark - light).max() <= 1  # each rounds to its own nearest

    def test_a_signal_before_the_readout_is_shown_relative_to_its_own(self, carm: MobileCArm) -> None:
        """Otherwise keV would be divided by ADU, which have an offset."""
        panel = FlatPanel(readout=Readout(adu_per_kev=1e-6, offset_adu=500.0))
        window = Processing(window=(0.0, 5.0))
        pictures = [
            Projector(block(), carm=carm.camera.resized(8, 8), detector=detector)
            .project("primary")
            .picture(processing=window)
            for detector in (panel, FlatPanel())
        ]
        assert np.array_equal(*pictures)
        assert pictures[0].max() > 0  # the block is seen

    def test_masks_are_white_on_black(self, shot: Radiograph) -> None:
        assert set(np.unique(shot.picture("label_masks"))) == {0, 255}

    def test_line_integrals_are_shown_as_a_transmission(self, shot: Radiograph) -> None:
        expected = display(torch.exp(-shot["line_integrals"].double()), open_field=1.0)
        assert np.array_equal(shot.picture("line_integrals"), expected)

    def test_what_is_no_signal_is_not_enhanced(self, shot: Radiograph) -> None:
        with pytest.raises(ValueError, match="processing of 'area_densities' must be plain"):
            shot.picture("area_densities", "radiograph")

    def test_what_is_not_there(self, shot: Radiograph) -> None:
        with pytest.raises(ValueError, match="unknown result 'imag'; did you mean 'image'"):
            shot.picture("imag")

    def test_which_of_several(self, carm: MobileCArm) -> None:
        several = Projector(block(), carm=carm.camera.resized(4, 4)).project("line_integrals", "air_kerma")
        with pytest.raises(ValueError, match="name must say which result is meant, one of line_integrals, air_kerma"):
            several.picture()


class TestFiles:
    def test_png_and_tiff(self, shot: Radiograph, tmp_path: Path) -> None:
        shot.save(tmp_path / "x.png")
        assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), shot.picture())
        shot.save(tmp_path / "x.tiff", "line_integrals")
        assert np.array_equal(np.asarray(Image.open(tmp_path / "x.tiff")), shot["line_integrals"].numpy())

    def test_a_stack_is_a_file_per_channel(self, shot: Radiograph, tmp_path: Path) -> None:
        files = shot.save(tmp_path / "x.tiff", "area_densities")
        assert [file.name for file in files] == [
            "x-adipose_3.tiff",
            "x-soft_tissue.tiff",
            "x-cortical_bone.tiff",
        ]
        (mask,) = shot.save(tmp_path / "m.png", "label_masks")
        assert mask.name == "m-long_bone.png"
        assert set(np.unique(np.asarray(Image.open(mask)))) == {0, 255}

    def test_npz_holds_everything(self, shot: Radiograph, tmp_path: Path) -> None:
        shot.save(tmp_path / "x.npz")
        with np.load(tmp_path / "x.npz") as found:
            assert set(NAMES) < set(found.files)
            assert np.array_equal(found["image"], shot["image"].numpy())
            assert np.array_equal(found["camera_from_world"], shot.camera.camera_from_world.numpy())
            about = json.loads(str(found["about"]))
        assert about["units"]["image"] == "keV per pixel"
        assert about["label_channels"] == ["long bone"]
        assert about["seed"] == 7
        assert about["kvp"] == 80.0

    def test_dicom_takes_its_header_from_the_radiograph(self, carm: MobileCArm, tmp_path: Path) -> None:
        lateral = MobileCArm(isocenter=(19.5, 19.5, 19.5), alpha=90)
        panel = FlatPanel(grid=Grid(primary=0.7, scatter=0.2))
        shot = Projector(block(), carm=lateral, kvp=70, mas=5, detector=panel, integration=None).project(
            "expected_image"
        )
        shot.save(tmp_path / "x.dcm", body_part="FEMUR", laterality="L")
        found = pydicom.dcmread(tmp_path / "x.dcm")
        assert float(found.KVP) == 70.0
        assert float(found.Exposure) == pytest.approx(5.0)
        assert float(found.PositionerPrimaryAngle) == pytest.approx(90.0)
        assert float(found.DistanceSourceToDetector) == pytest.approx(1020.0)
        assert float(found.DistanceSourceToPatient) == pytest.approx(lateral.geometry.sid_mm)
        assert found.BodyPartExamined == "FEMUR"
        assert found.Grid != "NONE"

    def test_a_dicom_picture_says_how_it_was_processed(self, shot: Radiograph, tmp_path: Path) -> None:
        shot.save(tmp_path / "x.dcm", processing="fluoroscopy", stored="picture", object_class="DX")
        found = pydicom.dcmread(tmp_path / "x.dcm")
        assert PRESETS["fluoroscopy"].description in found.DerivationDescription
        assert found.ShutterShape == "CIRCULAR"

    @pytest.mark.parametrize(
        ("path", "name", "fields", "message"),
        [
            (5, None, {}, "path must be a str or a Path, got 5"),
            ("x.jpg", None, {}, r"path must end in \.png, .*got 'x\.jpg'"),
            ("x.dcm", "line_integrals", {}, "a DICOM file holds image or expected_image, got 'line_integrals'"),
            ("x.png", None, {"body_part": "HIP"}, r"body_part are for a \.dcm file"),
            ("x.dcm", None, {"bodypart": "HIP"}, "unknown field of a DICOM file 'bodypart'; did you mean 'body_part'"),
        ],
    )
    def test_refused(self, path: str, name: str | None, fields: dict[str, str], message: str, shot: Radiograph) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            shot.save(path, name, **fields)  # type: ignore[arg-type]

    def test_a_batch_is_not_one_picture(self, carm: MobileCArm, tmp_path: Path) -> None:
        camera = carm.camera.resized(4, 4)
        both = Projector(block(), carm=Camera.stack([camera, camera])).project("expected_image")
        with pytest.raises(ValueError, match=r"holds one view, got a batch \(2,\): save \.at\(n\)"):
            both.save(tmp_path / "x.png")

    def test_windows_of_a_counter_are_files_of_their_own(self, carm: MobileCArm, tmp_path: Path) -> None:
        counter = PhotonCounter(thresholds_kev=(20.0, 45.0))
        shot = Projector(block(), carm=carm.camera.resized(4, 4), detector=counter).project("expected_image")
        files = shot.save(tmp_path / "x.tiff")
        assert [file.name for file in files] == ["x-window_0.tiff", "x-window_1.tiff"]
        shown = np.stack([np.asarray(Image.open(file)) for file in shot.save(tmp_path / "x.png")])
        assert np.array_equal(shown, shot.picture())
        low, high = (pydicom.dcmread(file).pixel_array for file in shot.save(tmp_path / "x.dcm"))
        assert np.array_equal(low, high)  # these pixels see air: each window is relative to its own open beam

    def test_windows_without_an_exposure(self, carm: MobileCArm, tmp_path: Path) -> None:
        """More windows than rows, so that no window is taken for a row."""
        counter, view = PhotonCounter(thresholds_kev=(20.0, 45.0)), carm.camera.resized(1, 4)
        both = Projector(block(), carm=Camera.stack([view, view]), detector=counter, exposure=None).project(
            "expected_image", "open_field"
        )
        assert both["open_field"].shape == both["expected_image"].shape == (2, 2, 1, 4)
        assert both.picture().shape == (2, 2, 1, 4)
        assert len(both.at(0).save(tmp_path / "x.png", "expected_image")) == 2

    def test_a_header_needs_a_patient(self, carm: MobileCArm, tmp_path: Path) -> None:
        relative = Projector(block(), carm=carm.camera.resized(4, 4), exposure=None).project("expected_image")
        with pytest.raises(ValueError, match="this radiograph has no exposure"):
            relative.save(tmp_path / "x.dcm")
