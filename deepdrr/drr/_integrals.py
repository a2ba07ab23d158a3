"""Line integrals of a subject's attenuation along given rays."""

from dataclasses import dataclass
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from deepdrr._shapes import broadcast_shapes
from deepdrr.data import Subject
from deepdrr.data.preprocess import mu_weights
from deepdrr.drr._prepared import attenuation_field, basis_fields
from deepdrr.raycast import Exact, Field, Rays, Routing, Samples, project

__all__ = ["Rule", "integrals"]


class How(TypedDict):
    """Arguments of `project`."""

    integration: Exact | Samples
    routing: Routing
    backend: str


@dataclass(frozen=True)
class Rule:
    """The integration rule and the backend."""

    integration: Exact | Samples
    soft_labels: bool
    backend: str

    def of(self, field: Field) -> How:
        """The arguments of `project` for a field."""
        routing: Routing = "soft" if self.soft_labels and field.labels is not None else "hard"
        return {"integration": self.integration, "routing": routing, "backend": self.backend}


def integrals(subject: Subject, rays: Rays, rule: Rule, channels: int | None = None) -> Tensor:
    """The attenuation along rays [*B, C, H, W], float32 or float64, padded with zeros to a number of channels.

    If the parameters of the attenuation are numbers, one volume of attenuation is integrated. If they are tensors, the
    two basis volumes in which attenuation is linear are integrated and then mixed. So each picture may have its own
    parameters, and their gradient does not require one with respect to the voxels.
    """
    given = {"mu_water": subject.mu_water, "mu_bone": subject.mu_bone, "hu_bone": subject.hu_bone}
    if subject.convert_to_mu and any(isinstance(value, Tensor) for value in given.values()):
        result = _mixed(subject, {name: _per_picture(name, value, rays) for name, value in given.items()}, rays, rule)
    else:
        field = attenuation_field(subject)
        result = project(field, rays, **rule.of(field))
    return result if channels is None else F.pad(result, (0, 0, 0, 0, 0, channels - result.shape[-3]))


def _mixed(subject: Subject, parameters: dict[str, Tensor], rays: Rays, rule: Rule) -> Tensor:
    a, b = mu_weights(**parameters)
    lowest = torch.as_tensor(a + b * subject.image_hu.detach().max().clamp(min=0.0)).detach().min()
    if float(lowest) < 0:
        raise ValueError(
            "mu_bone must not be so far below mu_water that the densest voxel attenuates less than nothing, "
            f"got {float(lowest):.3g}/mm for it; as numbers, not tensors, they are accepted"
        )
    parts = [project(field, rays, **rule.of(field)) for field in basis_fields(subject)]
    water, excess = parts if len(parts) == 2 else parts[0].split(1, dim=-3)
    return a * water + b * excess


def _per_picture(name: str, value: float | Tensor, rays: Rays) -> Tensor:
    """A parameter as [*B, 1, 1, 1], to multiply pictures [*B, C, H, W]."""
    number = torch.as_tensor(value, device=rays.device)
    if not number.is_floating_point():
        number = number.float()
    batch = rays.shape[:-2]
    try:
        broadcast_shapes(number.shape, batch)
        fits = number.dim() <= len(batch)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must be a number or fit the batch {tuple(batch)}, got shape {tuple(number.shape)}")
    return number[..., None, None, None]
