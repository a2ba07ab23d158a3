"""`Registration`: a patient's pose as numbers to optimize, seen by one or several cameras."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from deepdrr._state import NamedState
from deepdrr.data import Subject
from deepdrr.drr import render
from deepdrr.geometry import Parameterization, convert, finest_dtype, in_double
from deepdrr.registration._checks import check_cameras
from deepdrr.registration._motion import checked_parameterization, identity_numbers, numbers_of

__all__ = ["Registration"]


class Registration(NamedState, torch.nn.Module):
    """The cameras of one or several X-rays, moved together by one rigid motion whose numbers are parameters.

    With the first camera's place W (world_from_camera), the isocenter c in its frame and the motion T,

        D = W (I, c) T (I, −c) W⁻¹,        pose of view v = D · rt_inv of view v.

    T turns about the isocenter and shifts along the first camera's axes: the third is depth, which one view knows
    least. Moving the cameras by D is moving the patient by D⁻¹. T starts as no motion.

    Args:
        subject: the patient.
        rt_inv: where the cameras are thought to be, world_from_camera [V, 4, 4], mm.
        k_inv: inverse intrinsics [V or 1, 3, 3].
        sdd: source-to-detector distances [V or 1], mm.
        height, width: rows and columns of the images, the same for all views.
        eps: the parameters start this far from the numbers of no motion.
        parameterization: what the rotation's numbers are, see `deepdrr.geometry.Parameterization`.
        convention: axes of Euler angles (in degrees), e.g. `"ZXY"`; for them only.
        orthographic: parallel beams.

    Attributes:
        rotation: parameter [1, D], the rotation's numbers. `_rot` is the same.
        translation: parameter [1, 3], mm. `_xyz` is the same.

    Raises:
        ValueError: for shapes, poses or sizes that are not accepted.

    Example:
        >>> from deepdrr.camera import make_k_inv, make_rt_inv
        >>> from deepdrr.resources import resource_path
        >>> subject = Subject.from_filepath(resource_path("data/ct/pelvis.nii.gz"))
        >>> rt_inv = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 700.0, 0.0]]), "AP", subject.isocenter)
        >>> k_inv = make_k_inv(1020.0, 8.0, 8.0, 0.0, 0.0, 32, 32)
        >>> registration = Registration(subject, rt_inv, k_inv, torch.tensor([1020.0]), 32, 32)
        >>> registration().shape, [tuple(p.shape) for p in registration.parameters()]
        (torch.Size([1, 1, 32, 32]), [(1, 3), (1, 3)])
    """

    subject: Subject
    rt_inv: Tensor
    k_inv: Tensor
    sdd: Tensor
    height: int
    width: int
    orthographic: bool
    parameterization: Parameterization
    convention: str | None

    INSTEAD = "set_motion_ gives the parameters their numbers"

    def __init__(
        self,
        subject: Subject,
        rt_inv: Tensor,
        k_inv: Tensor,
        sdd: Tensor,
        height: int,
        width: int,
        eps: float = 1e-8,
        *,
        parameterization: Parameterization | str = Parameterization.SO3_LOG,
        convention: str | None = None,
        orthographic: bool = False,
    ) -> None:
        super().__init__()
        check_cameras(rt_inv, k_inv, sdd, height, width)
        self.subject = subject
        self.register_buffer("rt_inv", rt_inv)
        # A copy: `rescale_` changes it.
        self.register_buffer("k_inv", k_inv.clone())
        self.register_buffer("sdd", sdd)
        self.height, self.width = int(height), int(width)
        self._exact_size = (float(height), float(width))
        self.orthographic = orthographic
        self.parameterization = checked_parameterization(parameterization, convention)
        self.convention = convention
        rotation, translation = (n.to(rt_inv)[None] for n in identity_numbers(self.parameterization, convention))
        self._rot = torch.nn.Parameter(rotation + eps)
        self._xyz = torch.nn.Parameter(translation + eps)

    def forward(self, n_samples: int | None = 500, soft_labels: bool = False, backend: str = "auto") -> Tensor:
        """What the cameras see at the present pose, [V, C, H, W], see `deepdrr.drr.render`."""
        return self.render(self.pose, n_samples, soft_labels, backend)

    def render(
        self, pose: Tensor, n_samples: int | None = 500, soft_labels: bool = False, backend: str = "auto"
    ) -> Tensor:
        """What the cameras see from other poses.

        Args:
            pose: world_from_camera [V, 4, 4], or several of each camera [K · V, 4, 4], those of one set together.
            n_samples, soft_labels, backend: see `deepdrr.drr.render`.

        Returns:
            [K · V, C, H, W].
        """
        sets = len(pose) // self.views
        k_inv, sdd = self.k_inv, self.sdd
        if sets > 1:
            k_inv = k_inv.expand(self.views, 3, 3).repeat(sets, 1, 1)
            sdd = sdd.expand(self.views).repeat(sets)
        size = (self.height, self.width)
        return render(self.subject, k_inv, pose, sdd, *size, n_samples, soft_labels, self.orthographic, backend=backend)

    @property
    def views(self) -> int:
        """Number of X-rays V."""
        return len(self.rt_inv)

    @property
    def rotation(self) -> torch.nn.Parameter:
        """Numbers of the motion's rotation [1, D]."""
        return self._rot

    @property
    def translation(self) -> torch.nn.Parameter:
        """Numbers of the motion's translation [1, 3], mm."""
        return self._xyz

    @property
    def motion(self) -> Tensor:
        """T [4, 4], about the isocenter, along the first camera's axes, mm."""
        return convert(self._rot, self._xyz, self.parameterization, self.convention)[0]

    @property
    def pose(self) -> Tensor:
        """world_from_camera of all views at the present motion [V, 4, 4], mm."""
        return self.poses_of(self.motion)

    def poses_of(self, motion: Tensor) -> Tensor:
        """world_from_camera [V, 4, 4] at a motion [4, 4], or [K · V, 4, 4] at several [K, 4, 4]."""
        frame, rest = self._frames()
        moved = frame @ motion.to(frame)[..., None, :, :] @ rest
        return moved.reshape(-1, 4, 4).to(self.rt_inv.dtype)

    @torch.no_grad()
    def set_motion_(self, motion: Tensor) -> None:
        """Give the parameters the numbers of a rigid motion [4, 4]."""
        rotation, translation = numbers_of(in_double(motion), self.parameterization, self.convention)
        self._rot.copy_(rotation[None])
        self._xyz.copy_(translation[None])

    @torch.no_grad()
    def rescale_(self, scale: float) -> None:
        """Render `scale` times as many pixels along each side from now on, of the same detector.

        Sizes are rounded to whole pixels, whose sides are then chosen so that the detector's edges stay where they are;
        the next call starts from the size before rounding. So scales that multiply to 1 bring the first size back, and
        images averaged over pixels (`torch.nn.functional.adaptive_avg_pool2d`) lie exactly on the rendered ones.

        Raises:
            ValueError: if the scale is not positive, or leaves no pixels.
        """
        exact = self._exact_size
        if (round(exact[0]), round(exact[1])) != (self.height, self.width):
            exact = (float(self.height), float(self.width))  # somebody has set the size
        height, width = (side * scale for side in exact)
        if not (0.5 < height < 2**16 and 0.5 < width < 2**16):
            raise ValueError(f"scale must leave 1 to 65535 pixels along each side of {exact}, got {scale}")
        rows, columns = max(1, round(height)), max(1, round(width))
        per_pixel = [self.width / columns, self.height / rows, 1.0]
        self.k_inv = self.k_inv @ torch.diag(self.k_inv.new_tensor(per_pixel))
        self.height, self.width = rows, columns
        self._exact_size = (height, width)

    @contextmanager
    def at_scale(self, scale: float) -> Iterator[None]:
        """Inside a `with` block, render `scale` times as many pixels along each side, as after `rescale_`."""
        before = self.k_inv, self.height, self.width, self._exact_size
        self.rescale_(scale)
        try:
            yield
        finally:
            self.k_inv, self.height, self.width, self._exact_size = before

    def _frames(self) -> tuple[Tensor, Tensor]:
        """W (I, c) [4, 4], and (I, −c) W⁻¹ · rt_inv [V, 4, 4]; float64 where the device has it."""
        dtype = finest_dtype(self.rt_inv.device)
        places = self.rt_inv.detach().to(dtype)
        frame = places[0].clone()
        frame[:3, 3] = self.subject.isocenter.to(frame)
        return frame, torch.linalg.inv(frame) @ places
