"""Subjects as scenes: the objects in the beam of `render`."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from deepdrr._functorch import untransformed
from deepdrr.camera import Camera
from deepdrr.data import Source, Subject
from deepdrr.drr._prepared import kept, matrix_of
from deepdrr.drr._rays import of_subject
from deepdrr.geometry import finest_dtype
from deepdrr.materials import DensityModel, Material
from deepdrr.projector import Scene, reason_inside
from deepdrr.raycast import Exact, Integration, Rays
from deepdrr.scatter import InBeam

__all__ = ["check_source", "subject_scene"]

_EXACT = Exact()


def subject_scene(subject: Subject | Sequence[Subject], model: DensityModel, poses: int = 1) -> InBeam:
    """The scene of a subject, or of N subjects, each in the beam of its own views.

    The densities are kept for the next scene of the same subject until one of their inputs changes.

    Args:
        subject: one subject or N.
        model: how Hounsfield units become materials.
        poses: number of axes of the batch of views; with N subjects the first one is theirs.

    Raises:
        ValueError: if a subject does not hold Hounsfield units.
    """
    if isinstance(subject, Subject):
        return Scene(_SubjectBody(subject), materials=model, device=subject.image_hu.device, kept=kept)
    return _SeveralScenes(
        [subject_scene(one, _with_factors_of(model, n, poses)) for n, one in enumerate(subject)], poses
    )


def check_source(subject: Subject, rt_inv: Tensor) -> None:
    """Refuse poses [*B, 4, 4] with the source inside the patient, as a `Projector` does.

    Raises:
        ValueError: names the point.
    """
    points = untransformed(rt_inv)[..., :3, 3].reshape(-1, 3).to(finest_dtype(rt_inv.device))
    matrix = untransformed(matrix_of(subject))
    voxels = points @ matrix[:3, :3].T + matrix[:3, 3]
    size = voxels.new_tensor(subject.image_hu.shape[:1:-1])
    near = ((voxels > -0.5) & (voxels < size - 0.5)).all(dim=-1)
    if not subject.convert_to_mu or not bool(near.any()):
        return
    reason = reason_inside(_SubjectBody(subject), points[near].cpu(), "source")
    if reason is not None:
        raise ValueError(reason)


def _with_factors_of(model: DensityModel, n: int, poses: int) -> DensityModel:
    """The model with the density factors of subject n."""
    factors = getattr(model, "density_factors", {})
    own = {
        name: factor[min(n, len(factor) - 1)] if isinstance(factor, Tensor) and factor.ndim == poses > 0 else factor
        for name, factor in factors.items()
    }
    return replace(model, density_factors=own) if own else model  # type: ignore[type-var]


class _SubjectBody:
    """A subject as a volume of a scene: grids [I, J, K] on the CPU, where HU are decomposed into materials."""

    def __init__(self, subject: Subject) -> None:
        if not subject.convert_to_mu:
            raise ValueError("subject must hold Hounsfield units for a spectrum, it has convert_to_mu = False")
        self.owner = subject
        self.label_names: dict[int, str] = {}
        self.source = Source()

    @property
    def watched(self) -> tuple[Tensor, Tensor | None]:
        """The tensors from which the densities are made."""
        return self.owner.image_hu, self.owner.label_map

    @property
    def hu(self) -> Tensor:
        """Hounsfield units, float32, or float64 for a subject in double precision."""
        image = self.owner.image_hu
        dtype = image.dtype if image.dtype == torch.float64 else torch.float32
        return image[0, 0].permute(2, 1, 0).to("cpu", dtype)

    @property
    def labels(self) -> Tensor | None:
        """Label of each voxel, or None."""
        labels = self.owner.label_map
        return None if labels is None else labels[0, 0].permute(2, 1, 0).cpu()

    @property
    def ijk_from_world(self) -> Tensor:
        """Transform [4, 4] from the world, mm, to voxel indices at the subject's current place, with its gradient."""
        return matrix_of(self.owner)

    @property
    def center_in_world(self) -> Tensor:
        """Centre of the grid [3], mm."""
        size = torch.tensor(self.owner.image_hu.shape[:1:-1], dtype=torch.float64)
        matrix = self.owner.voxel_to_world.detach().cpu().double()
        return matrix[:3, :3] @ ((size - 1) / 2) + matrix[:3, 3]


class _SeveralScenes:
    """N scenes side by side, one for each index of the first axis of the batch of views."""

    def __init__(self, scenes: Sequence[InBeam], poses: int) -> None:
        self._scenes = scenes
        self._poses = poses

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials, the same in all scenes."""
        return self._scenes[0].materials

    @property
    def device(self) -> torch.device:
        """The device on which rays are cast."""
        return self._scenes[0].device

    @property
    def center_world(self) -> Tensor:
        """Centres [N, *1, 3], mm, which broadcast to the batch of views."""
        centers = torch.stack([scene.center_world for scene in self._scenes])
        return centers.reshape(len(centers), *[1] * (self._poses - 1), 3)

    def area_densities(
        self, view: Camera | Rays, *, integration: Integration = _EXACT, backend: str = "auto"
    ) -> Tensor:
        """[N, *batch, M, H, W], g/cm²."""
        return torch.stack(
            [
                scene.area_densities(_nth(view, n), integration=integration, backend=backend)
                for n, scene in enumerate(self._scenes)
            ]
        )


def _nth(view: Camera | Rays, n: int) -> Camera | Rays:
    return view[n] if isinstance(view, Camera) else of_subject(view, n)
