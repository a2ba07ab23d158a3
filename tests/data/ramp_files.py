"""What a file of `volume_phantoms.ramp` must be read as, whatever its format, and how a wrong one is refused."""

from pathlib import Path

import pytest
import torch
from volume_phantoms import ramp

from deepdrr import Volume

__all__ = ["LPS", "RAW", "refused", "same"]

RAW = ramp().tobytes(order="F")
# Voxels of 2 mm from (1, 2, 3) mm on in LPS, as an affine to RAS.
LPS = torch.diag(torch.tensor([-2.0, -2.0, 2.0, 1.0], dtype=torch.float64))
LPS[:3, 3] = torch.tensor([-1.0, -2.0, 3.0])


def same(path: Path, affine: torch.Tensor = LPS) -> bool:
    """Whether a file holds the ramp at the place of an affine."""
    ct = Volume.from_file(path)
    return torch.equal(ct.hu, torch.from_numpy(ramp()).float()) and torch.allclose(ct.anatomical_from_ijk, affine)


def refused(path: Path, sentence: str, error: type[Exception] = ValueError) -> None:
    """Assert that a file is refused with a sentence that names it."""
    with pytest.raises(error, match=sentence) as caught:
        Volume.from_file(path)
    assert path.name in str(caught.value)
