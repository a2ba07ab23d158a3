"""`project`: line integrals of a field along the rays of a camera."""

from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor

from deepdrr._memory import check_fits
from deepdrr._operators import watched
from deepdrr.camera import Camera
from deepdrr.geometry import finest_dtype
from deepdrr.raycast._backends import select_backend
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import Exact, Integration, Interpolation, Routing
from deepdrr.raycast._operator import line_integrals
from deepdrr.raycast._rays import CameraRays, RayEnds, Rays, camera_ends
from deepdrr.raycast._request import Request, check_one_device
from deepdrr.raycast.spline._prefilter import spline_coefficients

__all__ = ["project"]

_EXACT = Exact()


def project(
    field: Field,
    view: Camera | Rays,
    *,
    interpolation: Interpolation = "linear",
    integration: Integration = _EXACT,
    routing: Routing = "hard",
    backend: str = "auto",
) -> Tensor:
    r"""Line integrals \( \int f(p)\,\mathrm{d}\ell \) of every channel of a field along every ray.

    A ray runs from the source to the centre of a detector pixel and is clipped to the field's support (see `Field`) and
    to the rays' start and stop. If the source or the detector is inside the volume, only the part between them counts.

    Args:
        field: values on a grid, a label map, or both; `with_kernel_layout(field)` saves a copy per call.
        view: a camera (all its pixels), or explicit `Rays`.
        interpolation: ``"nearest"``, ``"linear"`` or ``"cubic"`` (the B-spline through the voxel values, not with
            `Exact`; `spline_coefficients(field)` saves computing the coefficients per call).
        integration: `Exact()`, or midpoint samples: `Step(mm=…)`, or `Samples(count=…)` on every ray.
        routing: for a field with labels. ``"hard"`` assigns a value to the label of the nearest voxel, ``"soft"`` each
            voxel's share of an interpolated value to that voxel's label, see `Field`; not with cubic interpolation.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"`` (compiled, float32), or ``"reference"`` (torch, float64, slow).
            ``"auto"`` takes the first that can serve the request; `select_backend` gives the reason. Tensors on Apple's
            MPS, which has no double precision, are integrated on the host and brought back.

    The result is differentiable with respect to the values, the placement of the field, the camera's pose, intrinsics
    and distance, or the end points and limits of explicit rays. The compiled backends have first derivatives for
    linear interpolation with or without labels, for cubic without labels, and with respect to the values for nearest
    without labels; the reference has derivatives of any order. `torch.func` maps (`vmap`) and differentiates the
    compiled backends in both directions, and differentiates the reference.

    Returns:
        [*batch, C, H, W] in the field's dtype; unit: that of the values · mm (mm alone for path lengths per label).

    Raises:
        ValueError: for an argument out of range, or a backend that cannot serve the request.
        TypeError: for a view that is neither a `Camera` nor `Rays`, or an unknown integration.
        MemoryError: if the result would not fit into the free memory.

    Example:
        >>> import torch
        >>> from deepdrr.camera import Camera
        >>> from deepdrr.geometry import translation
        >>> from deepdrr.raycast import Field, project
        >>> box = Field(torch.ones(1, 40, 40, 40), translation((19.5, 19.5, 19.5)))  # 40 mm about the origin
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=1, pixel_mm=1.0)
        >>> project(box, camera)
        tensor([[[40.]]])
    """
    if interpolation not in get_args(Interpolation):
        raise ValueError(f"interpolation must be 'nearest', 'linear' or 'cubic', got {interpolation!r}")
    if routing not in get_args(Routing):
        raise ValueError(f"routing must be 'hard' or 'soft', got {routing!r}")
    if not isinstance(integration, Integration):
        raise TypeError(f"integration must be Exact(), Step(mm=…) or Samples(count=…), got {integration!r}")
    if not isinstance(view, Camera | Rays):
        raise TypeError(f"view must be a Camera or Rays, got {type(view).__name__}")
    if finest_dtype(field.device) != torch.float64:  # the precision of the geometry
        options = {"interpolation": interpolation, "integration": integration, "routing": routing, "backend": backend}
        return project(_on_host(field), _view_on_host(field, view), **options).to(field.device)  # type: ignore[arg-type]
    if interpolation == "cubic" and field.values is not None:
        field = spline_coefficients(field)
    request = Request(field, _rays(field, view), interpolation, integration, routing)
    check_fits("the line integrals", request.output_shape, dtype=field.dtype, device=field.device)
    chosen = select_backend(request, backend).backend
    if chosen.own_autograd or not (request.needs_grad or watched()):
        return chosen.integrate(request)
    return line_integrals(request, chosen.name)


def _rays(field: Field, view: Camera | Rays) -> RayEnds | CameraRays:
    if isinstance(view, Rays):
        return view
    tensors = (view.intrinsics, view.camera_from_world, view.sdd_mm)
    if not watched() and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        return CameraRays(view)
    shape = (*view.batch_shape, view.height, view.width, 3)
    check_fits("the end points of the rays", shape, dtype=view.intrinsics.dtype, device=field.device)
    return camera_ends(view)


def _on_host(field: Field) -> Field:
    values, labels, scale = (None if t is None else t.cpu() for t in (field.values, field.labels, field.scale))
    place = field.ijk_from_world.cpu()
    return replace(field, values=values, ijk_from_world=place, labels=labels, scale=scale, arrangement=None)


def _view_on_host(field: Field, view: Camera | Rays) -> Camera | Rays:
    """A camera in float64, so that its rays are as exact as its numbers; rays as they are."""
    if isinstance(view, Camera):
        check_one_device(field, view.intrinsics.device)
        return view.to("cpu").to(torch.float64)
    check_one_device(field, view.device)
    limits = (None if t is None else t.cpu() for t in (view.start, view.stop))
    return Rays(view.source.cpu(), view.target.cpu(), *limits)
