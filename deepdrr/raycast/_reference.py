"""The reference backend: line integrals in torch, float64, by their definitions. It defines the correct result.

With o and d the origin and direction of a ray in voxel coordinates, p(t) = o + t d, and L its length in mm, the
integral of the field f over the part [t₀, t₁] of the ray inside the volume is

    ∫ f(p(t)) L dt  ≈  Σₖ wₖ f(p(tₖ)),

and an integration rule is a choice of nodes tₖ and weights wₖ. Autograd differentiates everything. Rays are processed
in chunks, so that no buffer grows with pixels × samples; under autograd a chunk is recomputed in the backward pass.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from deepdrr._functorch import is_mapped
from deepdrr._operators import watched
from deepdrr.geometry import transform_directions, transform_points
from deepdrr.raycast._field import Voxels
from deepdrr.raycast._integration import Exact, Integration, Interpolation, Routing, Samples, Step
from deepdrr.raycast._request import Request

__all__ = ["ReferenceBackend"]

# Samples per chunk: a dozen float64 buffers of this length take about 100 MB per channel.
_CHUNK_SAMPLES = 2**20


class ReferenceBackend:
    """Torch in float64, on any device, differentiable. Slow.

    Args:
        chunk_samples: number of samples in a chunk.
    """

    name = "reference"
    own_autograd = True

    def __init__(self, chunk_samples: int = _CHUNK_SAMPLES) -> None:
        self.chunk_samples = chunk_samples

    def reason_against(self, request: Request | None = None) -> str | None:
        """Always None: the reference can serve every request."""
        return None

    def integrate(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W] of a request, in the field's dtype.

        Raises:
            NotImplementedError: inside `torch.vmap`.
        """
        placed = (request.field.values, request.field.ijk_from_world, request.field.scale)
        if is_mapped(*placed, request.rays.source, request.rays.target, request.rays.start, request.rays.stop):
            raise NotImplementedError(
                "the reference backend cannot be mapped by torch.vmap: give it the batch itself, [B, …], or take a "
                'compiled backend ("cpu" or "cuda"), which can'
            )
        field, shape = request.field, request.rays.shape
        rule = _Rule.of(request)
        rays = [t.reshape(-1, t.shape[-1]) for t in _ijk_rays(request)]
        size = max(1, self.chunk_samples // max(rule.samples_per_ray, field.channels))
        chunks = [
            _run(rule.integrals, request.needs_grad, *(r[first : first + size] for r in rays))
            for first in range(0, shape.numel(), size)
        ]
        if not chunks:
            return torch.zeros(request.output_shape, dtype=field.dtype, device=field.device)
        integrals = torch.cat(chunks, dim=1)
        if field.scale is not None:
            integrals = integrals * field.scale.double()[:, None]
        return integrals.to(field.dtype).reshape(field.channels, *shape).movedim(0, -3)


def _run(integrals: Callable[..., Tensor], needs_grad: bool, *rays: Tensor) -> Tensor:
    if not needs_grad or watched():  # torch.func cannot look into a checkpoint
        return integrals(*rays)
    result: Tensor = checkpoint(integrals, *rays, use_reentrant=False)
    return result


def _ijk_rays(request: Request) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Origin and direction in ijk [..., 3], limits of t [..., 2] and length in mm [..., 1], all float64."""
    rays, matrix = request.rays, request.field.ijk_from_world.to(request.rays.device, torch.float64)
    source = rays.source.double().expand(*rays.shape, 3)
    path = rays.target.double() - source
    zero = torch.zeros((), dtype=torch.float64, device=rays.device)
    start = zero if rays.start is None else rays.start.double().clamp(0.0, 1.0)
    stop = zero + 1.0 if rays.stop is None else rays.stop.double().clamp(0.0, 1.0)
    limits = torch.stack([start.expand(rays.shape), stop.expand(rays.shape)], dim=-1)
    origin = transform_points(matrix, source)
    return origin, transform_directions(matrix, path), limits, _norm(path)


def _norm(path: Tensor) -> Tensor:
    """Length [..., 1] with gradient 0 (not NaN) for a ray of no length."""
    square = (path * path).sum(dim=-1, keepdim=True)
    return torch.where(square > 0, torch.where(square > 0, square, 1.0).sqrt(), 0.0)


@dataclass(frozen=True)
class _Rule:
    """The nodes and weights of a request's integral, and the field at the nodes."""

    field: Voxels
    interpolation: Interpolation
    integration: Integration
    routing: Routing
    planes: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, request: Request) -> "_Rule":
        planes = tuple(_breakpoints(n, request) for n in request.field.shape)
        rule = request.field, request.interpolation, request.integration, request.routing
        return cls(*rule, (planes[0], planes[1], planes[2]))

    @property
    def samples_per_ray(self) -> int:
        if isinstance(self.integration, Exact):
            nodes = 2 if self.interpolation == "linear" else 1
            return nodes * (sum(len(p) for p in self.planes) + 1)
        if isinstance(self.integration, Samples):
            samples = self.integration.count
        else:
            samples = math.ceil(self.field.longest_chord_mm / self.integration.mm) + 1
        return 8 * samples if self.interpolation == "cubic" else samples  # 64 coefficients instead of 8

    def integrals(self, origin: Tensor, direction: Tensor, limits: Tensor, length: Tensor) -> Tensor:
        """Integrals [C, N] along N rays."""
        start, stop = _clip(origin, direction, limits, self.field.shape)
        if isinstance(self.integration, Exact):
            t, weight = self._exact_nodes(origin, direction, start, stop)
        else:
            t, weight = _midpoints(start, stop, length, self.integration)
        points = origin[:, None, :] + t[..., None] * direction[:, None, :]
        return self._accumulate(points, weight * length)

    def _accumulate(self, points: Tensor, weight: Tensor) -> Tensor:
        """Σ over samples of weight · f(point): points [N, S, 3], weight [N, S] → [C, N]."""
        field = self.field
        if field.labels is None:
            return (weight * self._values(points)).sum(dim=2)
        soft = self.routing == "soft" and self.interpolation == "linear"
        terms = self._shares(points) if soft else [(_voxel(points, field.shape), self._values(points))]
        routed = torch.zeros(len(points), field.channels, dtype=torch.float64, device=points.device)
        for voxel, share in terms:
            label = _at(field.labels[None], voxel)[0].long()
            routed = routed.scatter_add(1, label, (weight * share)[0])
        return routed.T

    def _values(self, points: Tensor) -> Tensor:
        """The interpolant [C, N, S] at points [N, S, 3]."""
        values = self.field.values
        if values is None:
            return torch.ones(1, *points.shape[:-1], dtype=torch.float64, device=points.device)
        if self.interpolation == "nearest":
            return _at(values, _voxel(points, self.field.shape))
        return _bspline(values, points) if self.interpolation == "cubic" else _trilinear(values, points)

    def _shares(self, points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The voxels [N, S, 3] around points [N, S, 3], each with its share [1, N, S] of the interpolant."""
        values = self.field.values
        for voxel, weight in _corners(points, self.field.shape):
            yield voxel, weight[None] if values is None else weight * _at(values, voxel)

    def _exact_nodes(self, origin: Tensor, direction: Tensor, start: Tensor, stop: Tensor) -> tuple[Tensor, Tensor]:
        """Gauss–Legendre nodes and weights in t [N, S], between the planes that a ray crosses."""
        moving = direction != 0
        safe = torch.where(moving, direction, 1.0)
        cuts = [start, stop]
        for axis, planes in enumerate(self.planes):
            t = (planes - origin[:, axis, None]) / safe[:, axis, None]
            cuts.append(torch.where(moving[:, axis, None], t, start))
        ends = torch.cat(cuts, dim=1).clamp(start, stop).sort(dim=1).values
        used = (ends[:, 1:] > ends[:, :-1]).any(dim=0)
        left, right = ends[:, :-1][:, used], ends[:, 1:][:, used]
        middle, half = (left + right) / 2, (right - left) / 2
        if self.interpolation == "nearest":
            return middle, 2 * half
        offset = half / math.sqrt(3)
        return torch.cat([middle - offset, middle + offset], dim=1), torch.cat([half, half], dim=1)


def _breakpoints(n: int, request: Request) -> Tensor:
    """Planes of one axis, in voxel coordinates; the integrand is a single polynomial between them."""
    centers = torch.arange(n, dtype=torch.float64, device=request.field.device)
    faces = centers[1:] - 0.5
    if request.interpolation == "nearest":
        return faces
    hard = request.field.labels is not None and request.routing == "hard"
    return torch.cat([centers, faces]) if hard else centers


def _clip(origin: Tensor, direction: Tensor, limits: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """First and last t [N, 1] inside the box [−½, n − ½) of the voxels; equal where a ray misses."""
    moving = direction != 0
    safe = torch.where(moving, direction, 1.0)
    high = torch.tensor(shape, dtype=torch.float64, device=origin.device) - 0.5
    to_low, to_high = (-0.5 - origin) / safe, (high - origin) / safe
    beside = torch.where((origin >= -0.5) & (origin < high), -math.inf, math.inf)
    near = torch.where(moving, torch.minimum(to_low, to_high), beside).amax(dim=-1, keepdim=True)
    far = torch.where(moving, torch.maximum(to_low, to_high), math.inf).amin(dim=-1, keepdim=True)
    start = torch.maximum(near, limits[:, :1])
    stop = torch.minimum(far, limits[:, 1:])
    hit = start < stop
    return torch.where(hit, start, 0.0), torch.where(hit, stop, 0.0)


def _midpoints(start: Tensor, stop: Tensor, length: Tensor, rule: Step | Samples) -> tuple[Tensor, Tensor]:
    """Midpoints and weights in t [N, S] of n equal parts of the chord ℓ; weight 0 beyond the n-th."""
    if isinstance(rule, Samples):
        count = torch.full_like(start, rule.count)
    else:
        chord = ((stop - start) * length).detach()
        count = (chord / rule.mm - 1e-6).ceil().clamp(min=1.0)
    k = torch.arange(int(count.max()), dtype=torch.float64, device=start.device)
    part = (stop - start) / count
    return start + (k + 0.5) * part, torch.where(k < count, part, 0.0)


def _voxel(points: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Indices [N, S, 3] of the voxels that contain the points."""
    last = torch.tensor(shape, device=points.device) - 1
    return (points.detach() + 0.5).floor().long().clamp(torch.zeros_like(last), last)


def _at(grid: Tensor, index: Tensor) -> Tensor:
    """Values [C, N, S] of a grid [C, I, J, K] at indices [N, S, 3]."""
    _, nj, nk = grid.shape[1:]
    flat = (index[..., 0] * nj + index[..., 1]) * nk + index[..., 2]
    picked = grid.flatten(1).index_select(1, flat.flatten())
    return picked.to(torch.float64 if grid.is_floating_point() else grid.dtype).reshape(len(grid), *flat.shape)


def _trilinear(values: Tensor, points: Tensor) -> Tensor:
    """Trilinear interpolation [C, N, S] at points [N, S, 3]."""
    result = torch.zeros((), dtype=torch.float64, device=points.device)
    for voxel, weight in _corners(points, values.shape[1:]):
        result = result + weight * _at(values, voxel)
    return result


def _corners(points: Tensor, shape: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """The eight voxels [N, S, 3] around points [N, S, 3] with their trilinear weights [N, S].

    In the outer half voxel a point is clamped to the nearest face.
    """
    last = torch.tensor(shape, dtype=torch.float64, device=points.device) - 1
    inner = points.clamp(torch.zeros_like(last), last)
    low = torch.minimum(inner.detach().floor(), (last - 1).clamp(min=0))
    fraction = inner - low
    for corner in torch.cartesian_prod(*3 * [torch.tensor([0, 1], device=points.device)]):
        weight = torch.where(corner == 1, fraction, 1 - fraction).prod(dim=-1)
        yield torch.minimum(low + corner, last).long(), weight


def _bspline(coefficients: Tensor, points: Tensor) -> Tensor:
    """Cubic B-spline [C, N, S] at points [N, S, 3]; mirrored coefficients, outer half voxel clamped to the face."""
    last = torch.tensor(coefficients.shape[1:], dtype=torch.float64, device=points.device) - 1
    inner = points.clamp(torch.zeros_like(last), last)
    low = torch.minimum(inner.detach().floor(), (last - 1).clamp(min=0))
    weights = _bspline_weights(inner - low)
    result = torch.zeros((), dtype=torch.float64, device=points.device)
    for tap in torch.cartesian_prod(*3 * [torch.arange(4, device=points.device)]):
        index = (low - 1 + tap).abs()
        index = torch.minimum((last - (last - index).abs()).abs(), last).long()
        weight = torch.stack([weights[a][..., axis] for axis, a in enumerate(tap.tolist())]).prod(dim=0)
        result = result + weight * _at(coefficients, index)
    return result


def _bspline_weights(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the coefficients at −1, 0, 1 and 2 for a position t in [0, 1]."""
    s = 1 - t
    return s**3 / 6, 2 / 3 - t**2 * (2 - t) / 2, 2 / 3 - s**2 * (2 - s) / 2, t**3 / 6
