"""`deepdrr project` and `deepdrr views`: their files and contents."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from deepdrr.data import Volume


def pixels(path: Path) -> np.ndarray:
    """The values of a PNG or TIFF."""
    with Image.open(path) as image:
        return np.array(image)


SMALL = ("--height", 40, "--width", 48, "--pixel-mm", 3)


def test_png_is_the_picture_as_displayed(run, ct, tmp_path) -> None:
    code, out, error = run("project", ct, "--out", tmp_path / "a.png", *SMALL)
    assert (code, error) == (0, "")
    assert str(tmp_path / "a.png") in out
    picture = pixels(tmp_path / "a.png")
    assert (picture.shape, picture.dtype) == ((40, 48), np.uint8)


def test_all_formats_hold_the_same_exposure(run, ct, tmp_path) -> None:
    names = ("a.png", "a.tiff", "a.npy", "a.dcm")
    outs = [word for name in names for word in ("--out", tmp_path / name)]
    assert run("project", ct, *outs, *SMALL)[0] == 0
    assert all((tmp_path / name).stat().st_size > 0 for name in names)
    np.testing.assert_array_equal(pixels(tmp_path / "a.tiff"), np.load(tmp_path / "a.npy"))


def test_dicom_tells_how_it_was_taken(run, ct, tmp_path) -> None:
    pydicom = pytest.importorskip("pydicom")
    words = ("--alpha", 30, "--beta", 10, "--kvp", 70, "--mas", 2, "--out", tmp_path / "a.dcm")
    assert run("project", ct, *words, *SMALL)[0] == 0
    header = pydicom.dcmread(tmp_path / "a.dcm")
    assert float(header.PositionerPrimaryAngle) == pytest.approx(30.0, abs=1e-3)  # decimal strings are rounded
    assert float(header.PositionerSecondaryAngle) == pytest.approx(10.0, abs=1e-3)
    assert float(header.KVP) == 70.0


def test_the_seed_decides_the_noise(run, ct, tmp_path) -> None:
    for name, words in {"a": (), "b": (), "c": ("--seed", 1), "d": ("--no-noise",)}.items():
        assert run("project", ct, "--out", tmp_path / f"{name}.npy", *SMALL, *words)[0] == 0
    a, b, c, d = (np.load(tmp_path / f"{name}.npy") for name in "abcd")
    np.testing.assert_array_equal(a, b)
    assert (a != c).mean() > 0.5
    # The noise of 25 mAs is some percent of the signal at most behind this thin phantom.
    assert a.mean() == pytest.approx(d.mean(), rel=0.01)


def test_line_integrals_are_those_of_the_materials(run, ct, tmp_path) -> None:
    """Through 48 mm of water, the ray in the middle of the phantom's side without a rod: µ of water at 45 keV."""
    out = tmp_path / "a.npy"
    assert run("project", ct, "--quantity", "line_integrals", "--out", out, *SMALL)[0] == 0
    assert 0.8 < np.median(np.load(out)[15:25, 15:33]) < 1.6


def test_stacks_become_one_picture_per_channel(run, ct, labels, tmp_path) -> None:
    words = ("--labels", labels, "--label-names", "1=rod", "--label-names", "2=steel nail", "--quantity", "label_masks")
    code, out, _ = run("project", ct, *words, "--out", tmp_path / "m.png", "--out", tmp_path / "m.npy", *SMALL)
    assert code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"m-rod.png", "m-steel_nail.png", "m.npy"}
    assert out.count("wrote") == 3
    stack = np.load(tmp_path / "m.npy")
    assert stack.shape == (2, 40, 48)
    np.testing.assert_array_equal(pixels(tmp_path / "m-rod.png") > 0, stack[0])
    assert stack[0].any()


