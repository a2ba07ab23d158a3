"""The rows of issue 3's table that have a peer: two calls that do the same work, compared before they are timed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import torch
from _nanodrr import NanoDRR
from _scene import POSES, Scene, carm, chords_mm, sample_count
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, Routing, Step, project

__all__ = ["Case", "PeerCases", "peer_cases", "relative_error"]

Call = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        name: of the row.
        ours, other: the two calls, same work. Each returns what it computed.
        must, reach: targets of the ratio: other / ours at least, or with `cost` ours / other at most. None for none.
        step_mm: distance between samples, mm; 0 for none.
        errors: function of both results that returns their errors; for forward images against the exact integral.
        note: remarks.
    """

    name: str
    ours: Call
    other: Call
    must: float | None
    reach: float | None
    step_mm: float
    errors: Callable[[Tensor, Tensor], tuple[float | None, float]]
    note: str = ""
    cost: bool = False

    def verdict(self, ratio: float) -> str:
        """``"reach"``, ``"must"`` or ``"below"``, from the reported ratio; empty without targets."""
        if self.must is None or self.reach is None:
            return ""
        sign = -1 if self.cost else 1
        return "reach" if sign * ratio >= sign * self.reach else "must" if sign * ratio >= sign * self.must else "below"


class PeerCases:
    """Cases against nanodrr, on the scene's device. Its side raises ImportError if it is not installed.

    Args:
        scene: what is projected.
        backend: our backend; None for the one named like the scene's device.
        peer: nanodrr's side.
        view: the camera of a pose.
    """

    def __init__(
        self,
        scene: Scene,
        backend: str | None = None,
        peer: type[NanoDRR] = NanoDRR,
        view: Callable[[str], Camera] = carm,
    ) -> None:
        self._scene, self._backend, self._peers, self._view = scene, backend or scene.device.type, peer, view

    @cached_property
    def _field(self) -> Field:
        return self._scene.int16_field()

    @cached_property
    def _padded(self) -> Field:
        return self._scene.padded_field()

    @cached_property
    def _peer(self) -> NanoDRR:
        return self._peers.load(self._scene, self._camera())

    @cached_property
    def _labeled(self) -> Field:
        return self._scene.labeled_field()

    @cached_property
    def _labeled_peer(self) -> NanoDRR:
        return self._peers.load(self._scene, self._camera(), labels=True)

    def forward(self, pose: str, step_mm: float) -> Case:
        """Images from one pose."""
        camera = self._camera(pose)
        samples = self._samples(camera, step_mm)
        return Case(
            name=f"forward, {pose}, {step_mm:g} mm",
            ours=partial(project, self._field, camera, integration=Step(mm=step_mm), backend=self._backend),
            other=lambda: _no_grad(self._peer.project, camera.world_from_camera, samples),
            must=40 if pose in ("AP", "lateral") else 25,
            reach=80 if pose in ("AP", "lateral") else 50,
            step_mm=step_mm,
            errors=partial(self._image_errors, camera),
            note=f"nanodrr: n_samples={samples}; ours: int16 voxels, without loss",
        )

    def pose_gradient(self, pose: str, step_mm: float) -> Case:
        """Images, and the derivative of a weighted sum of pixels with respect to the pose's six parameters."""
        camera = self._camera(pose)
        samples, weight = self._samples(camera, step_mm), _weight(camera)

        def ours(twist: Tensor) -> Tensor:
            return project(self._field, _moved(camera, twist), integration=Step(mm=step_mm), backend=self._backend)

        def other(twist: Tensor) -> Tensor:
            return self._peer.project(camera.world_from_camera @ torch.linalg.matrix_exp(_hat(twist)), samples)

        name, note = f"forward + pose gradient, {pose}, {step_mm:g} mm", f"nanodrr: n_samples={samples}"
        calls = (partial(_by_twist, image, weight) for image in (ours, other))
        return Case(name, *calls, 40, 80, step_mm, _difference, note)

    def volume_gradient(self, pose: str, step_mm: float) -> Case:
        """Images, and the derivative of a weighted sum of pixels with respect to every voxel."""
        camera = self._camera(pose)
        samples, weight = self._samples(camera, step_mm), _weight(camera)
        leaf = self._scene.mu[None].clone().requires_grad_()
        field = Field(leaf, self._scene.ijk_from_world)
        peer = cache(partial(self._peers.load, self._scene, camera))

        def ours() -> Tensor:
            image = project(field, camera, integration=Step(mm=step_mm), backend=self._backend)
            return torch.autograd.grad((image * weight).sum(), leaf)[0][0]

        def other() -> Tensor:
            values = peer().values.requires_grad_()
            image = peer().project(camera.world_from_camera, samples)
            return torch.autograd.grad((image * weight).sum(), values)[0][0, 0].permute(2, 1, 0)

        name, note = f"forward + volume gradient, {pose}, {step_mm:g} mm", f"nanodrr: n_samples={samples}"
        return Case(name, ours, other, 10, 20, step_mm, _block_difference, note)

    def labels(self, pose: str, step_mm: float, rule: str) -> Case:
        """One image per label. `rule`: ``"hard"`` or ``"soft"`` steps as nanodrr's, ``"exact"`` with nearest values."""
        camera, field = self._camera(pose), self._labeled
        samples = self._samples(camera, step_mm)
        routing: Routing = "soft" if rule == "soft" else "hard"
        how = {"interpolation": "linear", "integration": Step(mm=step_mm), "routing": routing}
        if rule == "exact":
            how = {"interpolation": "nearest", "integration": Exact()}
        what = "nearest, exact" if rule == "exact" else f"{rule}, {step_mm:g} mm"
        return Case(
            name=f"{self._scene.organs} labels, {pose}, {what}",
            ours=partial(project, field, camera, backend=self._backend, **how),
            other=lambda: _no_grad(self._labeled_peer.project, camera.world_from_camera, samples, routing),
            must=25,
            reach=50,
            step_mm=step_mm,
            errors=_difference,
            note=f"nanodrr: n_samples={samples}, {routing} labels; ours: int16 voxels, without loss",
        )

    def labels_pose_gradient(self, pose: str, step_mm: float, routing: Routing) -> Case:
        """One image per label, and the derivative of a weighted sum of pixels with respect to the pose (six values)."""
        camera, samples = self._camera(pose), self._samples(self._camera(pose), step_mm)
        weight = _weight(camera)
        weight = torch.linspace(1, 2, self._scene.label_count, device=weight.device)[:, None, None] * weight
        how = {"integration": Step(mm=step_mm), "routing": routing, "backend": self._backend}

        def ours(twist: Tensor) -> Tensor:
            return project(self._labeled, _moved(camera, twist), **how)

        def other(twist: Tensor) -> Tensor:
            moved = camera.world_from_camera @ torch.linalg.matrix_exp(_hat(twist))
            return self._labeled_peer.project(moved, samples, routing)

        name = f"{self._scene.organs} labels + pose gradient, {pose}, {routing}, {step_mm:g} mm"
        calls = (partial(_by_twist, image, weight) for image in (ours, other))
        return Case(name, *calls, 25, 50, step_mm, _difference, f"nanodrr: n_samples={samples}; ours: int16 voxels")

    def _camera(self, pose: str = "AP") -> Camera:
        return self._view(pose).to(self._scene.device)

    def _samples(self, camera: Camera, step_mm: float) -> int:
        """Samples per ray for nanodrr, so that both take as many in the volume: a mean step of the same length."""
        chords = chords_mm(self._field, camera)
        return round(sample_count(chords, step_mm) / int((chords > 0).sum()))

    def _image_errors(self, camera: Camera, ours: Tensor, other: Tensor) -> tuple[float, float]:
        """Each against the exact integral of its own field: nanodrr's fades out over another half voxel."""
        exact = project(self._field, camera, backend=self._backend)
        exact_padded = project(self._padded, camera, backend=self._backend)
        return relative_error(ours, exact), relative_error(other[0], exact_padded)


