"""The CUDA kernels that route by label, against the float64 reference."""

from dataclasses import replace

import pytest
import torch
from cuda_machine import Gpu, marches
from raycast_scenes import GRIDS, carm, difficult_rays, labeled, organs
from routed_rules import ROUTED, SMOOTH, small_ct
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, Rays, Request, project, select_backend, with_kernel_layout

# float32 sums of a few hundred terms against float64: some units of 6e-8 of the brightest pixel's whole integral.
VALUE = 2e-6


def assert_parity(gpu: Gpu, field: Field, view: Camera | Rays, **how: object) -> None:
    expected = project(field, view, backend="reference", **how)
    brightest = float(expected.sum(-3).max())
    assert brightest > 0  # the rays meet it
    assert_close(gpu.project(field, view, **how), expected.float(), rtol=0, atol=VALUE * brightest)


@pytest.mark.parametrize("count", [1, 5, 128])
@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
@pytest.mark.parametrize("kernel", SMOOTH)
def test_every_channel_agrees_with_the_reference(gpu: Gpu, generator, launched, shape, spacing, count, kernel) -> None:
    assert_parity(gpu, labeled(shape, spacing, 33, count, generator), carm(19, 18, 30), **ROUTED[kernel])
    assert marches(launched) == [f"{kernel}_f32"]


@pytest.mark.parametrize("kernel", SMOOTH)
def test_path_lengths(gpu: Gpu, generator, launched, kernel: str) -> None:
    assert_parity(
        gpu, labeled((11, 12, 13), (1.1, 1.0, 0.9), 33, 7, generator, values=False), carm(14, 15, 20), **ROUTED[kernel]
    )
    assert marches(launched) == [f"{kernel.replace('linear_hard', 'nearest_hard')}_f32"]


@pytest.mark.parametrize("kernel", SMOOTH)
def test_organs_larger_than_a_voxel(gpu: Gpu, generator, kernel: str) -> None:
    assert_parity(gpu, organs((18, 16, 20), generator), carm(24, 22, 20), **ROUTED[kernel])


@pytest.mark.parametrize("kernel", ["step_nearest_hard", "step_linear_hard"])
def test_hard_steps_agree_but_for_samples_on_voxel_faces(gpu: Gpu, generator, launched, kernel: str) -> None:
    """A sample within rounding of a face may fall to either voxel: one sample of one ray in a thousand."""
    field, view = labeled((30, 20, 25), (1.1, 1.3, 0.9), 33, 5, generator), carm(24, 24, 30)
    reference = project(field, view, backend="reference", **ROUTED[kernel])
    difference = (gpu.project(field, view, **ROUTED[kernel]) - reference).abs()
    assert float(difference.max()) <= 0.71
    assert float((difference > 1e-4).float().mean()) < 2e-3
    assert marches(launched) == [f"{kernel}_f32"]


@pytest.mark.parametrize("kernel", SMOOTH)
def test_rays_along_axes_missing_and_inside(gpu: Gpu, generator, kernel: str) -> None:
    field = labeled((9, 7, 5), (1, 1, 1), 0, 4, generator)
    assert_parity(gpu, field, difficult_rays(), **ROUTED[kernel])


@pytest.mark.parametrize("kernel", SMOOTH)
def test_laid_out_and_int16_fields(gpu: Gpu, generator, launched, kernel: str) -> None:
    """Rows are padded, the finest axis comes last, and whole numbers are stored without loss."""
    field = labeled((21, 17, 13), (0.8, 1.5, 2.5), 33, 5, generator)
    hu = replace(field, values=torch.round(4000 * field.values) - 1000)
    for storage in ("float32", "int16"):
        small = with_kernel_layout(hu, storage)
        expected = project(hu, carm(11, 14, 35), backend="reference", **ROUTED[kernel])
        found = gpu.project(small, carm(11, 14, 35), **ROUTED[kernel])
        assert_close(found, expected.float(), rtol=0, atol=VALUE * float(expected.abs().sum(-3).max()))
    assert marches(launched) == [f"{kernel}_f32", f"{kernel}_i16"]


