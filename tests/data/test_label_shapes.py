"""Labels in all the shapes in which people have them: slopes, odd types, masks, segmentations, sparse ids."""

import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from volume_phantoms import GRIDS, SHAPE, volume, write_nifti

from deepdrr import Volume
from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import LabelMap, Subject
from deepdrr.drr import render
from deepdrr.geometry import RAS_FROM_LPS, translation

FEMUR, HIP = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
FEMUR[1:3, 1:5], HIP[3:6, 2:4] = True, True
BOTH = np.where(FEMUR, 1, np.where(HIP, 2, 0))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_floats_that_nibabel_stored_behind_a_slope(dtype: Any, tmp_path: Path) -> None:
    labels = np.where(BOTH == 2, 89.0, BOTH)
    image: Any = nibabel.Nifti1Image(labels, GRIDS["RAS"].numpy())
    image.header.set_data_dtype(dtype)
    nibabel.save(image, tmp_path / "labels.nii.gz")
    assert volume(labels=tmp_path / "labels.nii.gz").labels.int().equal(torch.from_numpy(labels).int())


@pytest.mark.parametrize(
    "dtype", [torch.uint16, torch.uint32, torch.uint64, torch.int64, torch.bfloat16, torch.float16, torch.float64]
)
def test_tensors_of_any_type(dtype: torch.dtype) -> None:
    labels = torch.from_numpy(BOTH).to(dtype)
    expected = torch.from_numpy(BOTH).to(torch.uint8)
    assert volume(labels=labels).labels.equal(expected)
    on_torchs_axes = [t.permute(2, 1, 0)[None, None] for t in (labels, expected)]
    assert Subject(torch.zeros(1, 1, *SHAPE[::-1]), torch.eye(4), on_torchs_axes[0]).label.equal(on_torchs_axes[1])


def test_numbers_beside_whole_ones() -> None:
    assert volume(labels=BOTH * (1 - 1e-7)).labels.equal(torch.from_numpy(BOTH).to(torch.uint8))
    with pytest.raises(ValueError, match=r"labels must be integers, got 0\.85; is it a label map"):
        volume(labels=BOTH * 0.85)


# -- masks -----------------------------------------------------------------------------------------------------------


def folder_of_masks(folder: Path, **masks: Any) -> Path:
    folder.mkdir()
    for name, mask in masks.items():
        write_nifti(folder / f"{name}.nii.gz", np.asarray(mask, np.uint8), GRIDS["oblique"])
    return folder


def test_a_folder_with_a_mask_for_each_structure(tmp_path: Path) -> None:
    folder = folder_of_masks(tmp_path / "segmentations", femur_left=FEMUR, hip_left=HIP, liver=np.zeros(SHAPE))
    ct = volume("oblique", labels=folder)
    assert ct.label_names == {1: "femur_left", 2: "hip_left", 3: "liver"}
    assert ct.labels.equal(torch.from_numpy(BOTH).to(torch.uint8))
    assert ct.with_labels(folder).label_names == ct.label_names


def test_names_choose_the_labels_of_masks(tmp_path: Path) -> None:
    folder = folder_of_masks(tmp_path / "masks", femur=FEMUR, hip=HIP)
    ct = volume("oblique", labels=folder, label_names={77: "hip"})
    assert torch.unique(ct.labels).tolist() == [0, 1, 77]
    assert ct.label_names == {1: "femur", 77: "hip"}


@pytest.mark.parametrize("grid", ["RAS", "axes swapped"])
def test_masks_by_name_each_on_its_grid(grid: str, tmp_path: Path) -> None:
    file = write_nifti(tmp_path / "hip.nii", HIP.astype(np.uint8), GRIDS[grid])
    ct = volume(grid, labels={"femur": torch.from_numpy(FEMUR), "hip": file})
    assert ct.label_names == {1: "femur", 2: "hip"}
    assert ct.labels.equal(torch.from_numpy(BOTH).to(torch.uint8))


def test_masks_that_overlap_warn(tmp_path: Path) -> None:
    masks = {"all": FEMUR | HIP, "hip": HIP}
    with pytest.warns(UserWarning, match=rf"masks overlap in {HIP.sum()} voxels, .*: most in hip \({HIP.sum()}\)"):
        ct = volume(labels=masks)
    assert ct.labels.equal(torch.from_numpy(BOTH).to(torch.uint8))


