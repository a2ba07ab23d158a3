"""The CUDA kernels that route by label, against the float64 reference in value and gradient."""

from dataclasses import replace

import pytest
import torch
from cuda_machine import Gpu
from raycast_scenes import carm, grid, noise, rays
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.data import Volume, fetch_sample
from deepdrr.raycast import Exact, Field, Rays, Request, Samples, Step, arranged, project, select_backend

RULES = {
    "exact_nearest_hard": {"interpolation": "nearest", "integration": Exact()},
    "step_nearest_hard": {"interpolation": "nearest", "integration": Step(mm=0.71)},
    "exact_linear_hard": {"routing": "hard", "integration": Exact()},
    "step_linear_hard": {"routing": "hard", "integration": Step(mm=0.71)},
    "exact_linear_soft": {"routing": "soft", "integration": Exact()},
    "step_linear_soft": {"routing": "soft", "integration": Samples(41)},
}
# Samples that are routed hard are compared where none lies on a voxel's face, which may go to either side.
SMOOTH = [kernel for kernel in RULES if kernel not in ("step_nearest_hard", "step_linear_hard")]
DIFFERENTIABLE = ["exact_linear_hard", "exact_linear_soft", "step_linear_soft"]
# Oblique, one voxel thick along each axis, tiny, anisotropic.
GRIDS = [
    ((21, 17, 19), (0.9, 1.1, 1.3)),
    ((1, 14, 15), (2.0, 1.0, 1.0)),
    ((14, 1, 15), (1.0, 2.0, 1.0)),
    ((14, 15, 1), (1.0, 1.0, 2.0)),
    ((1, 1, 1), (3.0, 3.0, 3.0)),
    ((9, 30, 4), (0.3, 0.4, 5.0)),
]
# float32 sums of a few hundred terms against float64: some units of 6e-8 of the brightest pixel's whole integral.
VALUE = 2e-6
# The product promises 1e-4 of the largest derivative.
GRADIENT = 2e-5
# A limit or the placement moves points of the rays by up to the distance between source and detector.
LEVER_MM = {"ijk_from_world": 1000.0, "start": 1000.0, "stop": 1000.0}
INPUTS = ("values", "ijk_from_world", "source", "target", "start", "stop")


def labelled(shape, spacing, count: int, *, values: bool = True, seed: int = 3) -> Field:
    """Labels and values with no structure: every voxel is another label's."""
    generator = torch.Generator().manual_seed(seed)
    voxels = noise((1, *shape), generator) if values else None
    return Field(voxels, grid(shape, spacing, 33.0), torch.randint(0, count, shape, generator=generator), count)


