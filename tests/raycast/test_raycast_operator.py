"""The compiled backend as one operator of torch: registration, torch.compile, torch.func, limits of derivatives."""

import shutil
from dataclasses import replace

import pytest
import torch
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr.raycast import Exact, Field, Rays, Request, Step, project, select_backend

OPERATORS = torch.ops.deepdrr
SHAPE = (6, 5, 4)
AFFINE = grid(SHAPE, (1.5, 0.8, 1.2), 40)
VIEW = Rays.from_camera(carm(3, 4, 9, (23, -31, 11)))


def shifted(offset: Tensor) -> Rays:
    return Rays(VIEW.source, VIEW.target + offset)


def arguments(step: float, labels: Tensor | None = None, routing: str = "hard") -> tuple[object, ...]:
    """What the operators take after the values: rays that end early, a placement, a rule, the engine."""
    limit = torch.full((3, 4), 0.52, dtype=torch.float64)
    by_label = (None, None) if labels is None else (labels, 3)
    return (VIEW.source, VIEW.target, None, limit, AFFINE, None, *by_label, "linear", step, routing, "cpu")


def with_gradient(*inputs: object) -> tuple[object, ...]:
    """The same, where floating tensors want a gradient."""
    wants = [isinstance(t, Tensor) and t.is_floating_point() for t in inputs]
    return tuple(t.clone().requires_grad_() if want else t for t, want in zip(inputs, wants, strict=True))


@pytest.mark.parametrize("routing", [None, "hard", "soft"])
@pytest.mark.parametrize("step", [0.0, 0.7])
def test_the_operators_are_registered_as_torch_wants_them(step, routing, generator):
    labels = None if routing is None else torch.randint(0, 3, SHAPE, generator=generator, dtype=torch.uint8)
    values, upstream = noise((3 if labels is None else 1, *SHAPE), generator), noise((3, 3, 4), generator)
    args = arguments(step, labels, routing or "hard")
    torch.library.opcheck(OPERATORS.line_integrals.default, with_gradient(values, *args))
    torch.library.opcheck(OPERATORS.line_integrals_grad_values.default, (upstream, *values.shape, *args))
    torch.library.opcheck(OPERATORS.line_integrals_grad_rays.default, (upstream, values, *args))


@pytest.mark.parametrize("step", [0.0, 0.7, -20.0])
@pytest.mark.cpu_only("the CUDA kernels sum up no slopes")
def test_the_operators_of_slopes_are_registered_as_torch_wants_them(step, generator):
    values, upstream, args = noise((1, *SHAPE), generator), noise((1, 3, 4), generator), arguments(step)
    torch.library.opcheck(OPERATORS.line_integrals_with_slopes.default, (values, *args))
    _, slopes = OPERATORS.line_integrals_with_slopes(values, *args)
    from_slopes = (upstream, slopes, *SHAPE, *args)
    torch.library.opcheck(OPERATORS.line_integrals_grad_rays_from_slopes.default, from_slopes)


def test_functional_transforms(generator):
    field = Field(noise((2, *SHAPE), generator), AFFINE)

    def integrals(offset: Tensor) -> Tensor:
        return project(field, shifted(offset), backend="cpu")

    offset = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(integrals(offset).sum(), offset)
    gradient = torch.func.grad(lambda o: integrals(o).sum())(offset.detach())
    assert torch.equal(gradient, expected)
    jacobian = torch.func.jacrev(integrals)(offset.detach())  # [C, H, W, 3], by vmap over the adjoint
    assert_close(jacobian.sum((0, 1, 2)), expected, rtol=1e-5, atol=0)  # float32 sums in another order


def test_mapped_rays_and_cameras_are_a_batch(generator, batch_rounding):
    field = Field(noise((2, *SHAPE), generator), AFFINE)
    offsets = noise((3, 3), generator).double()
    mapped = torch.func.vmap(lambda o: project(field, shifted(o), backend="cpu"))(offsets)
    each = torch.stack([project(field, shifted(o), backend="cpu") for o in offsets])
    assert_close(mapped, each, rtol=batch_rounding, atol=batch_rounding)
    camera = carm(3, 4, 9, (23, -31, 11))

    def picture(shift: Tensor) -> Tensor:
        pose = camera.camera_from_world + torch.nn.functional.pad(shift[:, None], (3, 0, 0, 1))
        return project(field, replace(camera, camera_from_world=pose), backend="cpu")

    each = torch.stack([picture(o) for o in offsets])
    assert_close(torch.func.vmap(picture)(offsets), each, rtol=batch_rounding, atol=batch_rounding)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own, of forward mode
