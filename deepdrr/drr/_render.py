"""`render`: radiographs of a subject, for one effective energy or a spectrum, with gradients."""

import sys
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import ParamSpec, TypeVar, Unpack

import torch
from torch import Tensor

from deepdrr._arguments import check_flag
from deepdrr._functorch import is_transformed
from deepdrr._numbers import as_count
from deepdrr.camera import Camera, check_inverse, checked_sdd
from deepdrr.data import Subject
from deepdrr.drr._checks import check_batches, check_device, checked_subjects
from deepdrr.drr._integrals import Rule, integrals
from deepdrr.drr._physics import Physics, exposed, shot_of
from deepdrr.drr._rays import camera_rays, given_rays, of_subject
from deepdrr.drr._scene import check_source
from deepdrr.geometry import finest_dtype, full_precision
from deepdrr.raycast import Exact, Samples

__all__ = ["render"]

P = ParamSpec("P")
R = TypeVar("R")

# nanodrr's name of our reference backend.
_BACKENDS = {"torch": "reference"}


def _between_graphs(function: Callable[P, R]) -> Callable[P, R]:
    """A function that torch.compile does not trace. The compiler, which takes seconds, is not imported for that."""
    why = "render checks values, which a traced graph cannot do: it runs as it is, between graphs"

    @cache
    def disabled() -> Callable[P, R]:
        found: Callable[P, R] = torch.compiler.disable(function, reason=why)
        return found

    @wraps(function)
    def untraced(*args: P.args, **kwargs: P.kwargs) -> R:
        return (disabled() if "torch._dynamo" in sys.modules else function)(*args, **kwargs)

    # The marks by which the compiler knows what torch.compiler.disable has made.
    vars(untraced).update(_torchdynamo_disable=True, _torchdynamo_disable_msg=why)
    return untraced


