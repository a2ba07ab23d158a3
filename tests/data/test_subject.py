"""`Subject`: a CT as a module of torch."""

import copy
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.data import Subject, Volume
from deepdrr.data.preprocess import hu_to_mu
from deepdrr.geometry import rotation_about, transform_point
from deepdrr.resources import resource_path

# Left-handed storage, as scanners write it: i runs to the patient's left, and k is thick.
AFFINE = torch.tensor([[-0.8, 0, 0, 60], [0, 0.9, 0, -40], [0, 0, 3, 7], [0, 0, 0, 1]], dtype=torch.float64)


@dataclass
class Image:
    """What TorchIO's images look like from outside."""

    data: Tensor
    affine: np.ndarray[Any, Any]


@pytest.fixture
def files(tmp_path: Path, generator: torch.Generator) -> tuple[Path, Path]:
    """A CT and its labels, [I, J, K] = [6, 5, 4]."""
    hu = (torch.rand(6, 5, 4, generator=generator) * 2000 - 1000).short().numpy()
    label = (torch.arange(120).reshape(6, 5, 4) % 4).to(torch.uint8).numpy()
    paths = tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz"
    for path, voxels in zip(paths, (hu, label), strict=True):
        nibabel.save(nibabel.Nifti1Image(voxels, AFFINE.numpy()), path)
    return paths


class TestWhereThingsAre:
    def test_voxel_ijk_is_at_kji_of_the_tensor(self, files: tuple[Path, Path]) -> None:
        one = Subject.from_filepath(*files)
        hu = nibabel.load(files[0]).get_fdata()
        assert one.image_hu.shape == one.label.shape == (1, 1, 4, 5, 6)
        assert float(one.image_hu[0, 0, 1, 2, 3]) == hu[3, 2, 1]
        assert int(one.label[0, 0, 1, 2, 3]) == (3 * 20 + 2 * 4 + 1) % 4

    def test_the_world_is_ras_as_in_the_file(self, files: tuple[Path, Path]) -> None:
        one = Subject.from_filepath(files[0])
        assert_close(one.voxel_to_world, AFFINE.float())
        assert_close(one.world_to_voxel @ one.voxel_to_world, torch.eye(4), rtol=0, atol=1e-5)
        middle = torch.tensor([[[2.5, 2.0, 1.5]]])
        assert_close(transform_point(one.voxel_to_world[None], middle)[0, 0], one.isocenter)

    def test_of_images_in_memory(self, files: tuple[Path, Path]) -> None:
        from_file = Subject.from_filepath(*files, max_label=9)
        images = [Image(torch.from_numpy(nibabel.load(f).get_fdata())[None], AFFINE.numpy()) for f in files]
        one = Subject.from_images(*images, max_label=9)
        assert one.n_classes == from_file.n_classes == 10
        for name, tensor in from_file.state_dict().items():
            assert_close(one.state_dict()[name].to(tensor.dtype), tensor)

    def test_labels_of_an_image_lie_where_their_affine_says(self, files: tuple[Path, Path]) -> None:
        hu, labels = (torch.from_numpy(nibabel.load(f).get_fdata())[None] for f in files)
        same = Subject.from_images(Image(hu, AFFINE.numpy()), Image(labels, AFFINE.numpy()))
        mirror = torch.eye(4, dtype=torch.float64)
        mirror[0, 0], mirror[0, 3] = -1.0, hu.shape[1] - 1.0
        other = Image(labels.flip(1), (AFFINE.double() @ mirror).numpy())  # the same labels, stored the other way round
        assert torch.equal(Subject.from_images(Image(hu, AFFINE.numpy()), other).label, same.label)

    def test_of_a_volume_where_it_lies(self) -> None:
        ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
        ct.world_from_anatomical = rotation_about((0, 1, 0), 90, (0, 0, 0))
        one = Subject.from_volume(ct)
        assert_close(one.isocenter, ct.center_in_world.float())
        before = one.image_hu.clone()
        ct.hu.zero_()
        assert_close(one.image_hu, before)

    def test_of_a_batch(self, generator: torch.Generator) -> None:
        stacked = torch.randn(3, 1, 4, 5, 6, generator=generator)
        subjects = Subject.from_batch(stacked, AFFINE.expand(3, 4, 4), torch.ones(3, 1, 4, 5, 6), max_label=2)
        assert [one.n_classes for one in subjects] == [3, 3, 3]
        assert_close(subjects[2].image_hu[0], stacked[2])
        assert subjects[2].image_hu.data_ptr() == stacked[2].data_ptr()  # no copy


