"""Masks of an image as a DICOM Segmentation that refers to it."""

import os
from typing import Any

import numpy as np

from deepdrr._atomic import atomic_path
from deepdrr._door import check_file
from deepdrr._extras import require
from deepdrr._version import __version__
from deepdrr.annotations._image_annotations import ImageAnnotations
from deepdrr.io import DicomUids

__all__ = ["write_seg"]

# The standard's families of algorithms (CID 7162) are ways to find structures in an image; here they are known.
_PROJECTION = ("projection", "99DEEPDRR", "Projection of a labelled volume")


def write_seg(
    path: str | os.PathLike[str],
    annotations: ImageAnnotations,
    image: str | os.PathLike[str],
    *,
    seed: str | None = None,
) -> None:
    """Write the masks of a DICOM X-ray image as a DICOM Segmentation object, by highdicom.

    Each structure in view is a segment with its name; segments may overlap. Their category and type are Tissue
    (SCT 85756007), since a name alone says no more.

    Args:
        path: the file to write.
        annotations: of the image.
        image: the X-ray image, a single frame, as `Radiograph.save` writes it.
        seed: makes the identifiers reproducible; see `deepdrr.io.DicomUids`.

    Raises:
        ImportError: without highdicom: `pip install 'deepdrr[annotations]'`.
        OSError: if a file cannot be read or written.
        ValueError: if the image has another size, or no structure is in view.
    """
    import pydicom

    seg = require("highdicom.seg", "annotations", "DICOM SEG")
    source = pydicom.dcmread(check_file(image, "image"))
    if (source.Rows, source.Columns) != (annotations.height, annotations.width):
        size = f"{annotations.height}×{annotations.width}"
        raise ValueError(f"image must have {size} pixels as its masks, got {source.Rows}×{source.Columns}")
    _as_multiframe(source)
    seen = [n for n, mask in enumerate(annotations.masks) if mask.any()]
    if not seen:
        raise ValueError("annotations must have a structure in view to be a DICOM SEG, got none")
    uids = DicomUids.new(seed)
    made = seg.Segmentation(
        source_images=[source],
        pixel_array=np.moveaxis(annotations.masks[seen], 0, -1)[None],
        segmentation_type="BINARY",
        segment_descriptions=[_described(n, annotations.structures[i]) for n, i in enumerate(seen, start=1)],
        series_instance_uid=uids.series,
        series_number=2,
        sop_instance_uid=uids.instance,
        instance_number=1,
        manufacturer="deepdrr",
        manufacturer_model_name="deepdrr",
        software_versions=__version__,
        device_serial_number="0",
    )
    made.PatientOrientation = source.get("PatientOrientation", "")  # the standard asks for it, highdicom does not
    # Without a frame of reference there is none to measure in: sizes in the patient vary with the depth.
    made.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence", None)
    with atomic_path(path) as temporary:
        made.save_as(temporary)


def _as_multiframe(image: Any) -> None:
    """Give an XA image in memory what highdicom asks of every object of a multi-frame class, even of one frame."""
    from pydicom import Dataset

    measures, groups = Dataset(), Dataset()
    measures.PixelSpacing = image.ImagerPixelSpacing
    groups.PixelMeasuresSequence = [measures]
    image.setdefault("NumberOfFrames", 1)
    image.setdefault("SharedFunctionalGroupsSequence", [groups])


def _described(number: int, name: str) -> Any:
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    seg = require("highdicom.seg", "annotations", "DICOM SEG")
    algorithm = require("highdicom", "annotations", "DICOM SEG").AlgorithmIdentificationSequence(
        name="deepdrr", version=__version__, family=Code(*_PROJECTION)
    )
    return seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
    )