def test_folders_that_hold_no_masks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a folder of labels must hold masks .*, one for each structure"):
        volume(labels=tmp_path)
    write_nifti(tmp_path / "several.nii", BOTH.astype(np.uint8) * 3)
    with pytest.raises(ValueError, match="must be the mask of one structure, got labels up to 6"):
        volume(labels=tmp_path)
    away = LabelMap(FEMUR, translation((900, 0, 0)))
    with pytest.raises(ValueError, match="none of the labels lies on the CT"):
        volume(labels={"femur": away})


# -- 3D Slicer -------------------------------------------------------------------------------------------------------


def seg_nrrd(path: Path, layers: Any, pairs: str = "", grid: str = "oblique") -> Path:
    """Layers [L, I, J, K] along the first axis of the file, or [I, J, K]."""
    lps = RAS_FROM_LPS @ GRIDS[grid]
    vectors = [f"({','.join(f'{v:.17g}' for v in lps[:3, n].tolist())})" for n in range(4)]
    several = layers.ndim == 4
    head = (
        f"NRRD0004\ntype: uint8\ndimension: {layers.ndim}\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, layers.shape))}\n"
        f"space directions: {'none ' * several}{' '.join(vectors[:3])}\n"
        f"kinds: {'list ' * several}domain domain domain\nencoding: raw\nspace origin: {vectors[3]}\n{pairs}\n"
    )
    path.write_bytes(head.encode() + np.asarray(layers, np.uint8).tobytes(order="F"))
    return path


def pairs(*segments: tuple[str, int, int]) -> str:
    return "".join(
        f"Segment{n}_Name:={name}\nSegment{n}_Layer:={layer}\nSegment{n}_LabelValue:={label}\n"
        for n, (name, layer, label) in enumerate(segments)
    )


def test_segments_in_one_layer(tmp_path: Path) -> None:
    file = seg_nrrd(tmp_path / "a.seg.nrrd", BOTH, pairs(("femur", 0, 1), ("hip", 0, 2)))
    ct = volume("oblique", labels=file)
    assert ct.label_names == {1: "femur", 2: "hip"}
    assert ct.labels.equal(torch.from_numpy(BOTH).to(torch.uint8))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [((1, 5), (1, 5)), ((1, 1), (1, 2))],
    ids=["labels that differ are kept", "labels that two layers share are numbered anew"],
)
def test_segments_in_two_layers(labels: tuple[int, int], expected: tuple[int, int], tmp_path: Path) -> None:
    layers = np.stack([FEMUR * labels[0], HIP * labels[1]])
    file = seg_nrrd(tmp_path / "a.seg.nrrd", layers, pairs(("femur", 0, labels[0]), ("hip", 1, labels[1])))
    ct = volume("oblique", labels=file)
    assert ct.label_names == {expected[0]: "femur", expected[1]: "hip"}
    assert ct.labels[torch.from_numpy(HIP)].unique().tolist() == [expected[1]]
    assert ct.labels[torch.from_numpy(FEMUR)].unique().tolist() == [expected[0]]


def test_layers_without_names(tmp_path: Path) -> None:
    ct = volume("oblique", labels=seg_nrrd(tmp_path / "a.seg.nrrd", np.stack([FEMUR, HIP])))
    assert ct.labels.equal(torch.from_numpy(BOTH).to(torch.uint8))


def test_a_segment_whose_label_is_too_large(tmp_path: Path) -> None:
    file = seg_nrrd(tmp_path / "a.seg.nrrd", np.stack([FEMUR, HIP]), pairs(("femur", 0, 2**31), ("hip", 1, 2)))
    with pytest.raises(ValueError, match="the label of the mask 'femur' must be from 0 to 2147483647, got 2147483648"):
        volume("oblique", labels=file)


def test_a_segment_in_a_layer_that_is_not_there(tmp_path: Path) -> None:
    file = seg_nrrd(tmp_path / "a.seg.nrrd", BOTH[None].repeat(2, 0), pairs(("femur", 4, 1)))
    with pytest.raises(ValueError, match="is damaged: segment 0 is in layer 4 of 2"):
        volume("oblique", labels=file)


# -- DICOM SEG -------------------------------------------------------------------------------------------------------


