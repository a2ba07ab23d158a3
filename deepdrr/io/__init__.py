"""Images out: PNG, TIFF, NPY and DICOM, each written whole or not at all."""

from deepdrr.io._dicom import write_dicom
from deepdrr.io._files import write_image, write_npy, write_png, write_tiff
from deepdrr.io._metadata import RadiographMetadata
from deepdrr.io._uids import DicomUids

__all__ = [
    "DicomUids",
    "RadiographMetadata",
    "write_dicom",
    "write_image",
    "write_npy",
    "write_png",
    "write_tiff",
]