@pytest.mark.parametrize("integration", [Exact(), Step(0.7)])
@pytest.mark.parametrize("labels", [False, True])
def test_forward_mode_is_the_jacobian(integration, labels, generator):
    """With respect to the values, the field's place, the ends of the rays and their limits."""
    count = torch.randint(0, 3, SHAPE, generator=generator, dtype=torch.uint8) if labels else None
    values = noise((1 if labels else 2, *SHAPE), generator)
    limit = torch.full((3, 4), 0.52, dtype=torch.float64)

    def integrals(values: Tensor, place: Tensor, target: Tensor, limit: Tensor) -> Tensor:
        field = Field(values, place, labels=count, label_count=3 if labels else None)
        rays = Rays(VIEW.source, target, stop=limit)
        return project(field, rays, integration=integration, backend="cpu")

    given = (values, AFFINE, VIEW.target, limit)
    sizes = (1, 0.01, 1, 0.01)
    tangents = [noise(tuple(t.shape), generator).to(t) * size for t, size in zip(given, sizes, strict=True)]
    tangents[1][3] = 0.0  # an affine matrix stays one
    for number, tangent in enumerate(tangents):

        def alone(one: Tensor, number: int = number) -> Tensor:
            return integrals(*given[:number], one, *given[number + 1 :])

        _, change = torch.func.jvp(alone, (given[number],), (tangent,))
        jacobian = torch.func.jacrev(alone)(given[number]).flatten(3)
        wanted = jacobian.double() @ tangent.flatten().double()
        # Float32 sums; by steps the number of samples depends on the length in mm, which a moved field keeps.
        assert_close(change.double(), wanted, rtol=1e-3, atol=2e-4 * float(wanted.abs().max()))


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile wants a C++ compiler")
@pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # the compiler remarks on the checks of arguments, which it leaves out
def test_compiled_graph_holds_one_operator(generator):
    values = noise((1, *SHAPE), generator)
    offset = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    seen: list[str] = []

    def remember(graph: torch.fx.GraphModule, inputs: object) -> object:
        seen.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    @torch.compile(backend=remember)
    def loss(o: Tensor) -> Tensor:
        return project(Field(2 * values, AFFINE), shifted(o)).sum()

    result = loss(offset)
    (gradient,) = torch.autograd.grad(result, offset)
    assert sum("line_integrals" in name for name in seen) == 1
    plain = project(Field(2 * values, AFFINE), shifted(offset)).sum()
    assert_close(result, plain)
    assert_close(gradient, torch.autograd.grad(plain, offset)[0])


@pytest.mark.parametrize("through", ["autograd", "func"])
def test_a_second_derivative_by_the_rays_points_to_the_reference(through, generator):
    field, x = Field(noise((1, *SHAPE), generator), AFFINE), torch.zeros(3, dtype=torch.float64)

    def loss(offset: Tensor) -> Tensor:
        return project(field, shifted(offset)).sum()

    def second(offset: Tensor) -> Tensor:
        if through == "func":
            return torch.func.jacrev(torch.func.jacrev(loss))(offset)
        offset.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(offset), offset, create_graph=True)
        return torch.autograd.grad(gradient.sum(), offset)[0]

    with pytest.raises(NotImplementedError, match='backend="reference"'):
        second(x)


def test_a_second_derivative_by_the_values_is_a_projection(generator):
    """A least-squares loss |A v|² / 2 has the Hessian Aᵀ A, which a reconstruction applies to vectors."""
    values, direction = noise((2, *SHAPE), generator).requires_grad_(), noise((2, *SHAPE), generator)
    products = {}
    for backend in ("cpu", "reference"):
        loss = project(Field(values, AFFINE), VIEW, backend=backend).square().sum() / 2
        (gradient,) = torch.autograd.grad(loss, values, create_graph=True)
        (products[backend],) = torch.autograd.grad(gradient, values, direction)
    assert_close(products["cpu"], products["reference"], rtol=1e-5, atol=1e-5)  # float32 sums


@pytest.mark.cpu_only("of the CPU backend's words")
def test_a_gradient_wanted_is_no_reason_against_the_compiled_backend(generator):
    field = Field(noise((1, *SHAPE), generator).requires_grad_(), AFFINE)
    choice = select_backend(Request(field, VIEW, "linear", Exact()))
    assert (choice.backend.name, choice.reason) == ("cpu", "not cuda: the field is on cpu")