@_between_graphs
@full_precision
def render(
    subject: Subject | Sequence[Subject],
    k_inv: Tensor,
    rt_inv: Tensor,
    sdd: Tensor | float,
    height: int,
    width: int,
    n_samples: int | None = 500,
    soft_labels: bool = False,
    orthographic: bool = False,
    src: Tensor | None = None,
    tgt: Tensor | None = None,
    backend: str = "auto",
    **physics: Unpack[Physics],
) -> Tensor:
    r"""Line integrals \( \int \mu\,\mathrm{d}\ell \) of a subject's attenuation, one channel per label.

    With a spectrum, the mean image of a polychromatic beam instead: the signal that its photons leave in a detector
    after passing the basis materials of the subject's Hounsfield units.

    The attenuation is trilinear between voxel centres, keeps the value of the border in the outer half voxel and is
    zero beyond. A ray runs from the source to the centre of a pixel; its part inside the volume is sampled at the
    midpoints of `n_samples` equal steps, or integrated exactly.

    Args:
        subject: the CT, or N of them of any sizes with N poses (subject n at pose n, see `rt_inv`).
        k_inv: inverse intrinsics [*B, 3, 3], see `deepdrr.camera.make_k_inv`.
        rt_inv: world_from_camera, affine [*B, 4, 4], see `deepdrr.camera.make_rt_inv`. The batches of k_inv, rt_inv,
            sdd, src and tgt broadcast. With N subjects its first axis is N: [N, 4, 4], or [N, P, 4, 4] for P poses of
            each.
        sdd: source-to-detector distance, [*B] or a number, mm.
        height, width: rows and columns of the detector.
        n_samples: number of samples on each ray, 2 or more; None for the exact integral.
        soft_labels: for several labels: False assigns an interpolated value to the label of the nearest voxel; True
            assigns each voxel's share of it to that voxel's label, so that channels fade into each other and have a
            gradient with respect to the pose at borders too.
        orthographic: parallel rays along the camera's z instead of a point source.
        src: start points of rays in the camera's frame, [*B, H·W, 3] or [*B, 1, 3], mm; None for those of the camera.
        tgt: end points of rays, likewise, [*B, H·W, 3].
        backend: ``"auto"``, ``"cuda"``, ``"cpu"`` (both compiled) or ``"reference"`` (torch, also called ``"torch"``).
        physics: `spectrum` or `kvp`, and anything else of a `Technique`, see `Physics`. The subject's `mu_water`,
            `mu_bone` and `hu_bone` are then unused; `MaterialModel(density_factors=…)` takes their role.

    Gradients flow to k_inv, rt_inv, sdd, src, tgt, and to the subject's `image_hu`, `mu_water`, `mu_bone`, `hu_bone`
    and `world_to_voxel`. With a spectrum they flow to its voltage and filters, to `density_factors`, contrast
    media and the voxels, but not to the pixel size used for blur. The layout that the compiled backend reads is made at
    the first call and remade when any of its inputs has changed (writes that bypass torch, through NumPy or `.data`, go
    unnoticed). Attenuations of shape [B] apply to one picture each; changing attenuations that are tensors does not
    remake the layout.

    Without a spectrum, `torch.func` works too: `vmap` (of the compiled backends), `grad`, `vjp` and `jacrev`, and in
    forward mode `jvp` and `jacfwd`. Second derivatives with respect to the pose are the reference backend's alone.

    Returns:
        [*B, C, H, W] with C = `subject.n_classes` (the largest of several); with a spectrum C is 1, or the number of
        energy windows of a photon counter. The dtype is that to which torch promotes those of subject and pose.
        Internally, positions are float64 and sums float32 or better.

    Raises:
        ValueError, TypeError: for unacceptable arguments, K in the place of k_inv or a source inside the patient among
            them, before anything is computed.

    Example:
        >>> from deepdrr.camera import make_k_inv, make_rt_inv
        >>> box = Subject(torch.zeros(1, 1, 40, 40, 40), torch.eye(4))  # of water
        >>> k_inv = make_k_inv(1000.0, 0.1, 0.1, 0.0, 0.0, 1, 1)
        >>> pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 600.0, 0.0]]), isocenter=box.isocenter)
        >>> integral = render(box, k_inv, pose, 1000.0, 1, 1)
        >>> round(float(integral / box.mu_water), 3)  # mm of water
        40.0

        The share of an 80 kV beam's energy that passes the same box:

        >>> from deepdrr.spectrum import tungsten_spectrum
        >>> render(box, k_inv, pose, 1000.0, 1, 1, spectrum=tungsten_spectrum(80.0))
        tensor([[[[0.3981]]]])
    """
    if physics and is_transformed():
        raise NotImplementedError(
            "render with a spectrum cannot be transformed by torch.func (vmap, jvp, grad, …): give it the batch "
            "itself, rt_inv [B, 4, 4], and take derivatives with torch.autograd"
        )
    height = as_count(height, "height")
    width = as_count(width, "width")
    check_flag(orthographic, "orthographic")
    if n_samples is not None:
        n_samples = as_count(n_samples, "n_samples", least=2)
    subjects = [subject] if isinstance(subject, Subject) else checked_subjects(subject, rt_inv)
    for one in subjects:
        check_device(one, k_inv=k_inv, rt_inv=rt_inv, sdd=sdd, src=src, tgt=tgt)
    check_inverse(k_inv, rt_inv)
    distance = checked_sdd(sdd, rt_inv)
    check_batches(height, width, k_inv=(k_inv, 2), rt_inv=(rt_inv, 2), sdd=(distance, 0))
    if src is None and tgt is None and not orthographic:
        for n, one in enumerate(subjects):
            check_source(one, rt_inv if isinstance(subject, Subject) else rt_inv[n])
    rule = Rule(Exact() if n_samples is None else Samples(n_samples), soft_labels, _BACKENDS.get(backend, backend))
    shot = shot_of(physics, rule.integration, rule.backend, labeled=soft_labels)
    explicit = src is not None or tgt is not None
    if explicit:
        rays = given_rays(src, tgt, k_inv, rt_inv, distance, height, width, orthographic=orthographic)
    if shot is not None:
        camera = _camera(k_inv, rt_inv, distance, height, width, orthographic)
        picture = exposed(subject, shot, camera, rays if explicit else None)
        return _as_promoted(picture.to(rt_inv.device), subjects[0], rt_inv)
    if not explicit:
        rays = camera_rays(k_inv, rt_inv, distance, height, width, orthographic=orthographic)
    if isinstance(subject, Subject):
        return _as_promoted(integrals(subject, rays, rule), subject, rt_inv)
    channels = max(one.n_classes for one in subjects)
    pictures = [integrals(one, of_subject(rays, n), rule, channels) for n, one in enumerate(subjects)]
    return torch.stack([_as_promoted(p, one, rt_inv) for p, one in zip(pictures, subjects, strict=True)])


def _camera(k_inv: Tensor, rt_inv: Tensor, sdd: Tensor, height: int, width: int, orthographic: bool) -> Camera:
    """The camera in double precision, on the host if the device lacks it."""
    if finest_dtype(rt_inv.device) != torch.float64:
        k_inv, rt_inv, sdd = k_inv.cpu(), rt_inv.cpu(), sdd.cpu()
    return Camera.from_inverse(k_inv, rt_inv, sdd, height, width, orthographic=orthographic)


def _as_promoted(picture: Tensor, subject: Subject, rt_inv: Tensor) -> Tensor:
    return picture.to(torch.promote_types(subject.image_hu.dtype, rt_inv.dtype))