def organs(shape=(18, 16, 20), count: int = 6, seed: int = 5) -> Field:
    """Labels of regions larger than a voxel, as rays meet them in a patient."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, count, (1, 1, 4, 4, 4), generator=generator).float()
    labels = torch.nn.functional.interpolate(coarse, shape, mode="nearest")[0, 0].long()
    return Field(noise((1, *shape), generator), grid(shape, (1.1, 0.9, 1.3), 33.0), labels, count)


def assert_parity(gpu: Gpu, field: Field, view: Camera | Rays, share: float = VALUE, **how: object) -> None:
    expected = project(field, view, backend="reference", **how)
    brightest = float(expected.sum(-3).max())
    assert_close(gpu.project(field, view, **how), expected.float(), rtol=0, atol=share * brightest)


def gradients(field: Field, bundle: Rays, backend: str, **how: object) -> dict[str, Tensor]:
    """Derivatives of Σ w I, with w that differs from ray to ray and channel to channel, by every input there is."""
    inputs = {name: getattr(field if name in ("values", "ijk_from_world") else bundle, name) for name in INPUTS}
    leaves = {name: t.detach().clone().requires_grad_() for name, t in inputs.items() if t is not None}
    given = replace(field, values=leaves.get("values"), ijk_from_world=leaves["ijk_from_world"])
    ends = Rays(leaves["source"], leaves["target"], leaves.get("start"), leaves.get("stop"))
    integrals = project(given, ends, backend=backend, **how)
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    found = torch.autograd.grad((weights * integrals).sum(), list(leaves.values()))
    return {name: gradient.cpu() for name, gradient in zip(leaves, found, strict=True)}


def assert_same_gradients(gpu: Gpu, field: Field, bundle: Rays, share: float = GRADIENT, **how: object) -> None:
    expected = gradients(field, bundle, "reference", **how)
    found = gradients(gpu.field(field), gpu.rays(bundle), "cuda", **how)
    voxels_per_mm = float(field.ijk_from_world[:3, :3].norm(dim=1).max())
    # Where large terms cancel, their float32 rounding is left: 1e-6 of the integrals, per voxel moved.
    floor = 1e-6 * voxels_per_mm * float(project(field, bundle, backend="reference", **how).sum(-3).max())
    for name, reference in expected.items():
        atol = share * float(reference.abs().max()) + floor * LEVER_MM.get(name, 1.0)
        assert_close(found[name], reference, rtol=0, atol=atol, msg=lambda m, n=name: f"by {n}: {m}")


@pytest.mark.parametrize("count", [1, 5, 128])
@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
@pytest.mark.parametrize("kernel", SMOOTH)
def test_every_channel_agrees_with_the_reference(gpu: Gpu, launched, shape, spacing, count, kernel) -> None:
    assert_parity(gpu, labelled(shape, spacing, count), carm(19, 18, 30), **RULES[kernel])
    assert launched == [f"{kernel}_f32"]


@pytest.mark.parametrize("kernel", SMOOTH)
def test_path_lengths(gpu: Gpu, launched, kernel: str) -> None:
    assert_parity(gpu, labelled((11, 12, 13), (1.1, 1.0, 0.9), 7, values=False), carm(14, 15, 20), **RULES[kernel])
    assert launched == [f"{kernel.replace('linear_hard', 'nearest_hard')}_f32"]


@pytest.mark.parametrize("kernel", SMOOTH)
def test_organs_larger_than_a_voxel(gpu: Gpu, kernel: str) -> None:
    assert_parity(gpu, organs(), carm(24, 22, 20), **RULES[kernel])


@pytest.mark.parametrize("kernel", ["step_nearest_hard", "step_linear_hard"])
def test_hard_steps_agree_but_for_samples_on_voxel_faces(gpu: Gpu, launched, kernel: str) -> None:
    """A sample within rounding of a face may fall to either voxel: one sample of one ray in a thousand."""
    field, view = labelled((30, 20, 25), (1.1, 1.3, 0.9), 5), carm(24, 24, 30)
    reference = project(field, view, backend="reference", **RULES[kernel])
    difference = (gpu.project(field, view, **RULES[kernel]) - reference).abs()
    assert float(difference.max()) <= 0.71
    assert float((difference > 1e-4).float().mean()) < 2e-3
    assert launched == [f"{kernel}_f32"]


@pytest.mark.parametrize("kernel", SMOOTH)
def test_rays_along_axes_missing_and_inside(gpu: Gpu, kernel: str) -> None:
    bundle = rays(
        ((-50, 0.3, 0.2), (60, 0.3, 0.2)),  # along each axis
        ((1.3, 50, 0.2), (1.3, -60, 0.2)),
        ((1.3, 0.4, -50), (1.3, 0.4, 60)),
        ((-50, 3.3, 0.2), (60, 3.3, 0.2)),  # in the outer half voxel
        ((-50, 9, 0), (60, 9, 0)),  # beside the volume
        ((-1.3, 0.3, 0.2), (50, 4, 3)),  # starts inside
        ((-1.3, 0.3, 0.2), (2.2, -1.1, 0.6)),  # starts and ends inside
        ((1, 1, 1), (1, 1, 1)),  # has no length
    )
    field = replace(labelled((9, 7, 5), (1, 1, 1), 4), ijk_from_world=grid((9, 7, 5), (1, 1, 1)))
    assert_parity(gpu, field, bundle, **RULES[kernel])


@pytest.mark.parametrize("kernel", SMOOTH)
def test_arranged_and_int16_fields(gpu: Gpu, launched, kernel: str) -> None:
    """Rows are padded, the finest axis comes last, and whole numbers are stored without loss."""
    field = labelled((21, 17, 13), (0.8, 1.5, 2.5), 5)
    hu = replace(field, values=torch.round(4000 * field.values) - 1000)
    for storage in ("float32", "int16"):
        small = arranged(hu, storage)
        expected = project(hu, carm(11, 14, 35), backend="reference", **RULES[kernel])
        found = gpu.project(small, carm(11, 14, 35), **RULES[kernel])
        assert_close(found, expected.float(), rtol=0, atol=VALUE * float(expected.abs().sum(-3).max()))
    assert launched == [f"{kernel}_f32", f"{kernel}_i16"]


def test_a_batch_of_views_is_one_launch(gpu: Gpu, launched) -> None:
    views = Camera.stack([carm(13, 11, 20), carm(13, 11, 20, (5, 60, 0)), carm(13, 11, 20, (90, 10, 30))])
    assert_parity(gpu, organs(), views, **RULES["exact_linear_soft"])
    assert launched == ["exact_linear_soft_f32"]


def test_rays_are_cut_into_parts_where_that_pays(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small image of few labels through a volume is cut, one of many labels is not; both mean the same."""
    from deepdrr.raycast import _cuda

    found: list[int] = []
    pays = _cuda._parts_that_pay

    def record(*arguments: object) -> int:
        found.append(pays(*arguments))
        return found[-1]

    monkeypatch.setattr(_cuda, "_parts_that_pay", record)
    for count in (2, 128):
        assert_parity(gpu, labelled((40, 40, 40), (1, 1, 1), count), carm(12, 12, 50), **RULES["exact_linear_hard"])
    assert found[0] > 1
    assert found[1] == 1


