"""The distribution of HU as text bars."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["hu_bands"]

# Edges between tissues, HU: air and lung as in Schneider 2000, fat and soft tissue on either side of water, then bone.
_BANDS = (
    ("air", -torch.inf, -950.0),
    ("lung, bowel gas", -950.0, -200.0),
    ("fat", -200.0, -20.0),
    ("water, soft tissue", -20.0, 120.0),
    ("trabecular bone, contrast", 120.0, 500.0),
    ("cortical bone", 500.0, 2000.0),
    ("metal, or beyond bone", 2000.0, torch.inf),
)


def hu_bands(hu: Tensor, *, width: int = 30) -> Iterator[tuple[str, str, float, str]]:
    """The share of voxels in each band of HU.

    Args:
        hu: CT numbers, any shape.
        width: characters of the longest bar.

    Yields:
        Name, range of HU, share in [0, 1], and a bar whose length is proportional to the share.
    """
    shares = [int(torch.count_nonzero((hu >= low) & (hu < high))) / hu.numel() for _, low, high in _BANDS]
    longest = max(shares)
    for (name, low, high), share in zip(_BANDS, shares, strict=True):
        yield name, _range(low, high), share, "█" * round(width * share / longest) or ("▏" if share else "")


def _range(low: float, high: float) -> str:
    if low == -torch.inf:
        return f"below {high:g}"
    return f"{low:g} and above" if high == torch.inf else f"{low:g} to {high:g}"
