"""X-rays on the scale of line integrals."""

import torch
from torch import Tensor

from deepdrr._numbers import as_number
from deepdrr.geometry import finest_dtype

__all__ = ["line_integrals_of"]


def line_integrals_of(image: Tensor, open_field: Tensor | float | None = None, *, floor: float = 1e-6) -> Tensor:
    """Line integrals −ln (I/I₀) from the signal of a detector.

    Args:
        image: signal [..., H, W], proportional to the energy or the number of photons that arrive; the grey values of
            a picture for viewing are proportional to neither.
        open_field: signal without the patient, a number or broadcastable to the image; None: the image's brightest
            pixel, which shifts the result of each image by a constant. Registration is insensitive to this.
        floor: smallest I/I₀: dead pixels and noise around 0 in deep shadow are raised to it.

    Returns:
        [..., H, W], 0 in the open field.

    Raises:
        ValueError: if the open field or the floor is not positive, or the image is positive nowhere.

    Example:
        >>> line_integrals_of(torch.tensor([[100.0, 50.0]]), 100.0)
        tensor([[0.0000, 0.6931]])
    """
    if not isinstance(image, Tensor) or image.is_complex():
        raise TypeError(f"image must be a tensor of real numbers, got {type(image).__name__}")
    if image.dim() < 2 or 0 in image.shape:
        raise ValueError(f"image must be [..., H, W] with no empty axis, got shape {tuple(image.shape)}")
    floor = as_number(floor, "floor")
    if not 0.0 < floor < 1.0:
        raise ValueError(f"floor must be between 0 and 1, got {floor}")
    signal = image if image.is_floating_point() else image.to(finest_dtype(image.device))
    if not bool(torch.isfinite(signal).all()):
        raise ValueError("image must be finite, got NaN or infinity")
    brightest = signal.amax(dim=(-2, -1), keepdim=True)
    if not bool((brightest > 0).all()):
        raise ValueError(f"image must hold a signal above 0, got at most {float(brightest.min()):g}")
    open_signal = brightest if open_field is None else torch.as_tensor(open_field).to(signal)
    if not bool((torch.isfinite(open_signal) & (open_signal > 0)).all()):
        raise ValueError(f"open_field must be positive and finite, got as little as {float(open_signal.min()):g}")
    return (signal / open_signal).clamp_min(floor).reciprocal().log()
