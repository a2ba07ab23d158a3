"""Cubic B-spline coefficients, whose spline passes through the values of the voxels."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from deepdrr.geometry import finest_dtype
from deepdrr.raycast._field import Field
from deepdrr.raycast.spline._operator import compiled_prefilter

__all__ = ["prefilter", "prefilter_in_torch", "spline_coefficients"]

_POLE = math.sqrt(3.0) - 2.0
# Values filtered at a time: 64 MB of float64.
_CHUNK = 2**23


def spline_coefficients(field: Field) -> Field:
    """The same field as cubic B-spline coefficients, for ``project(..., interpolation="cubic")``.

    Otherwise `project` computes them on every call: compute them once for all cameras. They have the layout that the
    compiled kernels read fastest (`with_kernel_layout` adds nothing), and computing them takes no extra memory.
    Nothing is cached; change the values and call again.

    Args:
        field: any field with values.

    Returns:
        A field with `prefiltered` set; `field` itself if it is set already.

    Raises:
        ValueError: if the field has no values.

    Example:
        >>> from deepdrr.camera import Camera
        >>> from deepdrr.geometry import translation
        >>> from deepdrr.raycast import Step, project
        >>> box = Field(torch.ones(1, 40, 40, 40), translation((19.5, 19.5, 19.5)))  # 40 mm about the origin
        >>> coefficients = spline_coefficients(box)
        >>> for angle in (0, 45):
        ...     place = {"sdd_mm": 1000, "sid_mm": 500, "pixel_mm": 1.0, "angles_deg": (angle, 0, 0)}
        ...     camera = Camera.carm(height=1, width=1, **place)
        ...     image = project(coefficients, camera, interpolation="cubic", integration=Step(mm=0.5))
        ...     print(round(image.item(), 2))
        40.0
        56.57
    """
    if field.values is None:
        raise ValueError("a field without values has no spline coefficients: give it values")
    if field.prefiltered:
        return field
    values = compiled_prefilter(field.values, field.spacing_mm)
    if values is None:
        values = prefilter(field.values.to(field.dtype))
    if field.scale is not None:
        values = values.mul_(field.scale.to(values)[:, None, None, None])
    return replace(field, values=values, prefiltered=True, scale=None, arrangement=None)


def prefilter(values: Tensor) -> Tensor:
    """Coefficients c of the cubic B-spline that passes through values f.

    Along each axis (c[i−1] + 4 c[i] + c[i+1]) / 6 = f[i].

    Outside the grid the values are mirrored about the centres of the first and the last voxel, which are not
    repeated: f[−i] = f[i] and f[n−1+i] = f[n−1−i]. The spline's derivative across the border is 0 at those centres.

    A causal and an anticausal recursion with the pole √3 − 2 per axis (Unser 1999, IEEE Signal Processing Magazine
    16(6):22, box 2), in float64; the first one starts with the full sum over the mirrored values. Between the axes,
    values have the dtype of the result. Differentiable to any order. Float64, and values on devices other than the CPU
    and NVIDIA GPUs, are filtered in torch; all others by compiled kernels, on the host if a device has no float64.

    Args:
        values: [..., I, J, K], float32 or float64; other dtypes become float32.

    Returns:
        [..., I, J, K].

    Example:
        >>> ramp = torch.arange(5.0).expand(1, 1, 1, 5)
        >>> c = prefilter(ramp)[0, 0, 0]
        >>> [round(value, 5) for value in ((c[1:4] * 4 + c[:3] + c[2:]) / 6).tolist()]
        [1.0, 2.0, 3.0]
    """
    compiled = compiled_prefilter(values)
    if compiled is not None:
        return compiled
    if finest_dtype(values.device) != torch.float64:  # the precision of the recursion
        return prefilter(values.cpu()).to(values.device)
    return prefilter_in_torch(values)


def prefilter_in_torch(values: Tensor, chunk: int = _CHUNK) -> Tensor:
    """`prefilter` by its definition, on any device, `chunk` values at a time; the reference for compiled kernels."""
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    result: Tensor = values
    for axis in (-3, -2, -1):
        if values.shape[axis] > 1:
            result = _Prefilter.apply(result, axis, chunk)  # type: ignore[no-untyped-call]
    return result


class _Prefilter(Function):
    """B⁻¹ along one axis, where f = B c.

    B is symmetric except in its first and last row: with W = diag(½, 1, …, 1, ½), W B is symmetric, and
    B⁻ᵀ = W B⁻¹ W⁻¹.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, axis: int, chunk: int) -> Tensor:
        rows = values.movedim(axis, 0)
        flat = rows.reshape(len(rows), -1)
        out = torch.empty_like(flat)
        width = max(1, chunk // len(flat))
        for first in range(0, flat.shape[1], width):
            part = slice(first, first + width)
            out[:, part] = _filtered(flat[:, part].to(torch.float64, copy=True, memory_format=torch.contiguous_format))
        return out.reshape(rows.shape).movedim(0, axis).contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
        _values, ctx.axis, ctx.chunk = inputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        weight = torch.ones(gradient.shape[ctx.axis], dtype=gradient.dtype, device=gradient.device)
        weight[0] = weight[-1] = 0.5
        weight = weight.reshape(-1, *(1,) * (-1 - ctx.axis))
        result: Tensor = weight * _Prefilter.apply(gradient / weight, ctx.axis, ctx.chunk)  # type: ignore[no-untyped-call]
        return result, None, None


def _filtered(s: Tensor) -> Tensor:
    """Coefficients of rows s [n, m], float64, in place; n > 1."""
    n = len(s)
    powers = _POLE ** torch.arange(2 * n - 2, dtype=torch.float64, device=s.device)
    weight = powers[:n].clone()
    weight[1:-1] += powers[n:].flip(0)
    s *= 6
    s[0] = weight @ s / (1 - _POLE ** (2 * n - 2))
    for k in range(1, n):
        s[k].add_(s[k - 1], alpha=_POLE)
    s[-1] = _POLE / (_POLE**2 - 1) * (s[-1] + _POLE * s[-2])
    for k in range(n - 2, -1, -1):
        s[k].neg_().add_(s[k + 1]).mul_(_POLE)
    return s
