"""`DRR`: a module with the intrinsics of a camera, which renders subjects."""

from collections.abc import Callable
from typing import Any, Self, Unpack

import torch
from torch import Tensor, nn

from deepdrr._arguments import check_flag
from deepdrr._numbers import as_count
from deepdrr._state import NamedState
from deepdrr.camera import Camera, checked_k_inv, checked_sdd, make_k_inv
from deepdrr.data import Subject
from deepdrr.drr._physics import Physics
from deepdrr.drr._rays import camera_sources, pixel_targets
from deepdrr.drr._render import render
from deepdrr.geometry import not_halved

__all__ = ["DRR"]

_BUFFERS = ("k_inv", "sdd")


class DRR(NamedState, nn.Module):
    """The intrinsic parameters of a camera, as a module that renders.

    All five can be set at any time and apply from the next image on; they move with `to` (k_inv and sdd never become
    half precision) and are part of `state_dict`.

    Args:
        k_inv: inverse intrinsics [B, 3, 3], see `deepdrr.camera.make_k_inv`.
        sdd: source-to-detector distances [B], mm.
        height, width: rows and columns of the detector.
        orthographic: parallel rays instead of a point source.

    Example:
        >>> from deepdrr.camera import make_rt_inv
        >>> drr = DRR.from_carm_intrinsics(1000.0, 2.0, 2.0, 0.0, 0.0, height=4, width=6)
        >>> water = Subject(torch.zeros(1, 1, 50, 50, 50), torch.eye(4))
        >>> pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 600.0, 0.0]]), isocenter=water.isocenter)
        >>> drr(water, pose).shape
        torch.Size([1, 1, 4, 6])
    """

    k_inv: Tensor
    sdd: Tensor
    height: int
    width: int
    orthographic: bool

    INSTEAD = "it follows from k_inv, sdd, height and width"

    def __init__(self, k_inv: Tensor, sdd: Tensor, height: int, width: int, orthographic: bool = False) -> None:
        super().__init__()
        height = as_count(height, "height")
        width = as_count(width, "width")
        check_flag(orthographic, "orthographic")
        self.register_buffer("k_inv", checked_k_inv(k_inv))
        self.register_buffer("sdd", checked_sdd(sdd, k_inv))
        self.height = height
        self.width = width
        self.orthographic = orthographic

    @classmethod
    def from_carm_intrinsics(
        cls,
        sdd: float | Tensor,
        delx: float | Tensor,
        dely: float | Tensor,
        x0: float | Tensor,
        y0: float | Tensor,
        height: int,
        width: int,
        orthographic: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Self:
        """A module from the numbers of a detector, see `deepdrr.camera.make_k_inv`; tensors [B] for several cameras."""
        k_inv = make_k_inv(sdd, delx, dely, x0, y0, height, width, dtype=dtype, device=device)
        distance = torch.as_tensor(sdd, dtype=k_inv.dtype, device=k_inv.device).reshape(-1)
        return cls(k_inv, distance, height, width, orthographic)

    @classmethod
    def from_camera(cls, camera: Camera) -> Self:
        """A module with the intrinsics of a camera; its pose is an argument of the call.

        Args:
            camera: a camera; k_inv and sdd of an unbatched one become [1, 3, 3] and [1].

        Returns:
            A module whose image from `camera.rt_inv` is that of the camera. Gradients flow to the camera's tensors.

        Raises:
            TypeError: if it is no camera.

        Example:
            >>> camera = Camera.carm(sdd_mm=1000, sid_mm=600, height=4, width=6, pixel_mm=2.0).to(torch.float32)
            >>> water = Subject(torch.zeros(1, 1, 50, 50, 50), torch.eye(4), isocenter=(0.0, 0.0, 0.0))
            >>> DRR.from_camera(camera)(water, camera.rt_inv).shape
            torch.Size([1, 1, 4, 6])
        """
        if not isinstance(camera, Camera):
            raise TypeError(f"camera must be a Camera, got {type(camera).__name__}")
        k_inv = camera.k_inv if camera.k_inv.dim() > 2 else camera.k_inv[None]
        sdd = camera.sdd_mm if camera.sdd_mm.dim() > 0 else camera.sdd_mm[None]
        return cls(k_inv, sdd, camera.height, camera.width, camera.orthographic)

    def forward(
        self,
        subject: Subject,
        rt_inv: Tensor,
        n_samples: int | None = 500,
        soft_labels: bool = False,
        backend: str = "auto",
        **physics: Unpack[Physics],
    ) -> Tensor:
        """Radiographs [*B, C, H, W] of a subject, or of several, from poses [*B, 4, 4]; see `render`."""
        return render(
            subject,
            self.k_inv,
            rt_inv,
            self.sdd,
            self.height,
            self.width,
            n_samples,
            soft_labels,
            self.orthographic,
            backend=backend,
            **physics,
        )

    @property
    def tgt(self) -> Tensor:
        """Centres of the pixels in the camera's frame [B, H·W, 3], mm."""
        return pixel_targets(self.k_inv, self.sdd, self.height, self.width)

    @property
    def src(self) -> Tensor:
        """Start of the rays in the camera's frame [B, 1, 3], or [B, H·W, 3] for parallel rays, mm."""
        return camera_sources(self.tgt, self.sdd, orthographic=self.orthographic)

    def extra_repr(self) -> str:
        """The text in `print`."""
        return f"height={self.height}, width={self.width}, orthographic={self.orthographic}"

    # -- the module protocol ------------------------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, int]:
        """The settings that are not tensors, for `state_dict`."""
        return {"height": self.height, "width": self.width, "orthographic": int(self.orthographic)}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Restore these settings."""
        self.height, self.width = state["height"], state["width"]
        self.orthographic = bool(state["orthographic"])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Like any module, but the number of cameras may differ."""
        for name in _BUFFERS:
            given, own = state_dict.get(prefix + name), self._buffers.get(name)
            if given is not None and own is not None and given.shape != own.shape:
                self._buffers[name] = own.new_empty(given.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Like any module, but keep k_inv and sdd out of half precision, where pixels would be off by millimetres."""
        before = {name: self._buffers[name] for name in _BUFFERS if name in self._buffers}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._buffers.update({name: not_halved(self._buffers[name], exact) for name, exact in before.items()})
        return self