class TestAttenuation:
    def test_it_can_be_set_at_any_time(self, files: tuple[Path, Path]) -> None:
        one = Subject.from_filepath(files[0], mu_water=0.021, hu_bone=1200.0)
        assert_close(one.image, hu_to_mu(one.image_hu, 0.021, hu_bone=1200.0))
        one.mu_bone = 0.08
        assert_close(one.image, hu_to_mu(one.image_hu, 0.021, 0.08, 1200.0))
        one.set_mu(mu_water=0.02)
        assert (one.mu_water, one.mu_bone, one.hu_bone) == (0.02, 0.08, 1200.0)
        one.convert_to_mu = False
        assert one.image is one.image_hu

    def test_a_parameter_can_be_learnt(self) -> None:
        one = Subject(torch.zeros(1, 1, 2, 2, 2), torch.eye(4))
        one.mu_water = torch.nn.Parameter(torch.tensor(0.02))
        one.image.sum().backward()
        assert one.mu_water.grad == 8
        assert [name for name, _ in one.named_parameters()] == ["mu_water"]

    def test_there_is_not_one_image_of_several_attenuations(self) -> None:
        one = Subject(torch.zeros(1, 1, 2, 2, 2), torch.eye(4), mu_water=torch.tensor([0.02, 0.03]))
        with pytest.raises(ValueError, match="no one image for an attenuation per picture, got"):
            _ = one.image

    def test_numbers_that_are_no_hu_stay_as_they_are(self, tmp_path: Path) -> None:
        path = tmp_path / "mr.nii"
        nibabel.save(nibabel.Nifti1Image(np.full((3, 3, 3), -5000.0, np.float32), np.eye(4)), path)
        assert Subject.from_filepath(path, convert_to_mu=False).image.unique().tolist() == [-5000]

    def test_numbers_that_look_wrong_are_told(self, tmp_path: Path) -> None:
        path = tmp_path / "unsigned.nii"
        nibabel.save(nibabel.Nifti1Image(np.full((3, 3, 3), 1024, np.int16), np.eye(4)), path)
        with pytest.warns(UserWarning, match="must hold Hounsfield units"):
            Subject.from_filepath(path)
        with pytest.raises(ValueError, match="must hold Hounsfield units"):
            Subject.from_filepath(path, check_hu="refuse")


