"""The pictures of each kind of result."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from deepdrr.display import PRESETS, Depth, Picture, Processing, Quantity, display, processed
from deepdrr.projector._outputs import Output

__all__ = ["output_picture"]


def output_picture(
    output: Output, values: Tensor, open_field: Callable[[], Tensor], processing: Processing | str, dtype: Depth
) -> Picture:
    """The picture of a result.

    A signal is shown relative to the open field, line integrals as the corresponding transmission, and a mask as white
    on black, whatever the processing.

    Args:
        output: the kind of result.
        values: [..., H, W].
        open_field: computes the signal without the patient; called only if needed.
        processing: window, polarity and enhancement, or a preset's name.
        dtype: of the picture.

    Returns:
        NumPy array [..., H, W].

    Raises:
        ValueError: for an unknown preset, or an enhancement of a result that is not a signal.
    """
    steps = _steps(processing)
    if output.kind == "mask":
        return _mask(values, dtype)
    if output.name == "line_integrals":
        return _signal(torch.exp(-values.detach().double()), values.new_ones(()), steps, dtype)
    if output.kind == "signal" and output.name != "open_field":
        return _signal(values, open_field(), steps, dtype)
    if output.kind != "attenuation":
        return _signal(values, None, steps, dtype)
    if _enhances(steps):
        raise ValueError(f"processing of {output.name!r} must be plain, which is no signal, got {steps.description}")
    return _plain(values, "attenuation", None, steps, dtype)


def _signal(values: Tensor, open_field: Tensor | None, steps: Processing, dtype: Depth) -> Picture:
    if _enhances(steps):
        return processed(values, steps, open_field=open_field, dtype=dtype)
    return _plain(values, "signal", open_field, steps, dtype)


def _plain(values: Tensor, quantity: Quantity, open_field: Tensor | None, steps: Processing, dtype: Depth) -> Picture:
    return display(
        values,
        quantity=quantity,
        open_field=open_field,
        window=steps.window,
        polarity=steps.polarity,
        gamma=steps.gamma,
        clahe=steps.clahe,
        dtype=dtype,
    )


def _enhances(steps: Processing) -> bool:
    return bool(steps.compression or steps.edge or steps.circular)


def _steps(processing: Processing | str) -> Processing:
    if isinstance(processing, Processing):
        return processing
    if processing not in PRESETS:
        raise ValueError(f"processing must be one of {', '.join(PRESETS)}, got {processing!r}")
    return PRESETS[processing]


def _mask(values: Tensor, dtype: Depth) -> Picture:
    if dtype == "float32":
        return values.cpu().numpy().astype(np.float32)
    picture: Picture = values.cpu().numpy().astype(dtype) * np.iinfo(dtype).max
    return picture
