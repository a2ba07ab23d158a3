"""Every CUDA kernel against the float64 reference, in value and gradient, executed from the PTX that ships."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
import torch
from cuda_machine import Gpu, marches
from raycast_scenes import GRIDS, carm, grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr.data import Volume, fetch_sample
from deepdrr.detector.draws._cuda import NOISE_JOB
from deepdrr.raycast import (
    Exact,
    Field,
    Rays,
    Request,
    Samples,
    Step,
    project,
    spline_coefficients,
    with_kernel_layout,
)
from deepdrr.raycast.cuda._engine import CudaEngine
from deepdrr.raycast.cuda._jobs import (
    RAY_ADJOINT_JOB,
    RAY_JOB,
    SAMPLES_BYTES,
    VALUE_ADJOINT_JOB,
    WALKED_CHORD_BYTES,
)
from deepdrr.raycast.cuda._prefilter import PREFILTER_JOB
from deepdrr.spectrum.sums._cuda import SPECTRAL_JOB
from deepdrr.tools.crossings._cuda import CROSSING_JOB, DEVICE_MESH

RULES = [
    ("nearest", Step(mm=0.8)),
    ("nearest", Exact()),
    ("linear", Step(mm=0.8)),
    ("linear", Samples(41)),
    ("linear", Exact()),
    ("cubic", Step(mm=0.8)),
]
DIFFERENTIABLE = [rule for rule in RULES if rule[0] != "nearest"]
# float32 sums of a few hundred terms against float64: some units of 6e-8 of the largest integral.
VALUE = 2e-6
GRADIENT = 2e-5


def field_of(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], channels: int, interpolation: str
) -> Field:
    values = noise((channels, *shape), torch.Generator().manual_seed(3))
    return Field(values, grid(shape, spacing, 25.0), prefiltered=interpolation == "cubic")


def close(found: Tensor, expected: Tensor, share: float) -> None:
    """Within a share of the largest number."""
    scale = float(expected.abs().max()) or 1.0
    assert_close(found.double(), expected.double(), rtol=0, atol=share * scale)


@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
@pytest.mark.parametrize(("interpolation", "rule"), RULES)
def test_integrals_agree_with_the_reference(gpu: Gpu, shape, spacing, channels, interpolation, rule) -> None:
    field, view = field_of(shape, spacing, channels, interpolation), carm(19, 18, 30)
    found = gpu.project(field, view, interpolation=interpolation, integration=rule)
    exact = project(field, view, interpolation=interpolation, integration=rule, backend="reference")
    close(found, exact, VALUE)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
@pytest.mark.parametrize(("interpolation", "rule"), DIFFERENTIABLE)
def test_gradients_agree_with_the_reference(gpu: Gpu, launched, shape, spacing, channels, interpolation, rule) -> None:
    field, view = field_of(shape, spacing, channels, interpolation), carm(12, 13, 30)
    upstream = noise((channels, 12, 13), torch.Generator().manual_seed(4))

    def gradients(backend: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
        values = field.values.to(device, dtype).requires_grad_()
        matrix = field.ijk_from_world.to(device, copy=True).requires_grad_()
        source, target = (end.to(device, copy=True).requires_grad_() for end in view.pixel_rays())
        limits = [torch.full((12, 13), t, dtype=torch.float64, device=device, requires_grad=True) for t in (0.1, 0.52)]
        inner, bundle = Field(values, matrix, prefiltered=field.prefiltered), Rays(source, target, *limits)
        image = project(inner, bundle, interpolation=interpolation, integration=rule, backend=backend)
        return torch.autograd.grad(image, (values, matrix, source, target, *limits), upstream.to(image))

    cpu = torch.device("cpu")
    pairs = zip(gradients("cuda", torch.float32, gpu.device), gradients("reference", torch.float64, cpu), strict=True)
    for found, exact in pairs:
        close(found.cpu(), exact, GRADIENT)
    kernel = f"{'exact' if isinstance(rule, Exact) else 'step'}_{interpolation}"
    group = "_group" if channels > 1 and interpolation != "cubic" else ""
    assert set(marches(launched)) == {f"{kernel}_f32{group}", f"{kernel}_grad_rays_f32", f"{kernel}_grad_values_fast"}


def test_rays_that_miss_start_inside_or_run_along_an_axis(gpu: Gpu) -> None:
    field = Field(noise((1, 8, 9, 10), torch.Generator().manual_seed(1)), torch.eye(4, dtype=torch.float64))
    ends = torch.tensor(
        [
            [[-50, 4, 4], [50, 4.2, 4.1]],
            [[-50, 100, 4], [50, 100, 4]],
            [[4, 4, 4], [50, 4.3, 4.7]],
            [[3, 4, -20], [3, 4, 40]],
            [[2.5, 3.5, -20], [2.5, 3.5, 40]],
        ],
        dtype=torch.float64,
    )
    bundle = Rays(ends[None, :, 0], ends[None, :, 1])
    for rule in (Exact(), Step(mm=0.5)):
        found = gpu.project(field, bundle, integration=rule)
        close(found, project(field, bundle, integration=rule, backend="reference"), VALUE)
        assert found[0, 0, 1] == 0


def test_batches_orthographic_views_and_broadcast_sources(gpu: Gpu) -> None:
    field = field_of((15, 16, 17), (1.0, 1.2, 0.9), 2, "linear")
    source = torch.tensor([[0.0, -300, 10], [40, -280, 0], [-60, -250, 20]], dtype=torch.float64)[:, None, None]
    _, target = carm(10, 11, 30).pixel_rays()
    fan = Rays(source, target)
    parallel = Rays(target - torch.tensor([0.0, 400, 0], dtype=torch.float64), target)
    for bundle in (fan, parallel):
        found = gpu.project(field, bundle, integration=Step(mm=1.0))
        close(found, project(field, bundle, integration=Step(mm=1.0), backend="reference"), VALUE)


def test_int16_storage_is_lossless_for_hu(gpu: Gpu) -> None:
    hu = torch.randint(-1024, 3000, (1, 20, 21, 22), generator=torch.Generator().manual_seed(2))
    field = Field(hu.float(), grid((20, 21, 22), (1, 1, 1), 10.0))
    stored = with_kernel_layout(field, storage="int16")
    view = carm(16, 16, 30)
    close(gpu.project(stored, view), project(field, view, backend="reference"), VALUE)


def test_a_real_ct_at_a_small_size(gpu: Gpu) -> None:
    ct = Volume.from_file(fetch_sample("pelvis").image).resample(6.0)
    ct.orient_patient(head_first=True, supine=True)
    field = Field(ct.hu[None] + 1024.0, ct.ijk_from_world)
    view = carm(40, 40, 300, (15, 10, 0))
    for interpolation, rule in (("linear", Step(mm=3.0)), ("linear", Exact()), ("nearest", Exact())):
        options = {"interpolation": interpolation, "integration": rule}
        reference = project(field, view, backend="reference", **options)
        assert float(reference.max()) > 0  # the rays meet it
        close(gpu.project(field, view, **options), reference, VALUE)
    spline = spline_coefficients(field)
    found = gpu.project(spline, view, interpolation="cubic", integration=Step(mm=3.0))
    reference = project(spline, view, interpolation="cubic", integration=Step(mm=3.0), backend="reference")
    close(found, reference, VALUE)


@pytest.mark.parametrize("rule", [Step(mm=0.8), Exact()])
def test_nearest_interpolation_has_gradients_by_the_values(gpu: Gpu, launched, rule) -> None:
    """It is linear in the values: ⟨A v, w⟩ = ⟨v, Aᵀ w⟩, and Aᵀ w is the reference's."""
    field, view = field_of((12, 13, 14), (1.1, 0.9, 1.3), 2, "nearest"), carm(14, 15, 20)
    weights = noise((2, 14, 15), torch.Generator().manual_seed(5))
    found = {}
    for backend, device, dtype in (("cuda", gpu.device, torch.float32), ("reference", "cpu", torch.float64)):
        values = field.values.to(device, dtype).requires_grad_()
        bundle = gpu.rays(view) if backend == "cuda" else Rays.from_camera(view)
        inner = Field(values, field.ijk_from_world.to(device))
        image = project(inner, bundle, interpolation="nearest", integration=rule, backend=backend)
        (found[backend],) = torch.autograd.grad(image, values, weights.to(image))
    off = (found["cuda"].cpu() - found["reference"]).abs() / found["reference"].abs().max()
    # A sample within rounding of a face may fall to either voxel.
    assert float((off > GRADIENT).double().mean()) < (1e-3 if isinstance(rule, Step) else 1e-9)
    kernel = f"{'exact' if isinstance(rule, Exact) else 'step'}_nearest"
    assert set(marches(launched)) == {f"{kernel}_f32_group", f"{kernel}_grad_values_fast"}


