"""X-rays and cameras from files and into them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.display import display
from deepdrr.io import (
    RadiographMetadata,
    XrayHeader,
    camera_of_header,
    read_cameras,
    read_xray,
    write_cameras,
    write_dicom,
    write_npy,
    write_png,
    write_tiff,
)

CENTER = (10.0, -20.0, 300.0)


def a_camera(alpha: float = 30.0, beta: float = -10.0, gamma: float = 0.0, viewed_from: str = "detector") -> Camera:
    return Camera.carm(
        sdd_mm=1020,
        sid_mm=600,
        height=40,
        width=50,
        pixel_mm=4.0,
        angles_deg=(alpha, beta, gamma),
        isocenter=CENTER,
        viewed_from=viewed_from,
    )


@pytest.fixture
def signal() -> torch.Tensor:
    """What a detector records behind a step wedge, keV per pixel, with an open stripe."""
    thickness = torch.linspace(0, 5, 50).expand(40, 50).clone()
    thickness[:10] += 1
    return 1e5 * torch.exp(-thickness)


@pytest.fixture
def metadata() -> RadiographMetadata:
    return RadiographMetadata.from_camera(a_camera(), torch.eye(4, dtype=torch.float64), isocenter_world=CENTER)


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


class TestPixels:
    def test_signals_become_line_integrals(self, signal: torch.Tensor, tmp_path: Path) -> None:
        expected = -(signal / signal.max()).log()
        write_npy(signal, tmp_path / "a.npy")
        write_tiff(signal, tmp_path / "a.tiff")
        for name in ("a.npy", "a.tiff"):
            assert_close(read_xray(tmp_path / name).image, expected)

    def test_line_integrals_stay(self, signal: torch.Tensor, tmp_path: Path) -> None:
        write_npy(signal[None, None], tmp_path / "a.npy")
        assert_close(read_xray(tmp_path / "a.npy", "line_integrals").image, signal)

    @pytest.mark.parametrize("polarity", ["bone_white", "bone_black"])
    def test_pictures_by_their_polarity(self, signal: torch.Tensor, tmp_path: Path, polarity) -> None:
        write_png(display(signal, quantity="signal", polarity=polarity), tmp_path / "a.png")
        found = read_xray(tmp_path / "a.png", polarity).image
        assert correlation(found, -signal.log()) > 0.9  # a picture has a curve and a window of its own

    @pytest.mark.parametrize("object_class", ["XA", "DX"])
    @pytest.mark.parametrize("stored", ["signal", "log_signal"])
    def test_dicom_says_what_its_values_are(self, signal, metadata, tmp_path, object_class, stored) -> None:
        write_dicom(signal, tmp_path / "a.dcm", metadata, stored=stored, object_class=object_class)
        assert correlation(read_xray(tmp_path / "a.dcm").image, -signal.log()) > 0.9999

    @pytest.mark.parametrize("polarity", ["bone_white", "bone_black"])
    def test_dicom_pictures(self, signal, metadata, tmp_path: Path, polarity) -> None:
        picture = display(signal, quantity="signal", polarity=polarity)
        write_dicom(picture, tmp_path / "a.dcm", metadata, stored="picture", object_class="DX", polarity=polarity)
        assert correlation(read_xray(tmp_path / "a.dcm").image, -signal.log()) > 0.9
        write_dicom(picture, tmp_path / "b.dcm", metadata, stored="picture", object_class="XA", polarity=polarity)
        with pytest.raises(ValueError, match=r"does not say what its values are \(Pixel Intensity Relationship DISP"):
            read_xray(tmp_path / "b.dcm")
        assert correlation(read_xray(tmp_path / "b.dcm", polarity).image, -signal.log()) > 0.9

    def test_what_is_no_xray(self, tmp_path: Path) -> None:
        def refused(name: str, sentence: str, content: object = None) -> None:
            if isinstance(content, np.ndarray):
                np.save(tmp_path / name, content)
            elif isinstance(content, bytes):
                (tmp_path / name).write_bytes(content)
            with pytest.raises(ValueError, match=sentence):
                read_xray(tmp_path / name)

        refused("a.npy", "frame must be given for .* holds 3 frames: 1 to 3", np.ones((3, 4, 5)))
        refused("b.npy", "must hold real numbers, .* holds complex128", np.ones((4, 5), complex))
        refused("c.npy", "must be finite, .* holds 20 other pixels", np.full((4, 5), np.nan))
        refused("d.npy", "is no NumPy file of numbers", b"words")
        refused("e.png", "is no picture that can be read", b"words")
        refused("f.dcm", r"is neither \.npy, \.png, \.tiff nor a DICOM file", b"words")
        refused("g.npy", "image must hold a signal above 0", np.zeros((4, 5)))
        with pytest.raises(FileNotFoundError, match="there is no file"):
            read_xray(tmp_path / "none.png")
        with pytest.raises(ValueError, match=r"values must be one of signal, .* got 'grey'"):
            read_xray(tmp_path / "a.npy", "grey")  # type: ignore[arg-type]


class TestHeaders:
    @pytest.mark.parametrize("viewed_from", ["detector", "source"])
    @pytest.mark.parametrize(("alpha", "beta", "gamma"), [(30, -10, 0), (-80, 20, 0), (10, 5, 90), (100, 0, 180)])
    def test_the_camera_that_took_it(self, signal, tmp_path: Path, alpha, beta, gamma, viewed_from) -> None:
        camera = a_camera(alpha, beta, gamma, viewed_from)
        header = RadiographMetadata.from_camera(camera, torch.eye(4, dtype=torch.float64), isocenter_world=CENTER)
        write_dicom(signal, tmp_path / "a.dcm", header)
        found = camera_of_header(read_xray(tmp_path / "a.dcm").header, 40, 50, CENTER, "a.dcm")
        # Decimal strings of nine digits.
        assert_close(found.camera_from_world, camera.camera_from_world, rtol=0, atol=1e-4)
        assert_close(found.intrinsics, camera.intrinsics, rtol=0, atol=1e-4)

    def test_without_orientation_one_says_it(self) -> None:
        header = XrayHeader(1020.0, 600.0, (4.0, 4.0), (30.0, -10.0))
        found = camera_of_header(header, 40, 50, CENTER, "a", gamma_deg=20.0, viewed_from="source")
        assert_close(found.camera_from_world, a_camera(gamma=20.0).camera_from_world)
        assert_close(found.intrinsics, a_camera(viewed_from="source").intrinsics)

    def test_oblong_pixels(self) -> None:
        header = XrayHeader(1000.0, 600.0, (2.0, 4.0), (0.0, 0.0))
        intrinsics = camera_of_header(header, 40, 50, CENTER, "a").intrinsics
        assert intrinsics.diagonal().tolist() == [-250.0, 500.0, 1.0]
        assert intrinsics[:2, 2].tolist() == [25.0, 20.0]

    def test_what_is_missing_is_named(self) -> None:
        whole = XrayHeader(1020.0, 600.0, (4.0, 4.0), (30.0, -10.0))
        for field, name in (
            ("sdd_mm", "sdd_mm"),
            ("sid_mm", "sid_mm"),
            ("pixel_spacing_mm", "pixel_mm"),
            ("positioner_angles_deg", "the positioner's angles"),
        ):
            with pytest.raises(ValueError, match=f"a.dcm does not state {name}: give it"):
                camera_of_header(replace(whole, **{field: None}), 40, 50, CENTER, "a.dcm")
        with pytest.raises(ValueError, match=r"Patient Orientation L\\L, which no turn of a camera"):
            camera_of_header(replace(whole, patient_orientation=("L", "L")), 40, 50, CENTER, "a.dcm")


class TestCameraFiles:
    def test_there_and_back(self, tmp_path: Path) -> None:
        cameras = [a_camera(), a_camera(95, 0, viewed_from="source")]
        write_cameras(tmp_path / "pose.json", cameras, ["a.png", "b.png"], {"loss": 0.5})
        found = read_cameras(tmp_path / "pose.json", [(40, 50), (40, 50)])
        for one, other in zip(found, cameras, strict=True):
            assert_close(one.camera_from_world, other.camera_from_world)
            assert_close(one.intrinsics, other.intrinsics)
        content = json.loads((tmp_path / "pose.json").read_text())
        assert (content["frame"], content["unit"], content["loss"]) == ("RAS", "mm", 0.5)
        assert [view["xray"] for view in content["views"]] == ["a.png", "b.png"]

    def test_by_hand(self, tmp_path: Path) -> None:
        (tmp_path / "start.yaml").write_text(
            "views:\n  - {sdd_mm: 1020, sid_mm: 600, pixel_mm: 4, alpha_deg: 30, beta_deg: -10,\n"
            "     isocenter_mm: [10, -20, 300], viewed_from: source}\n"
        )
        (found,) = read_cameras(tmp_path / "start.yaml", [(40, 50)])
        assert_close(found.camera_from_world, a_camera().camera_from_world)
        assert_close(found.intrinsics, a_camera(viewed_from="source").intrinsics)

    def test_what_is_refused(self, tmp_path: Path) -> None:
        write_cameras(tmp_path / "pose.json", [a_camera()], ["a.png"], {})
        good = json.loads((tmp_path / "pose.json").read_text())["views"][0]

        def refused(sentence: str, without: str = "", **changes: object) -> None:
            view = {k: v for k, v in {**good, **changes}.items() if k != without}
            (tmp_path / "bad.json").write_text(json.dumps({"views": [view]}))
            with pytest.raises(ValueError, match=sentence):
                read_cameras(tmp_path / "bad.json", [(40, 50)])

        refused(r"view 1 of .*bad.json' is for 80×50 pixels, the X-ray has 40×50", height=80)
        refused("does not state sdd_mm: give it", without="sdd_mm")
        refused("sdd_mm of view 1 .* must be positive, got -5", sdd_mm=-5)
        refused("sdd_mm of view 1 .* must be a finite number, got 'far'", sdd_mm="far")
        refused("must have intrinsics or pixel_mm", without="intrinsics")
        refused("must have anatomical_from_camera, or alpha_deg and beta_deg", without="anatomical_from_camera")
        refused("anatomical_from_camera of view 1 .* must be 4×4 finite numbers", anatomical_from_camera=[[1, 2]])
        refused("must be a rotation", anatomical_from_camera=(2 * np.eye(4)).tolist())
        refused("must give intrinsics or pixel_mm, .*, got intrinsics and pixel_mm", pixel_mm=4)
        refused(
            "must give anatomical_from_camera or alpha_deg, .* and sid_mm, viewed_from", sid_mm=9, viewed_from="source"
        )
        refused("unknown field of view 1 .* 'pixels_mm'; did you mean 'pixel_mm'", pixels_mm=3)
        with pytest.raises(ValueError, match="must hold views, one for each of 2 X-rays, got 1"):
            read_cameras(tmp_path / "pose.json", [(40, 50)] * 2)
        for text, sentence in (("[1, 2", "must be JSON, line 1"), ("3", "must hold fields and their values, .* a int")):
            (tmp_path / "bad.json").write_text(text)
            with pytest.raises(ValueError, match=sentence):
                read_cameras(tmp_path / "bad.json", [(40, 50)])
