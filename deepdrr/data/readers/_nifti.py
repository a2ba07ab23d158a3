"""Reading NIfTI: the header's promises are checked, the voxels go straight into one float32 array."""

import logging
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data._checks import check_file, empty_voxels, given_affine, warn_of_size
from deepdrr.data._scan import Scan, Source
from deepdrr.geometry import ArrayLike, check_affine

__all__ = ["read_nifti"]

# NIfTI-1 standard, nifti1.h: the three lowest bits of xyzt_units.
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_SLAB_BYTES = 16 * 2**20


def read_nifti(path: str | os.PathLike[str], *, anatomical_from_ijk: ArrayLike | None = None) -> Scan:
    """Read a NIfTI-1 or NIfTI-2 file (.nii, .nii.gz, or a .hdr/.img pair).

    The slope and intercept of the header are applied. Lengths in metres or micrometres become millimetres; a header
    that names no unit is taken as millimetres, as all software does.

    Args:
        path: the file.
        anatomical_from_ijk: affine [4, 4] to use where the header has none (sform and qform code 0). Where the header
            has one, the header's must not be contradicted, so giving one is refused.

    Returns:
        The voxels as stored and scaled, and the affine to RAS mm.

    Raises:
        OSError: if the file is missing or cannot be read.
        ValueError: if it is not NIfTI, is damaged, is not a 3-D scalar image, or does not state its orientation.
    """
    file = check_file(path)
    with _sentences(file):
        image = _open(file)
        affine = _affine(image, file, anatomical_from_ijk)
        voxels = _voxels(image, file)
        warn_of_size(voxels.shape, affine, file)
        return Scan(voxels, affine, Source(str(path), "nifti"))


def _open(file: Path) -> Any:
    import nibabel

    image: Any = nibabel.load(file)
    if not isinstance(image, nibabel.Nifti1Pair):  # NIfTI-2 is a kind of it; Analyze, MGH and MINC are not
        raise ValueError(f"'{file}' must be a NIfTI file, got {type(image).__name__.removesuffix('Image')}")
    return image


def _affine(image: Any, file: Path, given: ArrayLike | None) -> Tensor:
    header = image.header
    placed = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    callers = given_affine(given, file, "" if placed else "sform_code and qform_code are 0")
    if callers is not None:
        return callers
    if int(header["sform_code"]) == 0:
        _check_spacing(image, file)
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MM_PER_UNIT:
        raise ValueError(f"'{file}' gives lengths in the unknown unit code {unit}; metre, mm and micrometre are known")
    affine = torch.as_tensor(np.asarray(header.get_best_affine(), dtype=np.float64)).clone()
    affine[:3] *= _MM_PER_UNIT[unit]
    return check_affine(affine, f"the affine of '{file}'")


def _check_spacing(image: Any, file: Path) -> None:
    """Refuse a spacing of 0, which the library would silently read as 1 mm. Only a qform depends on it."""
    with image.file_map.get("header", image.file_map["image"]).get_prepare_fileobj("rb") as stream:
        stored = type(image.header).from_fileobj(stream, check=False)
    spacing = [float(length) for length in stored["pixdim"][1:4]]
    if 0.0 in spacing:
        raise ValueError(f"'{file}' must have voxels of a size above 0, got a spacing (pixdim) of {spacing}")


def _voxels(image: Any, file: Path) -> NDArray[np.float32]:
    """The scaled voxels [I, J, K], read slab by slab: little more memory than the result."""
    from nibabel.openers import ImageOpener

    proxy = image.dataobj
    shape = _shape_3d(proxy.shape, file)
    dtype = image.get_data_dtype()
    _check_scalar(dtype, file)
    slope, intercept = float(proxy.slope), float(proxy.inter)  # 1 and 0 for a slope that is 0, NaN or infinite
    plane = shape[0] * shape[1]
    slices = max(1, _SLAB_BYTES // (plane * dtype.itemsize))
    out = empty_voxels(shape, file)
    with ImageOpener(proxy.file_like) as stream:
        stream.seek(_offset(proxy, file))
        for first in range(0, shape[2], slices):
            last = min(first + slices, shape[2])
            raw = stream.read(plane * (last - first) * dtype.itemsize)
            if len(raw) < plane * (last - first) * dtype.itemsize:
                raise ValueError(f"'{file}' is truncated: it ends within slice {first + 1} to {last} of {shape[2]}")
            slab = np.frombuffer(raw, dtype).reshape((shape[0], shape[1], last - first), order="F")
            out[:, :, first:last] = slab if (slope, intercept) == (1.0, 0.0) else slab * slope + intercept
        stream.read(1)  # at the end of a compressed stream its checksum is compared
    return out


def _shape_3d(shape: tuple[int, ...], file: Path) -> tuple[int, int, int]:
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise ValueError(f"'{file}' must hold one 3-D volume, got {len(shape)} dimensions {'×'.join(map(str, shape))}")
    if min(shape) <= 0:
        raise ValueError(f"'{file}' holds no voxels: its size is {'×'.join(map(str, shape))}")
    return shape[0], shape[1], shape[2]


def _check_scalar(dtype: np.dtype[Any], file: Path) -> None:
    if dtype.fields is not None:
        raise ValueError(f"'{file}' must hold CT numbers, got colour voxels ({'/'.join(dtype.fields)})")
    if dtype.kind not in "iuf":
        raise ValueError(f"'{file}' must hold real numbers, got voxels of type {dtype}")


def _offset(proxy: Any, file: Path) -> int:
    """Where the voxels begin, vox_offset of the header: a float there, so it may be anything."""
    offset = int(proxy.offset)
    if not 0 <= offset < 2**40:
        raise ValueError(f"'{file}' is damaged: its voxels would begin at byte {proxy.offset}")
    return offset


@contextmanager
def _silent() -> Iterator[None]:
    """Keep nibabel's log lines about headers from standard error: what matters in them is refused here."""
    logger = logging.getLogger("nibabel.global")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def _sentences(file: Path) -> Iterator[None]:
    """What the library and the decompressor raise, as sentences that name the file."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        with _silent():
            yield
    except (ImageFileError, HeaderDataError) as error:
        raise ValueError(f"'{file}' is not a readable NIfTI file: {error}") from error
    except (EOFError, zlib.error) as error:
        raise ValueError(f"'{file}' is truncated or damaged: {error}") from error
    except OSError as error:
        raise OSError(f"cannot read '{file}': {error.strerror or error}") from error