def test_what_a_call_makes_it_makes_on_the_device(gpu: Gpu) -> None:
    """Tensors made without naming a device would lie on the host, where no kernel reads; here they have no bytes."""
    generator = torch.Generator().manual_seed(6)
    plain = Field(noise((1, 6, 7, 8), generator), grid((6, 7, 8), (1, 1, 1), 10.0))
    labels = torch.randint(0, 3, (6, 7, 8), generator=generator).to(torch.uint8)
    sorted_ = replace(plain, labels=labels, label_count=3)
    engine = CudaEngine()
    for field in (plain, sorted_):
        request = Request(gpu.field(field), gpu.rays(carm(5, 6, 12)), "linear", Exact())
        upstream = torch.ones(request.output_shape, device=gpu.device)
        with torch.device("meta"):  # where no device is named
            found = [engine.integrate(request), engine.grad_values(upstream, request)]
            found += engine.grad_rays(upstream, request)
        assert {tensor.device.type for tensor in found} == {gpu.device.type}


@pytest.mark.parametrize("rule", [Step(mm=0.7), Exact()])
def test_the_deterministic_gradient_has_the_same_bits_each_time(gpu: Gpu, deterministic: None, rule) -> None:
    field, view = field_of((12, 13, 14), (1, 1, 1), 2, "linear"), carm(24, 24, 20)

    def gradient() -> Tensor:
        values = field.values.to(gpu.device, copy=True).requires_grad_()
        inner = Field(values, field.ijk_from_world.to(gpu.device))
        project(inner, gpu.rays(view), integration=rule, backend="cuda").square().sum().backward()
        return values.grad.cpu()

    first, second = gradient(), gradient()
    assert torch.equal(first, second)
    values = field.values.double().requires_grad_()
    image = project(Field(values, field.ijk_from_world), view, integration=rule, backend="reference")
    image.square().sum().backward()
    close(first, values.grad, GRADIENT)


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_the_deterministic_gradient_of_any_size(gpu: Gpu, deterministic: None, scale: float) -> None:
    """Its integers count quanta that suit the largest term."""
    field, view = field_of((6, 7, 8), (1, 1, 1), 1, "linear"), carm(9, 9, 10)

    def gradient(backend: str, dtype: torch.dtype, inner: Field, bundle: Rays) -> Tensor:
        values = inner.values.to(dtype).requires_grad_()
        image = project(Field(values, inner.ijk_from_world), bundle, backend=backend)
        (found,) = torch.autograd.grad(image, values, torch.full_like(image, scale))
        return found.cpu()

    exact = gradient("reference", torch.float64, field, Rays.from_camera(view))
    close(gradient("cuda", torch.float32, gpu.field(field), gpu.rays(view)), exact, GRADIENT)


