"""Images of solids: what crossings and intervals amount to, pixel by pixel."""

import torch
from torch import Tensor

from deepdrr.tools._intervals import Intervals
from deepdrr.tools.crossings._cross import Crossings

__all__ = ["entry_depths", "hit_counts", "path_lengths"]


def path_lengths(intervals: Intervals) -> Tensor:
    """Length of each ray in each solid [*batch, T, H, W], mm, float64; differentiable."""
    image = torch.zeros(_shape(intervals).numel(), dtype=torch.float64, device=intervals.ray.device)
    return image.index_add(0, _places(intervals), intervals.length_mm).reshape(_shape(intervals))


def entry_depths(intervals: Intervals) -> Tensor:
    """Distance from the source to where each ray first enters each solid [*batch, T, H, W], mm; infinite if nowhere."""
    far = torch.full((_shape(intervals).numel(),), torch.inf, dtype=torch.float64, device=intervals.ray.device)
    depth_mm = intervals.enter * intervals.ray_mm
    return far.scatter_reduce(0, _places(intervals), depth_mm, "amin").reshape(_shape(intervals))


def hit_counts(crossings: Crossings) -> Tensor:
    """How often each ray crosses the surface of each solid [*batch, T, H, W], int64; on the whole line."""
    hits = torch.zeros(_shape(crossings).numel(), dtype=torch.int64, device=crossings.ray.device)
    return hits.index_add(0, _places(crossings), torch.ones_like(crossings.ray)).reshape(_shape(crossings))


def _shape(parts: Intervals | Crossings) -> torch.Size:
    """[*batch, T, H, W]."""
    *batch, height, width = parts.lines.shape
    return torch.Size((*batch, parts.solids, height, width))


def _places(parts: Intervals | Crossings) -> Tensor:
    """The pixel of each part in images [B, T, H, W] laid flat."""
    pixels = parts.lines.shape[-2:].numel()
    view, pixel = parts.ray // pixels, parts.ray % pixels
    return (view * parts.solids + parts.solid.long()) * pixels + pixel
