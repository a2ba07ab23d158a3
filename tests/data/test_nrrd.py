"""NRRD: what the header states is obeyed, what it does not state is asked for, what is damaged is refused."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ramp_files import LPS, RAW, refused, same
from volume_phantoms import GRIDS, ramp

from deepdrr import Volume

HEADER = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "7 6 5",
    "space directions": "(2,0,0) (0,2,0) (0,0,2)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(1,2,3)",
}


def write(path: Path, content: bytes = RAW, **changes: str | None) -> Path:
    """A file with changes to its fields; `_` stands for a blank, None leaves a field out."""
    fields = HEADER | {name.replace("_", " "): value for name, value in changes.items()}
    lines = [f"{name}: {value}\n" for name, value in fields.items() if value is not None]
    path.write_bytes(("NRRD0005\n# a comment\n" + "".join(lines) + "key:=a: value\n\n").encode() + content)
    return path


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("raw", RAW),
        ("gzip", gzip.compress(RAW)),
        ("gz", gzip.compress(RAW[:100]) + gzip.compress(RAW[100:])),
        ("bzip2", bz2.compress(RAW)),
        ("ascii", " ".join(map(str, ramp().flatten(order="F"))).encode()),
        ("hex", RAW.hex().encode()),
        ("raw", RAW + b"\0" * 16),
    ],
)
def test_encodings(encoding: str, content: bytes, tmp_path: Path) -> None:
    assert same(write(tmp_path / "ct.nrrd", content, encoding=encoding))


@pytest.mark.parametrize(
    ("word", "kind"),
    [("int16_t", "<i2"), ("int", "<i4"), ("float", "<f4"), ("double", "<f8"), ("long long int", "<i8")],
)
def test_types_and_byte_orders(word: str, kind: str, tmp_path: Path) -> None:
    assert same(write(tmp_path / "ct.nrrd", ramp().astype(kind).tobytes(order="F"), type=word))
    big = ramp().astype(kind.replace("<", ">")).tobytes(order="F")
    assert same(write(tmp_path / "ct.nrrd", big, type=word, endian="big"))


@pytest.mark.parametrize(
    ("space", "signs"), [("RAS", (1, 1)), ("left-anterior-superior", (-1, 1)), ("left-posterior-superior", (-1, -1))]
)
def test_spaces(space: str, signs: tuple[int, int], tmp_path: Path) -> None:
    affine = LPS.abs() * torch.tensor([*signs, 1.0, 1.0], dtype=torch.float64)[:, None]
    assert same(write(tmp_path / "ct.nrrd", space=space), affine)


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1.0), ("cm", 10.0), ("m", 1000.0), ("um", 0.001)])
def test_units(unit: str, mm: float, tmp_path: Path) -> None:
    length = 2.0 / mm
    path = write(
        tmp_path / "ct.nrrd",
        space_units=f'"{unit}" "{unit}" "{unit}"',
        space_directions=f"({length},0,0) (0,{length},0) (0,0,{length})",
        space_origin=f"({1 / mm},{2 / mm},{3 / mm})",
    )
    assert same(path)


def test_voxels_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "all.raw").write_bytes(b"a line\n" + b"head" + RAW)
    assert same(write(tmp_path / "ct.nhdr", b"", data_file="all.raw", line_skip="1", byte_skip="4"))
    assert same(write(tmp_path / "ct.nhdr", b"", data_file="all.raw", byte_skip="-1"))
    for k in range(5):
        (tmp_path / f"{k + 1:02d}.gz").write_bytes(gzip.compress(ramp()[:, :, k].tobytes(order="F")))
    assert same(write(tmp_path / "ct.nhdr", b"", encoding="gzip", data_file="%02d.gz 1 5 1"))
    path = write(tmp_path / "ct.nhdr", b"", encoding="gzip", key=None)
    listed = "data file: LIST\n" + "".join(f"{k:02d}.gz\n" for k in range(1, 6))
    path.write_bytes(path.read_bytes().rstrip(b"\n") + b"\n" + listed.encode())
    assert same(path)


@pytest.mark.parametrize("field", ["space", "space directions", "space origin"])
def test_what_the_header_lacks_can_be_given(field: str, tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nrrd", **{field: None})
    refused(path, f"no '{field}' field")
    assert torch.equal(Volume.from_nrrd(path, anatomical_from_ijk=GRIDS["RAS"]).anatomical_from_ijk, GRIDS["RAS"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"space": "3D-right-handed"}, "names no patient"),
        ({"space units": '"px" "px" "px"'}, "'space units'"),
        ({"space units": '"mm" "mm"'}, "'space units'"),
        ({"space directions": "(2,0,0) (0,2,0)"}, "3 vectors"),
        ({"space directions": "(2,0,0) (0,two,0) (0,0,2)"}, "3 finite numbers"),
        ({"space directions": "(2,0,0) (0,1e400,0) (0,0,2)"}, "3 finite numbers"),
        ({"space directions": "(2,0,0) (0,0,0) (0,0,2)"}, "invertible"),
        ({"spacings": "2 2 3"}, "the lengths of the 'space directions'"),
        ({"sizes": "7 6"}, "3 integers"),
        ({"sizes": "7 6 -5"}, "3 integers"),
        ({"sizes": "7 6 6"}, "truncated"),
        ({"sizes": "7 6 4"}, "more bytes than the voxels"),
        ({"sizes": "700000 600000 500000"}, "truncated"),
        ({"sizes": "7 6 5" + "0" * 400}, "3 integers"),
        ({"dimension": "100"}, "from 1 to 16"),
        ({"dimension": "4", "sizes": "7 6 5 1"}, "4 vectors"),
        ({"kinds": "vector domain domain"}, "'kinds'"),
        ({"type": "block"}, "'type'"),
        ({"endian": None}, "no 'endian'"),
        ({"encoding": "raww"}, "'encoding'"),
        ({"encodinf": "raw"}, "the line 'encodinf: raw'"),
        ({"encoding": "ascii"}, "ascii numbers"),
        ({"encoding": "ascii", "data file": "/dev/zero"}, "must be a regular file"),
        ({"data file": "gone.raw"}, "gone.raw"),
        ({"data file": "%s%s%n.raw 1 5 1"}, "'data file'"),
        ({"data file": "a%d.raw 1 999999999 1"}, "at most 5000 files"),
        ({"byte skip": "2"}, "truncated"),
    ],
)
def test_wrong_headers(changes: dict[str, str | None], sentence: str, tmp_path: Path) -> None:
    error = OSError if "data file" in changes and ".raw 1" not in str(changes["data file"]) else ValueError
    refused(write(tmp_path / "ct.nrrd", **changes), sentence, error)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_a_flipped_bit_gives_no_other_volume(encoding: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    packed = pack(RAW)
    draws = np.random.default_rng(0)
    caught = []
    for _ in range(40):
        damaged = bytearray(packed)
        damaged[draws.integers(len(packed))] ^= 1 << draws.integers(8)
        path = write(tmp_path / "ct.nrrd", bytes(damaged), encoding=encoding)
        try:
            assert same(path)  # some bits mean nothing: gzip's time, what fills bzip2's last byte
        except ValueError as error:
            caught.append(str(error))
    assert len(caught) > 30
    assert all("ct.nrrd" in sentence for sentence in caught)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(RAW) + gzip.compress(bytes(2**26)) * 20
    refused(write(tmp_path / "ct.nrrd", bomb, encoding="gzip"), "more bytes than the voxels")
