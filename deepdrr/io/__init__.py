"""X-ray files: write images as PNG, TIFF, NPY and DICOM, read X-ray DICOM, read and write cameras."""

from deepdrr.io._camera_files import camera_of_header, read_cameras, write_cameras
from deepdrr.io._dicom import write_dicom
from deepdrr.io._files import write_image, write_npy, write_npz, write_png, write_tiff
from deepdrr.io._metadata import RadiographMetadata
from deepdrr.io._uids import DicomUids
from deepdrr.io._xray_files import Xray, XrayValues, read_xray
from deepdrr.io._xray_header import XrayHeader
from deepdrr.io._xray_values import line_integrals_of

__all__ = [
    "DicomUids",
    "RadiographMetadata",
    "Xray",
    "XrayHeader",
    "XrayValues",
    "camera_of_header",
    "line_integrals_of",
    "read_cameras",
    "read_xray",
    "write_cameras",
    "write_dicom",
    "write_image",
    "write_npy",
    "write_npz",
    "write_png",
    "write_tiff",
]
