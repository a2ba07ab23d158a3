"""The DICOM modules (PS3.3) of a radiograph, each as a data set of its attributes."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    XRayAngiographicImageStorage,
)

from deepdrr.io._arrays import Array
from deepdrr.io._metadata import BODY_PARTS, RadiographMetadata
from deepdrr.io._pixels import StoredPixels
from deepdrr.io._uids import DicomUids

__all__ = [
    "acquisition",
    "angiographic",
    "circular_shutter",
    "digital_x_ray",
    "identity",
    "image",
    "positioner",
    "with_file_meta",
]


def identity(uids: DicomUids, software: str, description: str) -> Dataset:
    """Patient (C.7.1.1), General Study (C.7.2.1), Series (C.7.3.1), Equipment (C.7.5.1), SOP Common (C.12.1)."""
    dataset = Dataset()
    dataset.PatientName = "DEEPDRR^SIMULATED"
    dataset.PatientID = "DEEPDRR-SIMULATED"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = uids.study, uids.series, uids.instance
    dataset.StudyDate = dataset.StudyTime = dataset.StudyID = dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber = dataset.InstanceNumber = "1"
    dataset.SeriesDescription = description
    dataset.Manufacturer = "deepdrr"
    dataset.ManufacturerModelName = "deepdrr"
    dataset.SoftwareVersions = software
    dataset.SpecificCharacterSet = "ISO_IR 192"
    return dataset


def image(pixels: StoredPixels, metadata: RadiographMetadata, derivation: str) -> Dataset:
    """General Image (C.7.6.1) and Image Pixel (C.7.6.3)."""
    dataset = Dataset()
    dataset.PatientOrientation = list(metadata.patient_orientation)
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.DerivationDescription = derivation
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.values.shape
    dataset.BitsAllocated = 8 * pixels.values.dtype.itemsize
    dataset.BitsStored = pixels.bits
    dataset.HighBit = pixels.bits - 1
    dataset.PixelRepresentation = 0
    data = np.ascontiguousarray(pixels.values.astype(pixels.values.dtype.newbyteorder("<"))).tobytes()
    dataset.add_new("PixelData", "OB" if dataset.BitsAllocated == 8 else "OW", data + b"\0" * (len(data) % 2))
    return dataset


def acquisition(metadata: RadiographMetadata) -> Dataset:
    """X-Ray Acquisition (C.8.7.2): tube and imager. Unknown values are left empty."""
    dataset = Dataset()
    dataset.KVP = "" if metadata.kvp is None else _decimal(metadata.kvp)
    dataset.Exposure = "" if metadata.mas is None else round(metadata.mas)
    if metadata.mas is not None:
        dataset.ExposureInuAs = round(1000.0 * metadata.mas)
    dataset.ImagerPixelSpacing = [_decimal(spacing) for spacing in metadata.pixel_spacing_mm]
    if metadata.body_part is not None:
        dataset.BodyPartExamined = metadata.body_part
    return dataset


def positioner(metadata: RadiographMetadata) -> Dataset:
    """XA Positioner (C.8.7.5), whose attributes DX Positioning (C.8.11.5) shares."""
    dataset = Dataset()
    dataset.DistanceSourceToDetector = _decimal(metadata.sdd_mm)
    if metadata.source_to_isocenter_mm is not None:
        dataset.DistanceSourceToPatient = _decimal(metadata.source_to_isocenter_mm)
        dataset.EstimatedRadiographicMagnificationFactor = _decimal(metadata.magnification)
    primary, secondary = metadata.positioner_angles_deg
    dataset.PositionerPrimaryAngle = _decimal(primary)
    dataset.PositionerSecondaryAngle = _decimal(secondary)
    return dataset


def angiographic(pixels: StoredPixels, metadata: RadiographMetadata) -> Dataset:
    """The modules specific to XA: X-Ray Image (C.8.7.1), Modality LUT (C.11.1), VOI LUT (C.11.2)."""
    dataset = Dataset()
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.Modality = "XA"
    dataset.ImageType = ["DERIVED", "PRIMARY", "SINGLE PLANE"]
    dataset.PixelIntensityRelationship = pixels.relationship
    if metadata.grid is not None:
        dataset.Grid = "IN" if metadata.grid else "NONE"
    if metadata.circular_field:
        dataset.FieldOfViewShape = "ROUND"
        sides = (n * mm for n, mm in zip(pixels.values.shape, metadata.pixel_spacing_mm, strict=True))
        dataset.FieldOfViewDimensions = round(min(sides))
    dataset.RadiationSetting = "GR"  # an exposure of diagnostic quality, not low-dose fluoroscopy for guidance
    if pixels.to_linear is not None:
        dataset.ModalityLUTSequence = [_table(pixels.to_linear)]
        dataset.ModalityLUTSequence[0].ModalityLUTType = "US"
    dataset.update(_voi_lut(pixels))
    if metadata.body_part is None or metadata.laterality is not None:
        dataset.Laterality = metadata.laterality or ""
    return dataset


def digital_x_ray(pixels: StoredPixels, metadata: RadiographMetadata) -> Dataset:
    """The modules specific to DX: Series (C.8.11.1), Anatomy (C.8.11.2), Image (C.8.11.3), Detector (C.8.11.4)."""
    dataset = Dataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"  # an image for processing may not say how it is shown
    dataset.ImageType = ["DERIVED", "PRIMARY", ""]
    dataset.ImageLaterality = metadata.laterality or "U"
    dataset.AnatomicRegionSequence = [] if metadata.body_part is None else [_anatomic_region(metadata.body_part)]
    dataset.PixelIntensityRelationship = "LIN" if pixels.relationship == "LIN" else "LOG"
    dataset.PixelIntensityRelationshipSign = pixels.sign
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.DetectorType = metadata.detector or ""
    if metadata.grid is not None:
        dataset.Grid = "FIXED" if metadata.grid else "NONE"
    if metadata.processing and len(metadata.processing) <= 64:
        dataset.AcquisitionDeviceProcessingDescription = metadata.processing
    # KVP and Exposure are also in X-Ray Acquisition Dose (C.8.7.8); this name is in X-Ray Generation (C.8.7.9) alone.
    dataset.GeneratorID = "deepdrr"
    dataset.PositionerType = "CARM"
    dataset.AcquisitionContextSequence = []
    dataset.update(_voi_lut(pixels))
    return dataset


def circular_shutter(pixels: StoredPixels) -> Dataset:
    """Display Shutter (C.7.6.11): viewers show only the inscribed circle."""
    rows, columns = pixels.values.shape
    dataset = Dataset()
    dataset.ShutterShape = "CIRCULAR"
    dataset.CenterOfCircularShutter = [(rows + 1) // 2, (columns + 1) // 2]
    dataset.RadiusOfCircularShutter = min(rows, columns) // 2
    return dataset


def with_file_meta(dataset: Dataset) -> Dataset:
    """The data set with the meta information that a file needs."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _voi_lut(pixels: StoredPixels) -> Dataset:
    """VOI LUT (C.11.2): a table, and a window for viewers that know no tables."""
    dataset = Dataset()
    if pixels.to_gray is not None:
        dataset.VOILUTSequence = [_table(pixels.to_gray)]
    if pixels.window is not None:  # its ends are shown black and white: centre − 0.5 ± (width − 1) / 2 (C.11.2.1.2)
        black, white = pixels.window
        dataset.WindowCenter, dataset.WindowWidth = _decimal((black + white + 1) / 2), _decimal(white - black + 1)
    return dataset


def _anatomic_region(body_part: str) -> Dataset:
    """An item of CID 4009, DX Anatomy Imaged."""
    code = getattr(codes.cid4009, BODY_PARTS[body_part])
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _table(values: Array) -> Dataset:
    """A look-up table (C.11.1.1); a count of 65 536 entries is written as 0."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values) % 65536, 0, 16])
    item.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    return item


def _decimal(value: float | None) -> str:
    """A Decimal String, which has at most 16 characters: nine significant digits."""
    assert value is not None
    return f"{value + 0.0:.9g}"