def test_labels_are_chosen_by_name_or_number(run, ct, labels, tmp_path) -> None:
    words = ("--labels", labels, "--label-names", "2=steel nail", "--quantity", "label_masks", *SMALL)
    assert run("project", ct, *words, "--only-labels", "steel nail", "--out", tmp_path / "m.png")[0] == 0
    assert {p.name for p in tmp_path.iterdir()} == {"m-steel_nail.png"}
    chosen = ("--only-labels", "2", "--only-labels", "1")
    assert run("project", ct, *words, *chosen, "--out", tmp_path / "m.npy")[0] == 0
    assert np.load(tmp_path / "m.npy").shape == (2, 40, 48)
    code, _, err = run("project", ct, *words, "--only-labels", "steel", "--out", tmp_path / "n.png")
    assert (code, "did you mean 'steel nail'" in err) == (2, True)


@pytest.mark.parametrize(("stated", "count"), [("steel nail", 1), ("[2, 1]", 2), ("2", 1), ("[steel nail, 1]", 2)])
def test_labels_are_chosen_in_a_config_file(stated: str, count: int, run, ct, labels, tmp_path) -> None:
    (tmp_path / "c.yaml").write_text(f"only-labels: {stated}\nlabel_names: 2=steel nail\nquantity: label_masks\n")
    words = ("--config", tmp_path / "c.yaml", "--labels", labels, *SMALL)
    assert run("project", ct, *words, "--out", tmp_path / "m.npy")[0] == 0
    assert len(np.load(tmp_path / "m.npy")) == count


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--quantity", "label_masks"), "labels must name a label map for quantity 'label_masks'"),
        (("--label-materials", "3=titanium"), "labels must name a label map for label_materials 3=titanium"),
        (("--only-labels", "heart"), "only_labels is for the quantity label_path_lengths or label_"),
        (("--seed", "-1"), "seed must be"),
        (("--kvp", "300"), "kvp must be"),
        (("--filter", "kryptonite=1"), "unknown"),
        (("--threads", "0"), "threads must be"),
        (("--behind-patient-ngy", "-1"), "must be positive"),
        (("--mas", "-1"), "mas must be"),
        (("--view", "LAT"), "did you mean 'left lateral' or 'right lateral'"),
    ],
)
def test_flags_are_checked_before_the_ct_is_read(words: tuple[str, ...], sentence: str, run, tmp_path) -> None:
    code, out, err = run("project", tmp_path / "absent.nii.gz", *words, "--out", tmp_path / "a.png")
    flags = sentence.replace("only_labels", "only-labels").replace("label_materials", "label-materials")
    assert code == 2
    assert sentence in err or flags in err
    assert out == ""


def test_the_exposure_is_told_where_it_plays_a_role(run, ct, tmp_path) -> None:
    said = {}
    for quantity in ("line_integrals", "air_kerma", "expected_image"):
        said[quantity] = run("project", ct, "--quantity", quantity, "--out", tmp_path / "a.npy", *SMALL)[1]
    assert [" mAs: " in text for text in said.values()] == [False, True, True]


def test_area_densities_are_named_after_materials(run, ct, tmp_path) -> None:
    assert run("project", ct, "--quantity", "area_densities", "--out", tmp_path / "a.tiff", *SMALL)[0] == 0
    assert "a-cortical_bone.tiff" in {p.name for p in tmp_path.iterdir()}


def test_a_labeled_metal_darkens_the_image(run, ct, labels, tmp_path) -> None:
    for name, words in {"with": ("--label-materials", "2=stainless steel"), "without": ()}.items():
        out = tmp_path / f"{name}.npy"
        assert run("project", ct, "--labels", labels, *words, "--no-noise", "--out", out, *SMALL)[0] == 0
    assert np.load(tmp_path / "with.npy").min() < 0.5 * np.load(tmp_path / "without.npy").min()


def test_isocenter_is_a_point_of_the_file(run, ct, tmp_path) -> None:
    """The rod's middle (43, 27, 23) mm RAS in the middle of the picture, not at its side."""
    out = tmp_path / "a.npy"
    words = ("--quantity", "area_densities", "--isocenter", 43, 27, 23, "--out", out)
    assert run("project", ct, *words, *SMALL)[0] == 0
    bone = np.load(out)[-1]
    assert bone[20, 23:25].min() > 0.8 * bone.max()


