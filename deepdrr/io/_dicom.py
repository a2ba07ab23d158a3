"""`write_dicom`: a radiograph as DICOM XA or DX, with its acquisition geometry."""

import os
from io import BytesIO
from typing import TYPE_CHECKING, Literal, get_args

from deepdrr._atomic import atomic_path
from deepdrr._version import __version__
from deepdrr.display import Polarity, Processing
from deepdrr.io._arrays import Image
from deepdrr.io._metadata import RadiographMetadata
from deepdrr.io._pixels import StoredPixels, log_pixels, picture_pixels, signal_pixels
from deepdrr.io._uids import DicomUids

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["radiograph_dataset", "write_dicom"]

Stored = Literal["signal", "log_signal", "picture"]


def write_dicom(
    image: Image,
    path: str | os.PathLike[str],
    metadata: RadiographMetadata,
    *,
    stored: Stored = "signal",
    object_class: Literal["XA", "DX"] = "XA",
    open_field: Image | float | None = None,
    polarity: Polarity = "bone_white",
    tone: Processing | None = None,
    uids: DicomUids | None = None,
) -> None:
    """Write a radiograph as a DICOM file of a synthetic patient.

    The file is an X-Ray Angiographic Image (PS3.3 A.14) or a Digital X-Ray Image for presentation (A.26). Its VOI LUT
    shows the stored values as `deepdrr.display.display` would; for `"log_signal"` and a picture a window does too. The
    Modality LUT of a logarithm in an XA file, which leads back to the intensity, is not meant to be applied before
    them. The file holds the geometry (distances, pixel spacing on the imager, positioner
    angles, orientation of the patient), the exposure, the meaning of a stored value, and this simulator's name and
    version. The patient is `DEEPDRR^SIMULATED`; dates are left empty.

    Args:
        image: [H, W]; the raw signal in keV per pixel, or a uint8 or uint16 picture for `stored="picture"`.
        path: the file to write; its folder must exist.
        metadata: how the image was taken.
        stored: `"signal"`: proportional to the raw signal, 16 bits (if the open field is in the image too, few of the
            65 536 values are left for pixels behind much bone); `"log_signal"`: its logarithm, 12 bits; `"picture"`.
        object_class: `"XA"` or `"DX"`.
        open_field: the signal without the patient, a number or [H, W]; None: the brightest thousandth of the image.
        polarity: of the picture, as given to `deepdrr.display.display`; for a signal, of the grey scale.
        tone: window, gamma and polarity of a signal's grey scale; None: the automatic window, no gamma, and `polarity`.
        uids: the identifiers; None generates new ones.

    Raises:
        ValueError: for an unknown choice or an image that does not fit it.
        OSError: if the file cannot be written; no partial file is left behind.
    """
    if object_class not in ("XA", "DX"):
        raise ValueError(f"object_class must be one of XA, DX, got {object_class!r}")
    if polarity not in get_args(Polarity):
        raise ValueError(f"polarity must be one of {', '.join(get_args(Polarity))}, got {polarity!r}")
    tone = tone or Processing(polarity=polarity)
    if stored == "signal":
        pixels = signal_pixels(image, open_field, tone, metadata.unit)
    elif stored == "log_signal":
        pixels = log_pixels(image, open_field, tone)
    elif stored == "picture":
        pixels = picture_pixels(image, polarity)
    else:
        raise ValueError(f"stored must be one of {', '.join(get_args(Stored))}, got {stored!r}")
    dataset = radiograph_dataset(pixels, metadata, object_class, uids or DicomUids.new())
    encoded = BytesIO()  # on a full disk, pydicom would put a traceback into its error message
    dataset.save_as(encoded, enforce_file_format=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.getvalue())


def radiograph_dataset(
    pixels: StoredPixels, metadata: RadiographMetadata, object_class: str, uids: DicomUids
) -> "Dataset":
    """The DICOM data set of a radiograph, ready to be saved."""
    from deepdrr.io import _modules as modules

    dataset = modules.identity(uids, f"deepdrr {__version__}", metadata.description)
    done = f" Processing: {metadata.processing}." if metadata.processing else ""
    dataset.update(modules.image(pixels, metadata, f"Simulated by deepdrr {__version__}. {pixels.meaning}{done}"))
    dataset.update(modules.acquisition(metadata))
    dataset.update(modules.positioner(metadata))
    particular = modules.angiographic if object_class == "XA" else modules.digital_x_ray
    dataset.update(particular(pixels, metadata))
    if metadata.circular_field:
        dataset.update(modules.circular_shutter(pixels))
    return modules.with_file_meta(dataset)
