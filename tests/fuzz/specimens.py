"""One whole file of each kind that the package reads, small, with its reader and what the reader must find."""

import bz2
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)
from test_label_shapes import FEMUR, HIP, dicom_seg, pairs, seg_nrrd
from volume_phantoms import volume as phantom

from deepdrr import Volume
from deepdrr._structured import read_fields
from deepdrr.data._sidecars import load_label_names, load_landmarks
from deepdrr.io import read_cameras, read_xray
from deepdrr.spectrum import Spectrum

SHAPE = (10, 9, 8)
CT_CLASS, XA_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.12.1"


@dataclass(frozen=True)
class Specimen:
    """A whole file.

    Attributes:
        name: its kind.
        target: the file that is damaged.
        path: what is read: the target, its header, or its folder.
        read: the reader; what it gives is compared.
        sealed: the first byte from which on a checksum guards all: damage there gives the same or a refusal.
    """

    name: str
    target: Path
    path: Path
    read: Callable[[Path], NDArray[Any]]
    sealed: int | None = None


def hu() -> NDArray[np.int16]:
    """Voxels of a body in air that compress a little."""
    values = np.full(SHAPE, -1000, np.int16)
    values[2:8, 2:7, 1:7] = np.random.default_rng(0).integers(-200, 900, (6, 5, 6))
    return values


def specimens(folder: Path) -> list[Specimen]:
    """All kinds, written into a folder."""
    kinds = (_nifti, _nrrd, _metaimage, _dicom, _segmentations, _xrays, _texts)
    return [specimen for kind in kinds for specimen in kind(folder)]


def volume(path: Path) -> NDArray[Any]:
    """Voxels and affine of a CT, in one row."""
    ct = Volume.from_file(path)
    return np.concatenate([np.shape(ct.hu), ct.anatomical_from_ijk.numpy().ravel(), ct.hu.numpy().ravel()])


def _nifti(folder: Path) -> list[Specimen]:
    image: Any = nibabel.Nifti1Image(hu(), np.diag([3.0, 3, 4, 1]))
    image.header.set_xyzt_units("mm")
    plain, packed = folder / "ct.nii", folder / "ct.nii.gz"
    nibabel.save(image, plain)
    packed.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    nibabel.save(nibabel.Nifti1Pair(hu(), np.diag([3.0, 3, 4, 1])), folder / "pair.hdr")
    nibabel.save(nibabel.Nifti2Image(hu(), np.diag([3.0, 3, 4, 1])), folder / "two.nii")
    return [
        Specimen("nifti", plain, plain, volume),
        Specimen("nifti-gz", packed, packed, volume, sealed=10),
        Specimen("nifti-pair", folder / "pair.hdr", folder / "pair.hdr", volume),
        Specimen("nifti-2", folder / "two.nii", folder / "two.nii", volume),
    ]


def _nrrd(folder: Path) -> list[Specimen]:
    raw = hu().tobytes(order="F")
    fields = (
        "type: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 10 9 8\n"
        "space directions: (3,0,0) (0,3,0) (0,0,4)\nkinds: domain domain domain\nendian: little\n"
        'space origin: (0,0,0)\nspace units: "mm" "mm" "mm"\n'
    )
    found = []
    contents = {
        "raw": raw,
        "gzip": gzip.compress(raw, mtime=0),
        "bzip2": bz2.compress(raw),
        "ascii": " ".join(map(str, hu().ravel(order="F"))).encode(),
        "hex": raw.hex().encode(),
    }
    for encoding, content in contents.items():
        head = f"NRRD0005\n{fields}encoding: {encoding}\n\n".encode()
        path = folder / f"{encoding}.nrrd"
        path.write_bytes(head + content)
        sealed = len(head) + 10 if encoding in ("gzip", "bzip2") else None
        found.append(Specimen(f"nrrd-{encoding}", path, path, volume, sealed))
    (folder / "body.raw").write_bytes(raw)
    detached = folder / "ct.nhdr"
    detached.write_text(f"NRRD0005\n{fields}encoding: raw\ndata file: body.raw\n")
    return [*found, Specimen("nhdr", detached, detached, volume)]


def _metaimage(folder: Path) -> list[Specimen]:
    raw = hu().tobytes(order="F")
    fields = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = {}\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\n"
        "ElementSpacing = 3 3 4\nDimSize = 10 9 8\nElementType = MET_SHORT\nElementDataFile = {}\n"
    )
    plain, packed, detached = folder / "ct.mha", folder / "packed.mha", folder / "ct.mhd"
    plain.write_bytes(fields.format("False", "LOCAL").encode() + raw)
    head = fields.format("True", "LOCAL").encode()
    packed.write_bytes(head + zlib.compress(raw))
    (folder / "voxels.raw").write_bytes(raw)
    detached.write_text(fields.format("False", "voxels.raw"))
    return [
        Specimen("mha", plain, plain, volume),
        Specimen("mha-zlib", packed, packed, volume, sealed=len(head)),
        Specimen("mhd", detached, detached, volume),
    ]


