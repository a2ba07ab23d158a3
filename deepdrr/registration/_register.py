"""`register`: from coarse to fine, to the pose at which the patient looks like the X-rays."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr._progress import progress_bar
from deepdrr.geometry import in_double
from deepdrr.registration._checks import check_target
from deepdrr.registration._registration import Registration
from deepdrr.registration.solvers._cma_es import CmaEs
from deepdrr.registration.solvers._gauss_newton import GaussNewton
from deepdrr.registration.solvers._multi_start import MultiStart
from deepdrr.registration.solvers._problem import Problem, Solver, resized

__all__ = ["Iterate", "RegistrationResult", "Stage", "register", "standard_stages"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One resolution, and how to search at it.

    Attributes:
        scale: pixels along a side, as a part of the registration's, in (0, 1].
        solver: `GaussNewton`, `MultiStart`, `Adam`, `CmaEs` or another `Solver`.
        n_samples: samples along each ray; None for the exact integral.
    """

    scale: float
    solver: Solver
    n_samples: int | None = 200

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 < self.scale <= 1.0:
            raise ValueError(f"scale must be above 0 and at most 1, got {self.scale}")
        if self.n_samples is not None and self.n_samples < 2:
            raise ValueError(f"n_samples must be at least 2, got {self.n_samples}")


@dataclass(frozen=True, eq=False)
class Iterate:
    """Where a registration was after an iteration.

    Attributes:
        stage: number of the stage, from 0; −1 for the start.
        loss: what the stage's solver makes small; NaN for the start.
        pose: world_from_camera of all views [V, 4, 4], mm.
        seconds: since the beginning.
    """

    stage: int
    loss: float
    pose: Tensor
    seconds: float


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """What `register` found.

    Attributes:
        pose: world_from_camera of all views [V, 4, 4], mm.
        motion: D [4, 4] in the world: pose = D · start. The patient has moved by its inverse.
        stopped: why each stage stopped.
        trajectory: the start and every iteration.
    """

    pose: Tensor
    motion: Tensor
    stopped: tuple[str, ...]
    trajectory: tuple[Iterate, ...] = field(repr=False)  # screens of matrices

    @property
    def loss(self) -> float:
        """The last stage's, at the end."""
        return self.trajectory[-1].loss

    @property
    def iterations(self) -> int:
        """Of all stages."""
        return len(self.trajectory) - 1

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.trajectory[-1].seconds


def standard_stages(height: int, width: int, start: Literal["near", "far"] = "near") -> tuple[Stage, ...]:
    """The stages that `register` takes for images of a size: 40, 80 and 160 pixels along the longer side.

    Args:
        height, width: of the images, pixels.
        start: `"near"` looks around a little (`MultiStart`), for starts within some 12° and 35 mm in each direction;
            `"far"` searches a wide neighbourhood (`CmaEs`, the extra `registration`), 30° and 80 mm.

    Returns:
        The stages, coarse first; fewer for small images.

    Example:
        >>> [(stage.scale, type(stage.solver).__name__) for stage in standard_stages(320, 320)]
        [(0.125, 'MultiStart'), (0.25, 'GaussNewton'), (0.5, 'GaussNewton')]
    """
    if start not in ("near", "far"):
        raise ValueError(f"start must be 'near' or 'far', got {start!r}")
    first: Solver = MultiStart() if start == "near" else GaussNewton(compared="both", sigma_px=2.0)
    sizes: dict[int, tuple[Solver, int]] = {
        40: (first, 100),
        80: (GaussNewton(compared="both", sigma_px=1.0), 150),
        160: (GaussNewton(compared="edges", sigma_px=1.0), 300),
    }
    longer = max(height, width)
    stages = [
        Stage(scale=min(1.0, size / longer), solver=solver, n_samples=n_samples)
        for size, (solver, n_samples) in sizes.items()
        if size < 2 * longer or size == 40
    ]
    if start == "far":
        stages.insert(0, Stage(scale=stages[0].scale, solver=CmaEs(), n_samples=stages[0].n_samples))
    return tuple(stages)