def test_config_holds_the_same_fields(run, ct, tmp_path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("kvp: 70\nheight: 40\nwidth: 48\npixel_mm: 3\nview: PA\nfilter: {aluminium: 2}\nnoise: false\n")
    code, out, _ = run("project", ct, "--config", config, "--kvp", 100, "--out", tmp_path / "a.png")
    assert code == 0
    assert "100 kV" in out
    assert "2 mm aluminium" in out
    assert "PA" in out
    assert "40×48" in out


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("kpv: 70", ("kpv", "kvp")),
        ("kvp: high", ("kvp", "high")),
        ("- 70", ("config", "list")),
        ("kvp: [70", ("YAML",)),
        ("window: [[1, 2]]", ("window", "flat")),
    ],
)
def test_wrong_config_is_a_sentence(run, ct, tmp_path, text, phrases) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    code, _, error = run("project", ct, "--config", config, "--out", tmp_path / "a.png")
    assert code == 2
    assert error.startswith("deepdrr: error: ")
    assert error.count("\n") == 1
    assert all(phrase in error for phrase in phrases)
    assert not (tmp_path / "a.png").exists()


def test_a_beam_that_misses_is_a_warning_and_air(run, ct, tmp_path) -> None:
    words = ("--isocenter", 2000, 0, 0, "--no-noise", "--out", tmp_path / "a.npy")
    code, _, error = run("project", ct, *words, *SMALL)
    assert code == 0
    assert error.startswith("deepdrr: warning: ")
    assert error.count("\n") == 1


def test_views_on_one_sheet(run, ct, tmp_path) -> None:
    out = tmp_path / "sheet.png"
    code, said, _ = run("views", ct, "--view", "AP", "--view", "left-lateral", "--out", out, *SMALL, "--binning", 2)
    assert code == 0
    assert "2 views" in said
    assert pixels(out).shape[1] > 2 * 24


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha", "ct.dcm", "ct.txt", "ct"])
def test_garbage_is_a_sentence(run, tmp_path: Path, name: str) -> None:
    """What third-party readers raise arrives as one line that names the file."""
    rubbish = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    for content in (rubbish, b"", b"\x1f\x8b\x08" + rubbish):
        (tmp_path / name).write_bytes(content)
        code, _, error = run("project", tmp_path / name, "--out", tmp_path / "a.png")
        assert code == 2
        assert error.startswith("deepdrr: error: ")
        assert error.count("\n") == 1
        assert name in error
        assert not (tmp_path / "a.png").exists()


def test_a_folder_without_dicom_is_a_sentence(run, tmp_path) -> None:
    code, _, error = run("info", tmp_path)
    assert code == 2
    assert str(tmp_path) in error


def test_info_tells_grid_frame_and_hu(run, ct, labels) -> None:
    code, out, _ = run("info", ct, "--labels", labels, "--label-names", "1=rod")
    assert code == 0
    for phrase in ("36 × 28 × 24", "2 × 2 × 2 mm", "RAS", "-1000 to 900", "1 rod", "cortical bone", "█"):
        assert phrase in out


def test_a_picture_that_does_not_fit_names_the_bytes(run, ct, tmp_path) -> None:
    words = ("--height", 3_000_000, "--width", 3_000_000, "--pixel-mm", 0.001)
    code, _, error = run("project", ct, "--out", tmp_path / "a.png", *words)
    assert code == 2
    assert "bytes" in error
    assert "available" in error


def test_a_source_in_the_patient_is_a_sentence(run, ct, tmp_path) -> None:
    code, _, error = run("project", ct, "--sid-mm", 10, "--out", tmp_path / "a.png", *SMALL)
    assert code == 2
    assert "source" in error
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (["--threads", "0"], ["threads", "1 to 1024", "0"]),
        (["--threads", "100000"], ["threads", "1 to 1024", "100000"]),
        (["--seed", "-1"], ["seed", "-1"]),
        (["--seed", "99999999999999999999"], ["seed", "99999999999999999999"]),
        (["--ct-kvp", "0"], ["--ct-kvp", "70 to 150"]),
        (["--step-mm", "1e9"], ["diagonal", "1000000000"]),
        (["--photons", "1e30"], ["photons per pixel", "1e+18"]),
    ],
)
def test_a_number_out_of_range_is_a_sentence(run, ct, tmp_path, words, phrases) -> None:
    code, _, error = run("project", ct, "--out", tmp_path / "a.png", *SMALL, *words)
    assert code == 2
    assert error.count("\n") == 1
    assert all(phrase in error for phrase in phrases)
    assert not list(tmp_path.iterdir())


