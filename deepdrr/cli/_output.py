"""Write one quantity of one exposure in the requested formats."""

from collections.abc import Iterator
from pathlib import Path

from deepdrr.cli._options import DicomOptions, DisplayOptions
from deepdrr.cli._quantities import Quantity, depth_of, processing_of
from deepdrr.projector import DicomFields, Radiograph

__all__ = ["written"]


def written(
    shot: Radiograph, quantity: Quantity, path: Path, display: DisplayOptions, dicom: DicomOptions
) -> Iterator[str]:
    """Write the kind of file that the suffix says; a stack gives one file per channel, except as NPY and NPZ.

    Args:
        shot: the exposure.
        quantity: the quantity to write.
        path: the file.
        display: appearance of pictures.
        dicom: contents of a DICOM file.

    Yields:
        The name and a description of each file.
    """
    kind = path.suffix.lower()
    fields: DicomFields = {"object_class": dicom.dicom_class} if kind == ".dcm" else {}
    if kind == ".dcm" and dicom.dicom_values is not None:
        fields["stored"] = dicom.dicom_values
    name = None if kind == ".npz" else quantity
    files = shot.save(path, name, processing=processing_of(quantity, display), dtype=depth_of(display), **fields)
    yield from (f"{file}: {_described(shot, quantity, kind, display, dicom)}" for file in files)


def _described(shot: Radiograph, quantity: Quantity, kind: str, display: DisplayOptions, dicom: DicomOptions) -> str:
    shape, unit = list(shot[quantity].shape), shot.unit(quantity)
    size = f"{shot.camera.height}×{shot.camera.width} pixels"
    if kind == ".png":
        return f"{quantity} as displayed, {size}, {display.bits} bits"
    if kind == ".dcm":
        by_default = "log_signal" if processing_of(quantity, display).is_pointwise else "picture"
        stored = dicom.dicom_values or by_default
        return f"{quantity}, {size}, DICOM {dicom.dicom_class}, {stored.replace('_', ' ')}"
    if kind == ".npy":
        return f"{quantity} {shape}, {unit}"
    if kind == ".npz":
        return f"{', '.join(shot)} with camera and technique, {size}"
    return f"{quantity}, {size}, float32, {unit}"