@pytest.mark.parametrize("kernel", ["exact_nearest_hard", "exact_linear_soft"])
def test_the_same_bits_every_time(gpu: Gpu, kernel: str) -> None:
    """Nobody adds to a ray's pixels but its own thread, in the order of its way."""
    first, second = (gpu.project(organs(), carm(20, 20, 20), **RULES[kernel]) for _ in range(2))
    assert torch.equal(first, second)


def test_labels_changed_after_they_were_checked_do_no_harm(gpu: Gpu) -> None:
    """A label that has become too large finds no channel."""
    field = labelled((8, 8, 8), (1, 1, 1), 3)
    field, view = gpu.field(replace(field, labels=field.labels.to(torch.uint8))), gpu.rays(carm(9, 9, 10))
    before = {kernel: project(field, view, backend="cuda", **RULES[kernel]).cpu() for kernel in SMOOTH}
    assert field.labels is not None
    field.labels[field.labels == 2] = 255
    for kernel in SMOOTH:
        after = project(field, view, backend="cuda", **RULES[kernel]).cpu()
        assert float(after[2].abs().max()) == 0
        # Soft: the corners of a spoilt voxel's neighbours are added one by one.
        assert_close(after[:2], before[kernel][:2], rtol=0, atol=VALUE * float(before[kernel].sum(0).max()))