def dicom_seg(path: Path, kind: str, *, skip_empty: bool = True) -> Path:
    """A segmentation of the two masks on the grid "LPS", whose slices are 3 mm apart."""
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.pixels.utils import pack_bits
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    lps = (RAS_FROM_LPS @ GRIDS["LPS"]).numpy()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.66.{7 if kind == 'LABELMAP' else 4}"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.SegmentationType, dataset.MaximumFractionalValue = "SEG", kind, 200
    dataset.Rows, dataset.Columns = SHAPE[1], SHAPE[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.SegmentSequence = [item(SegmentNumber=n, SegmentLabel=name) for n, name in ((1, "Femur"), (2, "Hip"))]
    shared = Dataset()
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelMeasuresSequence = [item(PixelSpacing=[1, 1], SliceThickness=3)]
    dataset.SharedFunctionalGroupsSequence = [shared]
    planes, groups = [], []
    for number, mask in ((1, FEMUR), (2, HIP)) if kind != "LABELMAP" else ((0, BOTH),):
        for k in range(SHAPE[2]):
            if skip_empty and k == 0:
                continue
            group = Dataset()
            group.PlanePositionSequence = [item(ImagePositionPatient=[float(v) for v in lps[:3] @ (0, 0, k, 1)])]
            if number:
                group.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=number)]
            groups.append(group)
            planes.append(mask[:, :, k].T * (150 if kind == "FRACTIONAL" else 1))
    dataset.PerFrameFunctionalGroupsSequence, dataset.NumberOfFrames = groups, len(groups)
    stored = np.stack(planes).astype(np.uint8)
    dataset.PixelData = pack_bits(stored) if bits == 1 else stored.tobytes() + b"\0" * (stored.size % 2)
    dataset.save_as(path, enforce_file_format=True)
    return path


def item(**tags: Any) -> Any:
    from pydicom.dataset import Dataset

    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("where", ["file", "folder"])
def test_a_dicom_segmentation(kind: str, where: str, tmp_path: Path) -> None:
    file = dicom_seg(tmp_path / "seg.dcm", kind, skip_empty=False)
    ct = volume("LPS", labels=file if where == "file" else tmp_path)
    assert ct.label_names == {1: "Femur", 2: "Hip"}
    assert ct.labels.equal(torch.from_numpy(BOTH).to(torch.uint8))


def test_frames_of_a_segmentation_that_were_left_out_are_empty(tmp_path: Path) -> None:
    ct = volume("LPS", labels=dicom_seg(tmp_path / "seg.dcm", "BINARY"))
    expected = torch.from_numpy(BOTH).to(torch.uint8)
    expected[:, :, 0] = 0
    assert ct.labels.equal(expected)


def test_dicom_that_is_no_segmentation(tmp_path: Path) -> None:
    import pydicom

    file = dicom_seg(tmp_path / "seg.dcm", "BINARY")
    dataset = pydicom.dcmread(file)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.save_as(file)
    with pytest.raises(ValueError, match=r"labels in DICOM must be a Segmentation \(SEG\), .* is CT Image Storage"):
        volume("LPS", labels=file)


# -- ids that are no classes -----------------------------------------------------------------------------------------


def test_sparse_ids_need_no_class_for_each_number(tmp_path: Path) -> None:
    ids = np.where(BOTH == 1, 300, np.where(BOTH == 2, 614454277, 0))
    ct = volume(labels=ids, label_names={300: "femur"})
    assert ct.labels.dtype == torch.int32
    assert "2 labels, 1 of them named" in repr(ct)
    subject, dense = Subject.from_volume(ct), Subject.from_volume(ct, labels=BOTH)
    assert (subject.n_classes, subject.class_labels, dense.class_labels) == (3, (0, 300, 614454277), None)
    assert subject.label.max() == 614454277
    pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 700.0, 0.0]]), "AP", subject.isocenter)
    k_inv = make_k_inv(1020.0, 2.0, 2.0, 0.0, 0.0, 16, 16)
    assert torch.equal(render(subject, k_inv, pose, 1020.0, 16, 16), render(dense, k_inv, pose, 1020.0, 16, 16))
    subject.label_map[0, 0, 0, 0, 0] = 5
    with pytest.raises(ValueError, match="label must hold the labels that it was assigned with, got 5"):
        render(subject, k_inv, pose, 1020.0, 16, 16)


def test_ids_that_a_file_of_floats_cannot_hold(tmp_path: Path) -> None:
    file = write_nifti(tmp_path / "ids.nii", (BOTH * 614454277).astype(np.int32))
    with pytest.raises(ValueError, match=r"labels in a file must be below 16777216, .* holds 1228908544"):
        volume(labels=file)


def test_a_label_map_on_the_grid_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ct = Volume.from_array(np.full(SHAPE, -300.0) - 700 * (BOTH == 0), GRIDS["RAS"], labels=BOTH)
    assert ct.label_names == {}