def _dicom(folder: Path) -> list[Specimen]:
    found = []
    syntaxes = {
        "explicit": ExplicitVRLittleEndian,
        "implicit": ImplicitVRLittleEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
        "rle": RLELossless,
        "jpeg-ls": JPEGLSLossless,
        "jpeg-2000": JPEG2000Lossless,
    }
    for name, syntax in syntaxes.items():
        series = folder / name
        series.mkdir()
        for k in range(4):
            dataset = _slice(k)
            if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
                dataset.compress(syntax)
            dataset.file_meta.TransferSyntaxUID = syntax
            pydicom.dcmwrite(series / f"slice{k}.dcm", dataset, enforce_file_format=True)
        found.append(Specimen(f"dicom-{name}", series / "slice2.dcm", series, volume))
    return found


def _segmentations(folder: Path) -> list[Specimen]:
    def labels(path: Path) -> NDArray[Any]:
        found = phantom("LPS", labels=path)
        assert found.labels is not None
        return np.append(found.labels.numpy().ravel(), sorted(found.label_names))

    slicer = seg_nrrd(folder / "a.seg.nrrd", np.stack([FEMUR, HIP]), pairs(("femur", 0, 1), ("hip", 1, 2)), "LPS")
    dicom = dicom_seg(folder / "seg.dcm", "FRACTIONAL")
    return [Specimen("seg-nrrd", slicer, slicer, labels), Specimen("seg-dicom", dicom, dicom, labels)]


def _dataset(sop_class: str, pixels: NDArray[Any]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid(entropy_srcs=["a"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    return dataset


def _slice(k: int) -> FileDataset:
    rows = np.full((32, 32), -1000, np.int16)
    rows[8:24, 8:24] = np.random.default_rng(k).integers(-200, 900, (16, 16))
    dataset = _dataset(CT_CLASS, rows)
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3.1", "1.2.3.4"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 3 * k], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.InstanceNumber = [1.5, 1.5], k
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    return dataset


def _xrays(folder: Path) -> list[Specimen]:
    def pixels(path: Path) -> NDArray[Any]:
        return read_xray(path).image.numpy()

    image = np.random.default_rng(1).integers(1, 60000, (24, 32), dtype=np.uint16)
    files = {name: folder / f"{name}.{name}" for name in ("npy", "png", "tif", "dcm")}
    np.save(files["npy"], image)
    Image.fromarray(image).save(files["png"])
    Image.fromarray(image).save(files["tif"])
    dataset = _dataset(XA_CLASS, image)
    dataset.Modality, dataset.PixelIntensityRelationship = "XA", "LIN"
    dataset.PixelIntensityRelationshipSign = 1
    dataset.ImagerPixelSpacing, dataset.DistanceSourceToDetector = [0.2, 0.2], 1000
    pydicom.dcmwrite(files["dcm"], dataset, enforce_file_format=True)
    return [Specimen(f"xray-{name}", path, path, pixels, 0 if name == "png" else None) for name, path in files.items()]


def _texts(folder: Path) -> list[Specimen]:
    def of(values: Any) -> NDArray[Any]:
        return np.array([repr(values)])

    view = {
        "sdd_mm": 1000,
        "pixel_mm": 0.3,
        "alpha_deg": 10,
        "beta_deg": 1e-05,
        "sid_mm": 600,
        "isocenter_mm": [1, 2, 3],
    }
    point = {"label": "a", "position": [1.0, 2.5, 3.0], "positionStatus": "defined"}
    mark = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": [point]}
    texts = {
        "cameras.json": json.dumps({"views": [view]}),
        "cameras.yaml": "views:\n- " + "\n  ".join(f"{name}: {value}" for name, value in view.items()) + "\n",
        "points.json": json.dumps({"frame": "RAS", "unit": "mm", "points": {"a": [1, 2.5, 3], "b": [0, 0, 1]}}),
        "points.mrk.json": json.dumps({"markups": [mark]}),
        "points.fcsv": "# CoordinateSystem = LPS\n# columns = id,x,y,z,label\n1,1,2.5,3,a\n2,0,0,1,b\n",
        "points.csv": "name,kind,R_mm,A_mm,S_mm\na,point,1,2.5,3\nb,line,0,0,1\nb,line,1,0,1\n",
        "names.csv": "id,name\n1,femur\n2,tibia\n300,heart\n",
        "beam.csv": "# keV, photons\nenergy,photons\n20,1\n30,2e3\n40,5\n",
        "config.yaml": "kvp: 70\nfilter: {copper: 0.1}\nview: PA\nnoise: no\n",
    }
    readers: dict[str, Callable[[Path], NDArray[Any]]] = {
        "cameras.json": lambda path: read_cameras(path, [(8, 9)])[0].intrinsics.numpy(),
        "cameras.yaml": lambda path: read_cameras(path, [(8, 9)])[0].intrinsics.numpy(),
        "points.json": lambda path: of(load_landmarks(path).points),
        "points.mrk.json": lambda path: of(load_landmarks(path).points),
        "points.fcsv": lambda path: of(load_landmarks(path).points),
        "points.csv": lambda path: of(load_landmarks(path).points),
        "names.csv": lambda path: of(load_label_names(path)),
        "beam.csv": lambda path: Spectrum.from_csv(path).photons.numpy(),
        "config.yaml": lambda path: of(read_fields(path, "config")),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [Specimen(name, folder / name, folder / name, readers[name]) for name in texts]