def test_slices_of_the_ct_are_not_written_over(run, tmp_path) -> None:
    taken = tmp_path / "slice001.dcm"
    taken.write_bytes(b"pixels")
    code, _, error = run("project", tmp_path, "--out", taken)
    assert code == 2
    assert "must not be a file of the CT" in error
    assert taken.read_bytes() == b"pixels"


def test_a_label_map_without_labels_has_nothing_to_write(run, ct, tmp_path) -> None:
    empty = tmp_path / "empty.nii.gz"
    volume = Volume.from_nifti(ct, labels=torch.zeros(36, 28, 24, dtype=torch.uint8))
    volume.save(tmp_path / "copy.nii.gz", labels=empty)
    out = tmp_path / "masks.png"
    code, _, error = run("project", ct, "--labels", empty, "--quantity", "label_masks", "--out", out, *SMALL)
    assert code == 2
    assert "no label but 0" in error


def test_a_field_that_stands_twice_in_a_config_is_refused(run, ct, tmp_path) -> None:
    (tmp_path / "twice.yaml").write_text("kvp: 80\nbinning: 48\nkvp: 90\n")
    code, _, error = run("project", ct, "--out", tmp_path / "a.png", "--config", tmp_path / "twice.yaml")
    assert code == 2
    assert "names 'kvp' twice" in error


def test_exposure_control_heel_spot_and_panel(run, ct, tmp_path) -> None:
    out = tmp_path / "a.npy"
    small = ("project", ct, "--out", out, *SMALL, "--quantity", "expected_image")
    low, high = (run(*small, "--behind-patient-ngy", dose)[1:] and float(np.load(out).mean()) for dose in (10, 40))
    assert high == pytest.approx(4 * low, rel=1e-4)  # linear in the tube load
    flat = np.load(out)
    assert run(*small, "--behind-patient-ngy", 40, "--heel", "--focal-spot-mm", 0.6, "--panel", "cmos")[0] == 0
    shaped = np.load(out) / flat
    assert shaped[0].mean() > 1.02 * shaped[-1].mean()  # the cathode is at the top
    code, _, error = run(*small, "--behind-patient-ngy", 40, "--mas", 2)
    assert code != 0
    assert "behind-patient-ngy must stand alone" in error


@pytest.mark.parametrize(
    "words",
    [(), ("--polarity", "bone_black"), ("--window", 0, 5), ("--processing", "fluoroscopy"), ("--contrast", 0.7)],
)
def test_a_dicom_file_looks_like_the_picture(run, ct, words, tmp_path) -> None:
    assert run("project", ct, "--out", tmp_path / "a.dcm", "--out", tmp_path / "a.png", *SMALL, *words)[0] == 0
    file = pydicom.dcmread(tmp_path / "a.dcm")
    with Image.open(tmp_path / "a.png") as picture:
        wanted = np.array(picture).astype(float)
    if "VOILUTSequence" in file:  # of stored values, as viewers apply it
        shown = np.frombuffer(file.VOILUTSequence[0].LUTData, "<u2")[file.pixel_array] / 257
    else:
        shown = file.pixel_array
    assert np.abs(shown - wanted).max() < 1.0  # the rounding of both


def test_processing_is_named_in_the_file(run, ct, tmp_path) -> None:
    plain, shown, file = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.dcm"
    assert run("project", ct, "--out", plain, *SMALL)[0] == 0
    words = ("--processing", "fluoroscopy", "--dicom-values", "picture")
    assert run("project", ct, "--out", shown, "--out", file, *SMALL, *words)[0] == 0
    assert plain.read_bytes() != shown.read_bytes()
    header = pydicom.dcmread(file)
    assert "dynamic range compression 0.5" in header.DerivationDescription
    assert header.ShutterShape == "CIRCULAR"
