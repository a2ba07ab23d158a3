"""Arguments that `project` accepts or refuses, its messages, and the backend it chooses."""

from dataclasses import replace

import pytest
import torch
from raycast_scenes import carm, grid, noise, rays, unit_field

from deepdrr import _kernels
from deepdrr.raycast import (
    Exact,
    Field,
    Rays,
    Request,
    Samples,
    Step,
    available_memory,
    backends,
    check_fits,
    project,
    select_backend,
    with_kernel_layout,
)

EYE = torch.eye(4, dtype=torch.float64)
ONES = torch.ones(1, 3, 3, 3)
LABELS = torch.zeros(3, 3, 3, dtype=torch.int64)
RAY = rays(((-9, 1, 1), (9, 1, 1)))


def request(field: Field, interpolation: str = "linear", bundle: Rays = RAY) -> Request:
    return Request(field, bundle, interpolation, Exact())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None, EYE), ValueError, "neither"),
        ((torch.ones(3, 3, 3), EYE), ValueError, r"\[C, I, J, K\].*\(3, 3, 3\)"),
        ((torch.ones(1, 0, 3, 3), EYE), ValueError, "no empty axis"),
        ((torch.ones(1, 3, 3, 3, dtype=torch.bool), EYE), TypeError, "torch.bool"),
        ((ONES, torch.zeros(4, 4)), ValueError, "ijk_from_world"),
        ((None, EYE, LABELS), ValueError, "label_count"),
        ((ONES, EYE, None, 4), ValueError, "label_count"),
        ((None, EYE, LABELS, 129), ValueError, "128, got 129"),
        ((None, EYE, LABELS + 4, 4), ValueError, "0 to 3.*got 4 to 4"),
        ((None, EYE, LABELS - 1, 4), ValueError, "got -1 to -1"),
        ((None, EYE, LABELS.float(), 4), TypeError, "integers"),
        ((None, EYE, LABELS[0], 4), ValueError, r"\[I, J, K\]"),
        ((torch.ones(2, 3, 3, 3), EYE, LABELS, 4), ValueError, r"\(1, 3, 3, 3\)"),
    ],
)
def test_field_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        Field(*arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(3), torch.zeros(1, 1, 3)), ValueError, r"source must be \[..., H, W, 3\]"),
        ((torch.zeros(1, 1, 3), torch.zeros(1, 1, 2)), ValueError, "target"),
        ((torch.zeros(1, 1, 3), torch.full((1, 1, 3), torch.nan)), ValueError, "target must be finite"),
        ((torch.zeros(1, 1, 3, dtype=torch.int64), torch.zeros(1, 1, 3)), TypeError, "source must be floating"),
        ((torch.zeros(2, 4, 3), torch.zeros(3, 4, 3)), ValueError, "broadcast"),
    ],
)
def test_rays_refuse(arguments, error, message):
    with pytest.raises(error, match=message):
        Rays(*arguments)


@pytest.mark.parametrize("mm", [0.0, -1.0, float("nan"), float("inf")])
def test_step_refuses(mm):
    with pytest.raises(ValueError, match=r"Step\.mm must be a positive length"):
        Step(mm)


@pytest.mark.parametrize(
    ("count", "error"), [(0, ValueError), (-3, ValueError), (2_000_000, ValueError), (2.0, TypeError)]
)
def test_samples_refuse(count, error):
    with pytest.raises(error, match=rf"Samples\.count must be .*got {count}"):
        Samples(count)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"interpolation": "quintic"}, ValueError, "'nearest', 'linear' or 'cubic', got 'quintic'"),
        (
            {"interpolation": "cubic"},
            ValueError,
            r"integration must be Step or Samples for interpolation 'cubic', got Exact",
        ),
        ({"integration": "exact"}, TypeError, r"Exact\(\), Step"),
        ({"integration": Step(mm=1e-9)}, ValueError, r"Step\.mm must be at least"),
        (
            {"backend": "opencl"},
            ValueError,
            "'auto' or one of cuda, cpu, reference, cpu-.*, got 'opencl'",
        ),
        ({"backend": "cuda"}, ValueError, "cannot serve this request: the field is on cpu"),
    ],
)
@pytest.mark.cpu_only("of the CPU backend's words")
def test_project_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        project(unit_field(ONES), RAY, **arguments)


def test_project_refuses_what_is_not_a_view():
    with pytest.raises(TypeError, match="Camera or Rays, got Tensor"):
        project(unit_field(ONES), torch.zeros(3))