def register(
    registration: Registration,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    stages: Sequence[Stage] | None = None,
    backend: str = "auto",
    progress: bool = False,
) -> RegistrationResult:
    """Move a registration's cameras to where they see the target.

    Both images are compared as line integrals, −ln (I/I₀): give a target on that scale (`line_integrals_of`). A factor
    and an offset do not matter, so the model may be monoenergetic and the X-ray polychromatic.

    Args:
        registration: cameras, patient and start. Its parameters hold the result afterwards, its size is as before.
        target: X-rays [V, 1, H, W] of the registration's size, one for each view.
        mask: weights of the pixels, broadcastable to the target: 0 for what is not in the CT, such as tools.
        stages: coarse to fine; None for `standard_stages`.
        backend: see `deepdrr.drr.render`.
        progress: show a bar on standard error.

    Returns:
        The pose, and how it was reached.

    Raises:
        TypeError: for something else than tensors of floating-point numbers.
        ValueError: for a target that does not fit, is not finite or has no contrast.

    Example:
        >>> from deepdrr.camera import make_k_inv, make_rt_inv
        >>> from deepdrr.data import Subject
        >>> from deepdrr.metrics import mean_target_registration_error
        >>> from deepdrr.resources import resource_path
        >>> subject = Subject.from_filepath(resource_path("data/ct/pelvis.nii.gz"))
        >>> k_inv, sdd = make_k_inv(1020.0, 6.0, 6.0, 0.0, 0.0, 40, 40), torch.tensor([1020.0])
        >>> def pose(*angles):
        ...     return make_rt_inv(torch.tensor([angles]), torch.tensor([[0.0, 700, 0]]), "AP", subject.isocenter)
        >>> truth, start = pose(0.0, 0.0, 0.0), pose(4.0, -5.0, 3.0)
        >>> xray = Registration(subject, truth, k_inv, sdd, 40, 40)().detach()
        >>> result = register(Registration(subject, start, k_inv, sdd, 40, 40), xray)
        >>> centre = subject.isocenter[None]
        >>> bool(mean_target_registration_error(result.pose, truth, centre) < 1.0)  # mm
        True
    """
    size = (registration.height, registration.width)
    check_target(target, mask, (registration.views, 1, *size))
    chosen = standard_stages(*size) if stages is None else tuple(stages)
    if not chosen:
        raise ValueError("stages must hold at least one stage, got none")
    began = time.perf_counter()
    first = registration.pose.detach().clone()
    trajectory = [Iterate(-1, float("nan"), first, 0.0)]
    target = target.to(registration.rt_inv.device)
    stopped = []
    for number, stage in enumerate(chosen):
        name, earlier = f"stage {number + 1} of {len(chosen)}", len(trajectory)
        bar = progress_bar(name, stage.solver.iterations_at_most, shown=progress)
        with registration.at_scale(stage.scale), bar as report:

            def record(loss: float, motion: Tensor, number: int = number) -> None:
                pose = registration.poses_of(motion).detach()
                trajectory.append(Iterate(number, loss, pose, time.perf_counter() - began))
                report(len(trajectory) - earlier, text=f"{name}, loss {loss:.4f}")  # noqa: B023 (the stage ends first)

            shape = (registration.height, registration.width)
            pixels = resized(target, *shape)
            weights = None if mask is None else resized(mask.to(target).expand_as(target), *shape)
            problem = Problem(registration, pixels, weights, stage.n_samples, backend, record)
            stopped.append(stage.solver.solve(problem))
    pose = registration.pose.detach()
    motion = in_double(pose[0]) @ torch.linalg.inv(in_double(first[0]))
    return RegistrationResult(pose, motion, tuple(stopped), tuple(trajectory))