class TestModule:
    def test_half_precision_keeps_positions(self, files: tuple[Path, Path]) -> None:
        one = Subject.from_filepath(files[0]).half()
        assert one.image_hu.dtype == torch.float16
        assert one.isocenter.dtype == one.world_to_voxel.dtype == one.voxel_to_world.dtype == torch.float32
        assert_close(one.voxel_to_world, AFFINE.float())
        assert one.to(dtype=torch.float64).isocenter.dtype == torch.float64

    def test_labels_are_bytes_whatever_the_type(self, files: tuple[Path, Path]) -> None:
        assert Subject.from_filepath(*files).double().label.dtype == torch.uint8

    def test_to_another_device(self, files: tuple[Path, Path]) -> None:
        one = Subject.from_filepath(*files).to("meta")
        assert {buffer.device.type for buffer in one.buffers()} == {"meta"}

    def test_state_dict_copies_and_pickles(self, files: tuple[Path, Path]) -> None:
        one = Subject.from_filepath(*files)
        other = Subject(torch.zeros(1, 1, 4, 5, 6), torch.eye(4), torch.zeros(1, 1, 4, 5, 6), max_label=3)
        other.load_state_dict(one.state_dict())
        for same in (other, copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            assert_close(same.image_hu, one.image_hu)
            assert_close(same.label, one.label)
            assert same.n_classes == 4

    def test_labels_can_be_replaced(self) -> None:
        one = Subject(torch.zeros(1, 1, 2, 2, 2), torch.eye(4))
        assert one.label.shape == (1, 1, 2, 2, 2)
        assert one.n_classes == 1
        one.label = torch.full((1, 1, 2, 2, 2), 3)
        assert one.n_classes == 4
        assert one.state_dict()["label_map"].unique().tolist() == [3]

    def test_repr(self) -> None:
        assert repr(Subject(torch.zeros(1, 1, 2, 3, 4), torch.eye(4))).startswith(
            "Subject(voxels=(4, 3, 2), n_classes=1"
        )


GOOD = {"image_hu": torch.zeros(1, 1, 2, 2, 2), "voxel_to_world": torch.eye(4)}


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"image_hu": torch.zeros(2, 2, 2)}, ValueError, r"image_hu must be \[1, 1, D, H, W\].* got shape \(2, 2, 2\)"),
        ({"image_hu": torch.zeros(1, 1, 0, 2, 2)}, ValueError, "no empty axis"),
        (
            {"image_hu": torch.full((1, 1, 2, 2, 2), math.nan)},
            ValueError,
            "image_hu must be finite, got .* nan",
        ),
        ({"image_hu": np.zeros((1, 1, 2, 2, 2))}, TypeError, "image_hu must be a tensor"),
        ({"voxel_to_world": torch.zeros(4, 4)}, ValueError, "voxel_to_world must end in the row 0 0 0 1"),
        ({"voxel_to_world": torch.diag(torch.tensor([1.0, 0, 1, 1]))}, ValueError, "voxel_to_world must be invertible"),
        (
            {"label": torch.zeros(1, 1, 2, 2, 3)},
            ValueError,
            r"label must have the image's shape .*2, 3\)",
        ),
        ({"label": torch.full((1, 1, 2, 2, 2), 0.5)}, ValueError, r"label must be integers, got 0\.5"),
        (
            {"label": torch.full((1, 1, 2, 2, 2), -1)},
            ValueError,
            "label must be from 0 to 2147483647, got values from -1",
        ),
        ({"label": torch.full((1, 1, 2, 2, 2), math.nan)}, ValueError, "label must be integers, got NaN"),
        (
            {"label": torch.ones(1, 1, 2, 2, 2), "max_label": 0},
            ValueError,
            "must not be above max_label = 0, got 1",
        ),
        ({"isocenter": torch.zeros(2)}, ValueError, r"isocenter must be three coordinates in mm, got shape \(2,\)"),
        ({"max_label": -1}, ValueError, "max_label must be at least 0, got -1"),
        ({"mu_watr": 1.0}, TypeError, "the attenuation of a subject is set by convert_to_mu.* got mu_watr"),
    ],
)
def test_refusals(change: dict[str, Any], error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        Subject(**(GOOD | change))


@pytest.mark.parametrize(
    ("image", "error", "complaint"),
    [
        (torch.zeros(1, 2, 2, 2), TypeError, "image must have data .* and an affine"),
        (
            Image(torch.zeros(3, 2, 2, 2), np.eye(4)),
            ValueError,
            r"must have one channel.* got shape \(3, 2, 2, 2\)",
        ),
    ],
)
def test_images_that_are_none(image: Any, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        Subject.from_images(image)


def test_a_batch_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"voxel_to_world \[B, 4, 4\], got shapes \(2, 1, 2, 2, 2\) and \(4, 4\)"):
        Subject.from_batch(torch.zeros(2, 1, 2, 2, 2), torch.eye(4))
