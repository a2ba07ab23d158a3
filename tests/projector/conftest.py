"""The bundled pelvis, small, on the table."""

import pytest
import torch

from deepdrr import Volume
from deepdrr.resources import resource_path


@pytest.fixture(scope="package")
def scan() -> Volume:
    """The pelvis on 6 mm voxels: small, and still a body."""
    return Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")).resample(6.0)


@pytest.fixture
def ct(scan: Volume) -> Volume:
    """The pelvis on the table, untouched by other tests."""
    scan.world_from_anatomical = torch.eye(4, dtype=torch.float64)
    scan.orient_patient(head_first=True, supine=True)
    return scan