@pytest.mark.parametrize("count", [1, 6, 128])
@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_agree_with_the_reference(gpu: Gpu, launched, shape, spacing, count, kernel) -> None:
    bundle = Rays.from_camera(carm(12, 13, 30))
    limits = [torch.full((12, 13), t, dtype=torch.float64) for t in (0.1, 0.52)]
    field = labelled(shape, spacing, count)
    assert_same_gradients(gpu, field, Rays(bundle.source, bundle.target, *limits), **RULES[kernel])
    assert set(launched) == {f"{kernel}_f32", f"{kernel}_by_rays_f32", f"{kernel}_by_values_fast"}


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_of_organs(gpu: Gpu, kernel: str) -> None:
    assert_same_gradients(gpu, organs((12, 11, 13)), Rays.from_camera(carm(13, 12, 14)), **RULES[kernel])


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_of_rays_along_axes_missing_and_inside(gpu: Gpu, kernel: str) -> None:
    """Off the planes of voxel centres and faces, where derivatives jump and two answers are right."""
    bundle = rays(
        ((-50, 0.3, 0.2), (60, 0.3, 0.2)),
        ((1.3, 50, 0.2), (1.3, -60, 0.2)),
        ((1.3, 0.4, -50), (1.3, 0.4, 60)),
        ((-50, 3.3, 0.2), (60, 3.3, 0.2)),
        ((-50, 9, 0), (60, 9, 0)),
        ((-1.3, 0.3, 0.2), (50, 4, 3)),
        ((-1.3, 0.3, 0.2), (2.2, -1.1, 0.6)),
        ((1, 1, 1), (1, 1, 1)),
    )
    field = replace(labelled((9, 7, 5), (1, 1, 1), 4), ijk_from_world=grid((9, 7, 5), (1, 1, 1)))
    assert_same_gradients(gpu, field, bundle, **RULES[kernel])


@pytest.mark.parametrize("storage", ["f32", "i16"])
def test_gradients_of_hard_steps_by_the_rays(gpu: Gpu, launched, storage: str) -> None:
    """A sample within rounding of a face may go to either label: one ray in a hundred. Sides are odd: across an even
    number of voxels the middle one of an odd number of samples lies on a face."""
    field, bundle, how = hard_steps(), gpu.rays(carm(16, 17, 18)), RULES["step_linear_hard"]
    expected = gradients(field, Rays.from_camera(carm(16, 17, 18)), "reference", **how)["target"]
    target = bundle.target.clone().requires_grad_()
    stored = gpu.field(arranged(field, "int16" if storage == "i16" else "float32"))
    integrals = project(stored, Rays(bundle.source, target), backend="cuda", **how)
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    (found,) = torch.autograd.grad((weights * integrals).sum(), target)
    error = (found.cpu() - expected).abs().amax(-1) / expected.abs().max()
    assert float((error > GRADIENT).double().mean()) < 0.01
    assert launched == [f"step_linear_hard_{storage}", f"step_linear_hard_by_rays_{storage}"]


@pytest.mark.parametrize("mode", ["fast", "fixed"])
def test_gradients_of_hard_steps_by_the_values(gpu: Gpu, launched, request, mode: str) -> None:
    if mode == "fixed":
        request.getfixturevalue("deterministic")
    field, how = hard_steps(), RULES["step_linear_hard"]
    expected = gradients(field, Rays.from_camera(carm(16, 17, 18)), "reference", **how)["values"]
    found = gradients(gpu.field(field), gpu.rays(carm(16, 17, 18)), "cuda", **how)["values"]
    error = (found - expected).abs() / expected.abs().max()
    assert float((error > GRADIENT).double().mean()) < 0.01
    assert f"step_linear_hard_by_values_{mode}" in launched


def hard_steps() -> Field:
    field = labelled((13, 11, 15), (1.1, 1.3, 0.9), 5)
    return replace(field, values=torch.round(3000 * field.values))