def test_the_structs_are_those_of_the_kernels(gpu: Gpu) -> None:
    jobs = (RAY_JOB, RAY_ADJOINT_JOB, VALUE_ADJOINT_JOB, NOISE_JOB, SPECTRAL_JOB, PREFILTER_JOB)
    others = SAMPLES_BYTES, WALKED_CHORD_BYTES, CROSSING_JOB.itemsize, DEVICE_MESH.itemsize
    sizes = torch.zeros(len(jobs) + len(others), dtype=torch.int32, device=gpu.device)
    pointer = np.array((sizes.data_ptr(),), dtype=np.dtype([("out", "u8")]))
    gpu.launcher.launch("job_bytes", (1, 1, 1), 1, pointer, [sizes])
    assert sizes.tolist() == [*(job.itemsize for job in jobs), *others]


def test_an_image_without_pixels_launches_nothing(gpu: Gpu, driver: ctypes.CDLL) -> None:
    before = driver.swcuda_calls(b"cuLaunchKernel")
    field = field_of((4, 4, 4), (1, 1, 1), 1, "linear")
    empty = Rays(torch.zeros(0, 5, 3, dtype=torch.float64), torch.zeros(0, 5, 3, dtype=torch.float64))
    assert gpu.project(field, empty).shape == (1, 0, 5)
    assert driver.swcuda_calls(b"cuLaunchKernel") == before
