"""Pictures and raw values as PNG, TIFF and NPY."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepdrr._atomic import atomic_path
from deepdrr.display import Polarity
from deepdrr.io._arrays import Image, as_array, as_plane, is_float
from deepdrr.io._dicom import write_dicom
from deepdrr.io._metadata import RadiographMetadata

__all__ = ["write_image", "write_npy", "write_npz", "write_png", "write_tiff"]

_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".dcm")


def write_image(
    image: Image,
    path: str | os.PathLike[str],
    *,
    metadata: RadiographMetadata | None = None,
    polarity: Polarity = "bone_white",
) -> None:
    """Write an image in the format given by the suffix of `path`.

    Args:
        image: suited to the format: a picture (uint8 or uint16) for `.png`; raw values or a picture for `.tif`,
            `.tiff` and `.npy`; for `.dcm` raw signal in keV per pixel (floating point) or a picture (integers).
        path: the file to write; its folder must exist.
        metadata: how the image was taken; `.dcm` needs it, the other formats do not store it.
        polarity: of a picture written as `.dcm`, as in `write_dicom`.

    Raises:
        ValueError: for an unknown suffix, a `.dcm` without metadata, or an image that does not fit the format.
        OSError: if the file cannot be written; no partial file is left behind.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".png":
        write_png(image, path)
    elif suffix in (".tif", ".tiff"):
        write_tiff(image, path)
    elif suffix == ".npy":
        write_npy(image, path)
    elif suffix != ".dcm":
        raise ValueError(f"path must end in {', '.join(_SUFFIXES)}, got '{path}'")
    elif metadata is None:
        raise ValueError(f"metadata is needed for a DICOM file: a RadiographMetadata, got None for '{path}'")
    else:
        is_signal = is_float(as_array(image))
        write_dicom(image, path, metadata, stored="signal" if is_signal else "picture", polarity=polarity)


def write_png(image: Image, path: str | os.PathLike[str]) -> None:
    """Write a picture as a greyscale PNG of 8 or 16 bits, with unchanged values.

    Args:
        image: [H, W], uint8 or uint16, as `deepdrr.display.display` makes it.
        path: the file to write; its folder must exist.

    Raises:
        ValueError: if the image is not such a picture.
        OSError: if the file cannot be written; no partial file is left behind.
    """
    from PIL import Image as PillowImage

    plane = as_plane(image, kind="PNG")
    if plane.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image must be uint8 or uint16 to be a PNG, got {plane.dtype}; deepdrr.display makes one")
    picture = PillowImage.fromarray(np.ascontiguousarray(plane))
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")


def write_tiff(image: Image, path: str | os.PathLike[str]) -> None:
    """Write raw values as a greyscale TIFF of 32-bit floats, or a picture as one of 8 or 16 bits.

    Args:
        image: [H, W]; uint8 and uint16 are kept, all other numbers are rounded to float32.
        path: the file to write; its folder must exist.

    Raises:
        ValueError: if the image is not a single plane of finite numbers, or a value is too large for float32.
        OSError: if the file cannot be written; no partial file is left behind.
    """
    from PIL import Image as PillowImage

    plane = as_plane(image, kind="TIFF")
    if plane.dtype not in (np.uint8, np.uint16):
        largest = float(np.abs(plane.astype(np.float64)).max())
        if largest > float(np.finfo(np.float32).max):
            raise ValueError(f"image must fit in float32 to be a TIFF, got a value of size {largest:g}")
        plane = plane.astype(np.float32)
    picture = PillowImage.fromarray(np.ascontiguousarray(plane))
    with atomic_path(path) as temporary:
        picture.save(temporary, format="TIFF")


def write_npy(image: Image, path: str | os.PathLike[str]) -> None:
    """Write values of any shape and type, unchanged, as a NumPy file.

    Args:
        image: the values.
        path: the file to write; its folder must exist. No suffix is added.

    Raises:
        TypeError: if the values are Python objects.
        OSError: if the file cannot be written; no partial file is left behind.
    """
    array = as_array(image)
    if array.dtype.hasobject:
        raise TypeError(f"image must hold numbers, got {array.dtype}")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def write_npz(arrays: Mapping[str, Image], path: str | os.PathLike[str]) -> None:
    """Write several arrays by name, unchanged, as one compressed NumPy archive.

    Args:
        arrays: numbers or text, by name.
        path: the file to write; its folder must exist. No suffix is added.

    Raises:
        TypeError: if one of them holds Python objects.
        OSError: if the file cannot be written; no partial file is left behind.
    """
    found = {name: as_array(values) for name, values in arrays.items()}
    for name, array in found.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} must hold numbers or text, got {array.dtype}")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **found)  # type: ignore[arg-type]