def relative_error(image: Tensor, truth: Tensor) -> float:
    """Root mean square difference over the truth's root mean square."""
    return float((image.double() - truth.double()).square().mean().sqrt() / truth.double().square().mean().sqrt())


def _difference(ours: Tensor, other: Tensor) -> tuple[None, float]:
    return None, relative_error(other.reshape(ours.shape), ours)


def _block_difference(ours: Tensor, other: Tensor, block: int = 16) -> tuple[None, float]:
    """Difference of means over blocks of voxels [I, J, K], because both sides place samples differently."""
    kernel = [min(block, n) for n in ours.shape]
    pooled = [torch.nn.functional.avg_pool3d(gradient[None], kernel)[0] for gradient in (ours, other)]
    return None, relative_error(pooled[1], pooled[0])


def _no_grad(call: Callable[..., Tensor], *arguments: object) -> Tensor:
    with torch.no_grad():
        return call(*arguments)


def _weight(camera: Camera) -> Tensor:
    """Smooth weights of the pixels [H, W], so that no gradient is zero by symmetry."""
    v, u = (torch.linspace(-1, 1, n, device=camera.intrinsics.device) for n in (camera.height, camera.width))
    v = v[:, None]
    return torch.exp(-2 * ((u - 0.2) ** 2 + (v + 0.1) ** 2))


def _moved(camera: Camera, twist: Tensor) -> Camera:
    """The camera moved by exp(twist) in its own frame."""
    return replace(camera, camera_from_world=torch.linalg.matrix_exp(-_hat(twist)) @ camera.camera_from_world)


def _by_twist(image: Callable[[Tensor], Tensor], weight: Tensor) -> Tensor:
    """The derivative [6] of a weighted sum of the pixels of image(twist) at 0."""
    twist = torch.zeros(6, dtype=torch.float64, device=weight.device, requires_grad=True)
    return torch.autograd.grad((image(twist) * weight).sum(), twist)[0]


def _hat(twist: Tensor) -> Tensor:
    """se(3) matrix [4, 4] of (rotation, translation) [6]."""
    x, y, z, a, b, c = twist
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, a, z, zero, -x, b, -y, x, zero, c, zero, zero, zero, zero]
    return torch.stack(rows).reshape(4, 4)


def peer_cases(scene: Scene, *, short: bool) -> list[Callable[[], Case]]:
    """Builders of the rows, in the issue's order, on the scene's device."""
    cases = PeerCases(scene)
    poses, fine = (("AP", "tilt 30/20/10"), 2.0) if short else (tuple(POSES), 0.7)
    rows = [partial(cases.forward, pose, step) for step in sorted({2.0, fine}, reverse=True) for pose in poses]
    rows += [partial(cases.pose_gradient, pose, fine) for pose in ("AP", "tilt 30/20/10")[: 1 if short else 2]]
    rows += [partial(cases.volume_gradient, pose, fine) for pose in ("AP", "tilt 30/20/10")[: 1 if short else 2]]
    rows += [partial(cases.labels, "AP", fine, rule) for rule in ("hard", "soft", "exact")]
    return rows + [partial(cases.labels_pose_gradient, "AP", fine, routing) for routing in ("hard", "soft")]
