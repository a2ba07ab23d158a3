"""The pictures of each kind of result."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from deepdrr.display import PRESETS, Depth, Picture, Processing, Quantity, display, processed
from deepdrr.projector._outputs import Output

__all__ = ["output_picture"]


def output_picture(
    output: Output,
    values: Tensor,
    open_field: Callable[[], Tensor],
    processing: Processing | str,
    dtype: Depth,
    region: Tensor | None = None,
) -> Picture:
    """The picture of a result.

    A signal is shown relative to the open field, line integrals as the corresponding transmission, a mask as white on
    black, whatever the processing, and a depth the brighter the nearer.

    Args:
        output: the kind of result.
        values: [..., H, W].
        open_field: computes the signal without the patient; called only if needed.
        processing: window, polarity and enhancement, or a preset's name.
        dtype: of the picture.
        region: bool [..., H, W], the pixels that an automatic window looks at; None: all.

    Returns:
        NumPy array [..., H, W].

    Raises:
        ValueError: for an unknown preset, or an enhancement of a result that is not a signal.
    """
    steps = _steps(processing)
    if not output.is_image:
        raise ValueError(f"a picture needs rows and columns, got {output.name!r} {output.shape}; .npy or .npz holds it")
    if output.kind == "depth":
        return _plain(_nearness(values), "attenuation", None, steps, dtype, region)
    if output.kind == "mask":
        return _mask(values, dtype)
    if output.name == "line_integrals":
        return _signal(torch.exp(-values.detach().double()), values.new_ones(()), steps, dtype, region)
    if output.kind == "signal" and output.name != "open_field":
        return _signal(values, open_field(), steps, dtype, region)
    if output.kind != "attenuation":
        return _signal(values, None, steps, dtype, region)
    if _enhances(steps):
        raise ValueError(f"processing of {output.name!r} must be plain, which is no signal, got {steps.description}")
    return _plain(values, "attenuation", None, steps, dtype, region)


def _signal(
    values: Tensor, open_field: Tensor | None, steps: Processing, dtype: Depth, region: Tensor | None
) -> Picture:
    if _enhances(steps):
        return processed(values, steps, open_field=open_field, dtype=dtype, region=region)
    return _plain(values, "signal", open_field, steps, dtype, region)


def _plain(
    values: Tensor,
    quantity: Quantity,
    open_field: Tensor | None,
    steps: Processing,
    dtype: Depth,
    region: Tensor | None,
) -> Picture:
    return display(
        values,
        quantity=quantity,
        open_field=open_field,
        window=steps.window,
        polarity=steps.polarity,
        gamma=steps.gamma,
        clahe=steps.clahe,
        dtype=dtype,
        region=region,
    )


def _enhances(steps: Processing) -> bool:
    return bool(steps.compression or steps.edge or steps.circular)


def _steps(processing: Processing | str) -> Processing:
    if isinstance(processing, Processing):
        return processing
    if processing not in PRESETS:
        raise ValueError(f"processing must be one of {', '.join(PRESETS)}, got {processing!r}")
    return PRESETS[processing]


def _nearness(depth_mm: Tensor) -> Tensor:
    """How much nearer than the farthest, mm; 0 where there is nothing."""
    finite = torch.isfinite(depth_mm)
    farthest = torch.where(finite, depth_mm, -torch.inf).amax()
    return torch.where(finite, farthest - depth_mm + 1.0, 0.0)


def _mask(values: Tensor, dtype: Depth) -> Picture:
    if dtype == "float32":
        return values.cpu().numpy().astype(np.float32)
    picture: Picture = values.cpu().numpy().astype(dtype) * np.iinfo(dtype).max
    return picture
