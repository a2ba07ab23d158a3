"""MetaImage: what the header states is obeyed, what it does not state is asked for, what is damaged is refused."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from ramp_files import RAW, refused, same
from volume_phantoms import GRIDS, ramp

from deepdrr import Volume

HEADER = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "1 2 3",
    "AnatomicalOrientation": "RAI",
    "ElementSpacing": "2 2 2",
    "DimSize": "7 6 5",
    "ElementType": "MET_SHORT",
    "a user's field": "kept",
}


def write(path: Path, content: bytes = RAW, data: str = "LOCAL", **changes: str | None) -> Path:
    """A file with changes to its fields; None leaves a field out."""
    lines = [f"{name} = {value}\n" for name, value in (HEADER | changes).items() if value is not None]
    path.write_bytes("".join([*lines, f"ElementDataFile = {data}\n"]).encode() + content)
    return path


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({}, RAW),
        ({"CompressedData": "True"}, zlib.compress(RAW)),
        ({"BinaryDataByteOrderMSB": "True"}, ramp().astype(">i2").tobytes(order="F")),
        ({"BinaryData": "False"}, " ".join(map(str, ramp().flatten(order="F"))).encode()),
        ({"ElementType": "MET_DOUBLE"}, ramp().astype("<f8").tobytes(order="F")),
        ({"NDims": "4", "DimSize": "7 6 5 1", "Offset": "1 2 3 0", "ElementSpacing": "2 2 2 1",
          "TransformMatrix": "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}, RAW),
    ],
)  # fmt: skip
def test_ways_to_store_voxels(changes: dict[str, str], content: bytes, tmp_path: Path) -> None:
    assert same(write(tmp_path / "ct.mha", content, **changes))


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1.0), ("cm", 10.0), ("um", 0.001)])
def test_units(unit: str, mm: float, tmp_path: Path) -> None:
    spacing, offset = f"{2 / mm} {2 / mm} {2 / mm}", f"{1 / mm} {2 / mm} {3 / mm}"
    assert same(write(tmp_path / "ct.mha", DistanceUnits=unit, ElementSpacing=spacing, Offset=offset))


def test_the_intensity_function(tmp_path: Path) -> None:
    path = write(
        tmp_path / "ct.mha",
        (2 * (ramp() + 1024)).astype("<i2").tobytes(order="F"),
        ElementToIntensityFunctionSlope="0.5",
        ElementToIntensityFunctionOffset="-1024",
    )
    assert same(path)


def test_voxels_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "all.raw").write_bytes(b"head" + RAW)
    assert same(write(tmp_path / "ct.mhd", b"", "all.raw", HeaderSize="4"))
    assert same(write(tmp_path / "ct.mhd", b"", "all.raw", HeaderSize="-1"))
    for k in range(5):
        (tmp_path / f"{k}.raw").write_bytes(ramp()[:, :, k].tobytes(order="F"))
    assert same(write(tmp_path / "ct.mhd", b"", "%d.raw 0 4 1"))
    assert same(write(tmp_path / "ct.mhd", b"0.raw\n1.raw\n2.raw\n3.raw\n4.raw\n", "LIST"))


def test_a_file_of_itk_has_the_volume_that_itk_sees(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(ramp().T))
    image["patient"] = "simulated"
    for compress in (False, True):
        SimpleITK.WriteImage(image, str(tmp_path / "ct.mha"), compress)
        seen = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "ct.mha")))
        assert np.array_equal(Volume.from_file(tmp_path / "ct.mha").hu, seen.T)


@pytest.mark.parametrize("field", ["ElementSpacing", "TransformMatrix", "Offset"])
def test_what_the_header_lacks_can_be_given(field: str, tmp_path: Path) -> None:
    path = write(tmp_path / "ct.mha", **{field: None})
    refused(path, f"no {field}")
    assert torch.equal(Volume.from_nrrd(path, anatomical_from_ijk=GRIDS["RAS"]).anatomical_from_ijk, GRIDS["RAS"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DistanceUnits": "inch"}, "'DistanceUnits'"),
        ({"ElementSpacing": "2 2"}, "3 finite numbers"),
        ({"ElementSpacing": "2 2 0"}, "above 0"),
        ({"ElementSpacing": "2 2 nan"}, "3 finite numbers"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0"}, "9 finite numbers"),
        ({"TransformMatrix": "2 0 0 0 1 0 0 0 1"}, "unit vectors"),
        ({"TransformMatrix": "1 0 0 0 0 0 0 0 1"}, "unit vectors"),
        ({"Position": "1 2 3"}, "has both"),
        ({"DimSize": "7 6"}, "3 integers"),
        ({"DimSize": "7 6 4"}, "more bytes than the voxels"),
        ({"DimSize": "7 6 6"}, "truncated"),
        ({"DimSize": "7 6 5" + "0" * 400}, "3 integers"),
        ({"NDims": "100"}, "from 1 to 10"),
        ({"NDims": "2", "DimSize": "42 5"}, "one 3-D volume"),
        ({"ElementNumberOfChannels": "3"}, "got 3 values in each voxel"),
        ({"ElementType": "MET_STRING"}, "'ElementType'"),
        ({"ElementToIntensityFunctionSlope": "0"}, "other than 0"),
        ({"ElementToIntensityFunctionOffset": "1024 HU"}, "1 finite number"),
        ({"HeaderSize": "-1"}, "'HeaderSize'"),
        ({"HeaderSize": "10"}, "'HeaderSize'"),
        ({"CompressedData": "True", "CompressedDataSize": "99999999999999"}, "99999999999999 compressed bytes"),
        ({"CompressedData": "True"}, "cannot be unpacked"),
        ({"BinaryData": None}, "no 'BinaryData'"),
        ({"BinaryData": "yes"}, "True or False"),
        ({"DistanceUnit": "cm"}, "did it mean 'DistanceUnits'"),
    ],
)
def test_wrong_headers(changes: dict[str, str | None], sentence: str, tmp_path: Path) -> None:
    refused(write(tmp_path / "ct.mha", **changes), sentence)


@pytest.mark.parametrize(
    ("data", "sentence", "error"),
    [
        ("gone.raw", "gone.raw", FileNotFoundError),
        ("/dev/zero", "must be a regular file, got the device '/dev/zero'", OSError),
        (".", "got the folder", IsADirectoryError),
        ("a%d.raw 0 999999 1", "at most 5000 files", ValueError),
    ],
)
def test_files_that_cannot_hold_voxels(data: str, sentence: str, error: type[Exception], tmp_path: Path) -> None:
    refused(write(tmp_path / "ct.mhd", b"", data), sentence, error)


def test_a_flipped_bit_fails_a_checksum(tmp_path: Path) -> None:
    packed = zlib.compress(RAW)
    draws = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(packed)
        damaged[draws.integers(len(packed))] ^= 1 << draws.integers(8)
        refused(write(tmp_path / "ct.mha", bytes(damaged), CompressedData="True"), "damaged|truncated")