def test_soft_path_lengths_follow_the_pose(gpu: Gpu, launched) -> None:
    """What a silhouette loss differentiates: soft lengths of organs, without values."""
    field = labelled((9, 8, 7), (1.0, 1.2, 0.9), 3, values=False)
    for kernel in ("exact_linear_soft", "step_linear_soft"):
        assert_same_gradients(gpu, field, Rays.from_camera(carm(6, 7, 9)), **RULES[kernel])


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_by_the_rays_of_values_stored_as_int16(gpu: Gpu, launched, kernel: str) -> None:
    field, bundle = organs((20, 18, 12)), Rays.from_camera(carm(6, 7, 20))
    field = replace(field, values=torch.round(3000 * field.values))
    expected = gradients(field, bundle, "reference", **RULES[kernel])["target"]
    stored, target = gpu.field(arranged(field, "int16")), gpu.rays(bundle).target.clone().requires_grad_()
    integrals = project(stored, Rays(gpu.rays(bundle).source, target), backend="cuda", **RULES[kernel])
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    (found,) = torch.autograd.grad((weights * integrals).sum(), target)
    assert_close(found.cpu(), expected, rtol=0, atol=GRADIENT * float(expected.abs().max()))
    assert f"{kernel}_by_rays_i16" in launched


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_the_deterministic_gradient_has_the_same_bits_each_time(gpu, deterministic, launched, kernel: str) -> None:
    field, bundle = organs(), Rays.from_camera(carm(15, 16, 20))
    first, second = (gradients(gpu.field(field), gpu.rays(bundle), "cuda", **RULES[kernel]) for _ in range(2))
    assert torch.equal(first["values"], second["values"])
    assert f"{kernel}_by_values_fixed" in launched
    assert_same_gradients(gpu, field, bundle, **RULES[kernel])


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_values_and_integrals_are_each_others_adjoint(gpu: Gpu, kernel: str) -> None:
    """⟨A v, w⟩ = ⟨v, Aᵀ w⟩, and so for a second derivative, which is the integral again."""
    field = gpu.field(labelled((40, 12, 9), (1.1, 1.5, 2.0), 5))
    values = field.values.clone().requires_grad_()
    bundle = gpu.rays(carm(17, 21, 90, (40, 50, 60)))
    integrals = project(replace(field, values=values), bundle, backend="cuda", **RULES[kernel])
    weights = torch.rand(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    (by_values,) = torch.autograd.grad(integrals, values, weights)
    left, right = (integrals * weights).double().sum(), (by_values * values).double().sum()
    assert_close(left, right, rtol=1e-6, atol=0)  # float32 integrals of positive values


def test_a_real_ct_at_a_small_size(gpu: Gpu) -> None:
    """Air, lung and fat, soft tissue, bone, by HU; values are densities of 0 to 2."""
    ct = Volume.from_file(fetch_sample("pelvis").image).resample(8.0)
    labels = torch.bucketize(ct.hu, torch.tensor([-800.0, -30.0, 200.0])).to(torch.uint8)
    field = Field((1 + ct.hu[None] / 1000).clamp(min=0), ct.ijk_from_world, labels, 4)
    view = carm(30, 30, 300, (15, 10, 0))
    for kernel in SMOOTH:
        assert_parity(gpu, field, view, **RULES[kernel])
    small = Rays.from_camera(carm(8, 9, 250, (15, 10, 0)))
    for kernel in DIFFERENTIABLE:
        assert_same_gradients(gpu, field, small, **RULES[kernel])


def test_cuda_serves_what_the_cpu_serves(gpu: Gpu) -> None:
    """All but doubles, gradients of nearest interpolation by the rays, and a few with labels, go to the reference."""
    field = gpu.field(labelled((4, 5, 6), (1, 1, 1), 3))
    view = gpu.rays(carm(3, 3, 9))
    moving = replace(field, ijk_from_world=field.ijk_from_world.clone().requires_grad_())
    changing = replace(field, values=field.values.clone().requires_grad_())
    plain = replace(changing, labels=None, label_count=None)
    assert select_backend(Request(plain, view, "nearest", Exact())).backend.name == "cuda"
    assert select_backend(Request(changing, view, "linear", Exact(), "soft")).backend.name == "cuda"
    reason = select_backend(Request(moving, view, "nearest", Exact())).reason
    assert "not cuda: it has no gradients of nearest interpolation by the rays" in reason
    lengths = replace(moving, values=None)
    assert "path lengths that are routed hard" in select_backend(Request(lengths, view, "linear", Exact())).reason
    doubles = replace(field, values=field.values.double())
    assert "the values are float64" in select_backend(Request(doubles, view, "linear", Exact())).reason
