"""`register`: from coarse to fine, to the pose at which the patient looks like the X-rays."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from deepdrr._progress import progress_bar
from deepdrr.geometry import in_double
from deepdrr.registration._certainty import certainty_of
from deepdrr.registration._checks import check_target
from deepdrr.registration._diagnosis import hint_of, hint_of_distance
from deepdrr.registration._quality import SURE, TRUSTED, DoubtfulRegistrationWarning, Quality, quality_of
from deepdrr.registration._registration import Registration
from deepdrr.registration._result import Iterate, RegistrationResult
from deepdrr.registration._stages import Stage, standard_stages
from deepdrr.registration.targets._polarity import Polarity
from deepdrr.registration.targets._target import Target, prepared_target

__all__ = ["register"]


def register(
    registration: Registration,
    target: Tensor,
    *,
    mask: Tensor | Literal["auto"] | None = "auto",
    polarity: Polarity = "auto",
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
        mask: what counts. `"auto"` finds the exposed field (of any convex shape, in a border of any grey) and leaves
            out the rest, with marks that lie over the picture (letters, lead markers, parts of tools); weights of the
            pixels, broadcastable to the target, 0 for what is not in the CT; or None: all pixels count. `left_out` of
            the result says how much it was.
        polarity: `"auto"` reverses the grey of X-rays that look more like the patient then; `"as_given"`, bright where
            the patient attenuates; `"reversed"`.
        stages: coarse to fine; None for `standard_stages`.
        backend: see `deepdrr.drr.render`.
        progress: show a bar on standard error.

    Returns:
        The pose, how it was reached, how well the picture at the end agrees with the X-rays, and how sure the pose is.

    Warns:
        DoubtfulRegistrationWarning: if they do not agree as they do where a registration ended in the right place.

    Raises:
        TypeError: for something else than tensors of floating-point numbers.
        ValueError: for a target that does not fit, is not finite or has no contrast, or a camera that sees nothing of
            the CT at the start; it says how far away the CT is.

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
    if polarity not in get_args(Polarity):
        raise ValueError(f"polarity must be 'auto', 'as_given' or 'reversed', got {polarity!r}")
    chosen = standard_stages(*size) if stages is None else tuple(stages)
    if not chosen:
        raise ValueError("stages must hold at least one stage, got none")
    prepared = prepared_target(registration, target, mask, polarity, backend)
    first = registration.motion.detach().clone()
    trajectory = [Iterate(-1, float("nan"), registration.pose.detach().clone(), 0.0)]
    stopped = _walk(registration, prepared, chosen, trajectory, backend=backend, progress=progress)
    quality = quality_of(registration, prepared, backend)
    hint = hint_of_distance(first, registration.motion.detach(), chosen)
    if not hint and quality.least < SURE:
        hint = hint_of(registration, first, target, quality, polarity, backend)
    quality = replace(quality, hint=hint)
    if not quality.is_good:
        warnings.warn(_doubt(quality), DoubtfulRegistrationWarning, stacklevel=2)
    certainty = certainty_of(registration, prepared, backend)
    pose = registration.pose.detach()
    motion = in_double(pose[0]) @ torch.linalg.inv(in_double(trajectory[0].pose[0]))
    center = registration.subject.isocenter.detach()
    return RegistrationResult(pose, motion, stopped, tuple(trajectory), prepared, center, quality, certainty)


def _doubt(quality: Quality) -> str:
    least = f"the picture agrees with the X-ray to {quality.least:.2f}"
    compared = f", right ones to {TRUSTED:g} and more" if quality.least < TRUSTED else ""
    hint = f"; {quality.hint}" if quality.hint else ""
    return f"the registration is not to be trusted: {least}{compared}{hint}"


def _walk(
    registration: Registration,
    target: Target,
    stages: Sequence[Stage],
    trajectory: list[Iterate],
    *,
    backend: str,
    progress: bool,
) -> tuple[str, ...]:
    """Take one stage after the other, add to the trajectory, and say why each stopped."""
    began, stopped = time.perf_counter(), []
    for number, stage in enumerate(stages):
        name, earlier = f"stage {number + 1} of {len(stages)}", len(trajectory)
        bar = progress_bar(name, stage.solver.iterations_at_most, shown=progress)
        with registration.at_scale(stage.scale), bar as report:

            def record(loss: float, motion: Tensor, number: int = number) -> None:
                pose = registration.poses_of(motion).detach()
                trajectory.append(Iterate(number, loss, pose, time.perf_counter() - began))
                report(len(trajectory) - earlier, text=f"{name}, loss {loss:.4f}")  # noqa: B023 (the stage ends first)

            stopped.append(stage.solver.solve(target.problem(registration, stage.n_samples, backend, record)))
    return tuple(stopped)
