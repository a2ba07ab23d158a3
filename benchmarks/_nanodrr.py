"""nanodrr's side of the comparison: the same voxels, the same rays; torch on the CPU, its Triton kernel on a GPU."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from _scene import Scene
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.raycast import Routing

__all__ = ["NanoDRR"]


@dataclass(frozen=True, eq=False)
class NanoDRR:
    """A nanodrr `Subject`, and a `DRR` made once for all views of one camera, as its users do.

    nanodrr's world is ours: the subject is given the affine of the placed volume. Its camera is K and the pose, both
    inverted, with pixel centres at +0.5, as here; it takes n midpoints on the part of each ray in the volume.
    """

    subject: Any
    drr: Any
    backend: str

    @classmethod
    def load(cls, scene: Scene, camera: Camera, *, labels: bool = False) -> Self:
        """Convert the scene. ImportError if nanodrr is not installed."""
        import torchio
        from nanodrr.data import Subject
        from nanodrr.drr import DRR

        affine = scene.world_from_ijk.cpu().numpy()
        image = torchio.ScalarImage(tensor=scene.mu[None].cpu(), affine=affine)
        label = torchio.LabelMap(tensor=scene.labels[None].cpu(), affine=affine) if labels else None
        k_inv = torch.linalg.inv(camera.intrinsics)[None].float()
        drr = DRR(k_inv, camera.sdd_mm[None].float(), camera.height, camera.width).to(scene.device)
        subject = Subject.from_images(image, label, convert_to_mu=False).to(scene.device)
        return cls(subject, drr, "triton" if scene.device.type == "cuda" else "torch")

    def project(self, world_from_camera: Tensor, samples: int, routing: Routing = "hard") -> Tensor:
        """Line integrals [1, C, H, W] with `samples` per ray in the volume, from a pose [4, 4]."""
        how = {"n_samples": samples, "soft_labels": routing == "soft", "backend": self.backend}
        image: Tensor = self.drr(self.subject, world_from_camera[None].float(), **how)
        return image

    @property
    def values(self) -> Tensor:
        """The voxels [1, 1, K, J, I] that `project` reads; may be made to require a gradient."""
        values: Tensor = self.subject.image
        return values
