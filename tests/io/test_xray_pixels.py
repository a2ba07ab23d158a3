"""X-rays in damaged files: the right pixels, or a sentence; no bomb is unpacked."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepdrr.io import read_xray

PIXELS = np.random.default_rng(0).integers(1, 60000, (24, 32), dtype=np.uint16)


def refused(path: Path, sentence: str, error: type[Exception] = ValueError) -> None:
    with pytest.raises(error, match=sentence) as caught:
        read_xray(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def png(pixels: np.ndarray = PIXELS) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def npy(header: str, data: bytes) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def test_a_flipped_bit_of_a_png_fails_a_checksum(tmp_path: Path) -> None:
    whole = png()
    path = tmp_path / "xray.png"
    path.write_bytes(whole)
    right = read_xray(path).image
    assert float(right.max()) == PIXELS.max()
    draws = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[draws.integers(len(whole))] ^= 1 << draws.integers(8)
        path.write_bytes(damaged)
        refused(path, "damaged picture|no picture")


def test_a_png_bomb(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    refused(tmp_path / "bomb.png", "more than 134217728 pixels")


def test_colors_of_a_palette_are_no_grey(tmp_path: Path) -> None:
    Image.fromarray((PIXELS >> 8).astype(np.uint8)).convert("P").save(tmp_path / "palette.png")
    refused(tmp_path / "palette.png", "has the mode P")


def test_other_formats_are_not_opened(tmp_path: Path) -> None:
    """Pillow would start Ghostscript for this one."""
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    refused(tmp_path / "a.png", "no picture")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (npy("{'descr': '<u2', 'fortran_order': False, 'shape': (24, 32)}", PIXELS.tobytes()[:-2]), "truncated"),
        (npy("{'descr': '<u2', 'fortran_order': False, 'shape': (24, 30)}", PIXELS.tobytes()), "truncated or damaged"),
        (npy("{'descr': '<u2', 'fortran_order': False, 'shape': (999999, 999999999)}", b"12"), "truncated or damaged"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}", b"12"), "it holds object"),
        (npy("{'descr': '<u2', 'fortran_order': False, 'shape': " + "(" * 3000, b""), "header cannot be read"),
        (
            npy("{'descr': '<u2', 'fortran_order': False, 'shape': (1" + "0" * 5000 + ",)}", b""),
            "header cannot be read",
        ),
        (b"\x93NUMPY\x09\x00", "header cannot be read"),
        (b"PK\x03\x04" + bytes(100), "header cannot be read"),
    ],
)
def test_wrong_arrays(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "xray.npy").write_bytes(content)
    refused(tmp_path / "xray.npy", sentence)


def test_arrays_of_either_order(tmp_path: Path) -> None:
    for order in ("C", "F"):
        np.save(tmp_path / "xray.npy", np.asarray(PIXELS, order=order))
        image = read_xray(tmp_path / "xray.npy", "line_integrals").image
        assert np.array_equal(image.numpy(), PIXELS.astype(np.float32))