def test_images_larger_than_memory_are_refused_before_they_are_made():
    camera = carm(10_000_000, 10_000_000, 10)
    with pytest.raises(MemoryError, match=r"line integrals.* takes 400000000000000 bytes"):
        project(unit_field(ONES), camera)
    moving = replace(camera, camera_from_world=camera.camera_from_world.clone().requires_grad_())
    with pytest.raises(MemoryError, match=r"end points.* takes 2400000000000000 bytes"):
        project(unit_field(ONES), moving)


def test_check_fits_names_the_bytes():
    check_fits("a pixel", (1,), dtype=torch.float32)
    with pytest.raises(MemoryError, match=r"an image of shape \(1048576, 1048576\) takes 4398046511104 bytes"):
        check_fits("an image", (2**20, 2**20), dtype=torch.float32)
    free = available_memory()
    assert free is None or free > 2**20


def test_every_backend_is_ready_or_says_why_not():
    states = backends()
    assert list(states) == ["cuda", "cpu", "reference"]
    assert (states["cpu"], states["reference"]) == ("ready", "ready")
    assert states["cuda"] == "ready" or any(
        why in states["cuda"] for why in ("nvcc", "PyCUDA", "NVIDIA driver", "has no CUDA")
    )


@pytest.mark.cpu_only("of the CPU backend's words")
def test_auto_takes_the_compiled_backend_for_plain_float32():
    choice = select_backend(request(unit_field(ONES)))
    assert (choice.backend.name, choice.reason) == ("cpu", "not cuda: the field is on cpu")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (Field(None, EYE.clone().requires_grad_(), LABELS, 4), "no gradients of path lengths that are routed hard"),
        (unit_field(ONES.double()), "the values are float64"),
    ],
)
@pytest.mark.cpu_only("of the CPU backend's words")
def test_auto_turns_to_the_reference_and_says_why(field, message):
    choice = select_backend(request(field))
    assert choice.backend.name == "reference"
    assert message in choice.reason
    with pytest.raises(ValueError, match=f"backend 'cpu' cannot serve this request: .*{message}"):
        project(field, RAY, backend="cpu")


@pytest.mark.cpu_only("of the CPU backend's words")
def test_gradients_of_nearest_interpolation_with_respect_to_the_rays_are_the_references():
    placed = Field(ONES, torch.eye(4, dtype=torch.float64, requires_grad=True))
    choice = select_backend(request(placed, "nearest"))
    assert choice.backend.name == "reference"
    assert "no gradients of nearest interpolation with respect to the rays" in choice.reason
    assert select_backend(request(unit_field(ONES.clone().requires_grad_()), "nearest")).backend.name == "cpu"


@pytest.mark.cpu_only("of the CPU backend's words")
def test_under_no_grad_a_tensor_that_could_have_a_gradient_is_compiled():
    field = unit_field(ONES.clone().requires_grad_())
    with torch.no_grad():
        assert select_backend(request(field)).backend.name == "cpu"
        assert project(field, RAY).item() == pytest.approx(3.0)
    with pytest.raises(ValueError, match="must not require a gradient"):
        with_kernel_layout(field)


@pytest.mark.cpu_only("of the CPU's builds")
def test_a_missing_module_is_a_reason_and_a_warning(without_kernels):
    assert "deepdrr._kernels_baseline is missing" in backends()["cpu"]
    with pytest.warns(RuntimeWarning, match=r"hundreds of times more slowly.*deepdrr._kernels_baseline is missing"):
        assert select_backend(request(unit_field(ONES))).backend.name == "reference"


@pytest.mark.cpu_only("of the CPU's builds")
def test_an_unknown_instruction_set_is_an_error(monkeypatch):
    monkeypatch.setenv("DEEPDRR_CPU_ISA", "mmx")
    with pytest.raises(ValueError, match="DEEPDRR_CPU_ISA must be one of avx512, avx2, baseline, got 'mmx'"):
        project(unit_field(ONES), RAY)


@pytest.mark.cpu_only("of the CPU's builds")
def test_the_baseline_can_be_forced(monkeypatch):
    monkeypatch.setenv("DEEPDRR_CPU_ISA", "baseline")
    assert _kernels.load_kernels().__name__ == "deepdrr._kernels_baseline"


def test_the_result_has_the_dtype_of_the_values(generator):
    values = noise((1, 4, 4, 4), generator)
    affine = grid((4, 4, 4), (1.0, 1.0, 1.0))
    expected = {torch.float32: torch.float32, torch.float64: torch.float64, torch.int16: torch.float32}
    for given, wanted in expected.items():
        assert project(Field((100 * values).to(given), affine), carm(2, 2, 4)).dtype == wanted
