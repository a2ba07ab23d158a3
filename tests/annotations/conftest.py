"""A block of water with a cube of bone and a screw of steel."""

import pytest
import torch
from annotation_phantom import CAMERA, MARKS

from deepdrr import Projector, Volume
from deepdrr.materials import MaterialModel


@pytest.fixture
def block() -> Volume:
    """60 × 40 × 40 mm about the origin: label 3, a cube of 16 mm in its middle, and 9, a rod along the beam."""
    hu, labels = torch.zeros(30, 20, 20), torch.zeros(30, 20, 20, dtype=torch.uint8)
    hu[11:19, 6:14, 6:14], labels[11:19, 6:14, 6:14] = 800.0, 3
    labels[24:26, 5:15, 9:11] = 9
    affine = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))
    affine[:3, 3] = torch.tensor([-29.0, -19.0, -19.0])
    return Volume.from_array(
        hu, affine, labels=labels, label_names={3: "cube", 9: "screw"}, landmarks=MARKS, check_hu="off"
    )


@pytest.fixture
def projector(block: Volume) -> Projector:
    steel = MaterialModel(by_label={9: "stainless steel"})
    return Projector(block, carm=CAMERA, materials=steel, mas=5.0)