def test_a_batch_of_views_is_one_launch(gpu: Gpu, generator, launched) -> None:
    views = Camera.stack([carm(13, 11, 20), carm(13, 11, 20, (5, 60, 0)), carm(13, 11, 20, (90, 10, 30))])
    assert_parity(gpu, organs((18, 16, 20), generator), views, **ROUTED["exact_linear_soft"])
    assert marches(launched) == ["exact_linear_soft_f32"]


def test_rays_are_cut_into_parts_where_that_pays(gpu: Gpu, generator) -> None:
    """A small image of few labels through a volume is cut, one of many labels is not; both mean the same."""
    for count, is_cut in ((2, True), (128, False)):
        field = labeled((40, 40, 40), (1, 1, 1), 33, count, generator)
        assert_parity(gpu, field, carm(12, 12, 50), **ROUTED["exact_linear_hard"])
        _across, _down, parts = gpu.launcher.grids[-1]  # of the one view
        assert (parts > 1) == is_cut


@pytest.mark.parametrize("kernel", ["exact_nearest_hard", "exact_linear_soft"])
def test_the_same_bits_every_time(gpu: Gpu, generator, kernel: str) -> None:
    """Nobody adds to a ray's pixels but its own thread, in the order of its way."""
    field = organs((18, 16, 20), generator)
    first, second = (gpu.project(field, carm(20, 20, 20), **ROUTED[kernel]) for _ in range(2))
    assert torch.equal(first, second)


def test_labels_changed_after_they_were_checked_do_no_harm(gpu: Gpu, generator) -> None:
    """A label that has become too large finds no channel."""
    field = labeled((8, 8, 8), (1, 1, 1), 33, 3, generator)
    field, view = gpu.field(replace(field, labels=field.labels.to(torch.uint8))), gpu.rays(carm(9, 9, 10))
    before = {kernel: project(field, view, backend="cuda", **ROUTED[kernel]).cpu() for kernel in SMOOTH}
    assert field.labels is not None
    field.labels[field.labels == 2] = 255
    for kernel in SMOOTH:
        after = project(field, view, backend="cuda", **ROUTED[kernel]).cpu()
        assert float(after[2].abs().max()) == 0
        # Soft: the corners of a spoilt voxel's neighbours are added one by one.
        assert_close(after[:2], before[kernel][:2], rtol=0, atol=VALUE * float(before[kernel].sum(0).max()))


def test_a_real_ct_at_a_small_size(gpu: Gpu) -> None:
    for kernel in SMOOTH:
        assert_parity(gpu, small_ct(), carm(30, 30, 300, (15, 10, 0)), **ROUTED[kernel])


def test_cuda_serves_what_the_cpu_serves(gpu: Gpu, generator) -> None:
    """All but doubles, gradients of nearest interpolation by the rays, and a few with labels, go to the reference."""
    field = gpu.field(labeled((4, 5, 6), (1, 1, 1), 33, 3, generator))
    view = gpu.rays(carm(3, 3, 9))
    moving = replace(field, ijk_from_world=field.ijk_from_world.clone().requires_grad_())
    changing = replace(field, values=field.values.clone().requires_grad_())
    plain = replace(changing, labels=None, label_count=None)
    assert select_backend(Request(plain, view, "nearest", Exact())).backend.name == "cuda"
    assert select_backend(Request(changing, view, "linear", Exact(), "soft")).backend.name == "cuda"
    reason = select_backend(Request(moving, view, "nearest", Exact())).reason
    assert "not cuda: it has no gradients of nearest interpolation with respect to the rays" in reason
    lengths = replace(moving, values=None)
    assert "path lengths that are routed hard" in select_backend(Request(lengths, view, "linear", Exact())).reason
    doubles = replace(field, values=field.values.double())
    assert "the values are float64" in select_backend(Request(doubles, view, "linear", Exact())).reason
