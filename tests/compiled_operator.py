"""What every compiled operator promises, as base classes of tests: values, gradients, builds, threads, types.

A subclass names its cases, makes the scene of a case and computes it by an engine: `"auto"` is the function that users
call, `"reference"` is torch in float64, and `"cpu-avx2"` a build of the CPU's kernels.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from deepdrr._kernels import load_kernels, usable_builds

# The builds of the CPU's kernels, by the names of their engines.
EVERY_BUILD = pytest.mark.parametrize("build", [f"cpu-{build}" for build in usable_builds()])
OF_THE_BUILDS = pytest.mark.cpu_only("of the CPU's builds")
OF_THE_THREADS = pytest.mark.cpu_only("of the CPU's threads")
# Two float32 roundings or three: of sums in another order.
ROUNDED = 2e-6
Found = TypeVar("Found")


def build_of(engine: str) -> str:
    """The build of the kernels behind an engine's name."""
    return engine.removeprefix("cpu-")


def fastest_build() -> str:
    """The engine's name of the build that is taken if none is named."""
    name: str = load_kernels().__name__
    return "cpu-" + name.rpartition("_kernels_")[2]


def on_any_number_of_threads(call: Callable[[], Found]) -> list[Found]:
    """What a call gives on one thread, on two and on seven."""
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 7):
            torch.set_num_threads(threads)
            found.append(call())
    finally:
        torch.set_num_threads(before)
    return found


def cases_of_the_class(metafunc: pytest.Metafunc) -> None:
    """Gives a class's tests its cases: a module sets `pytest_generate_tests` to this.

    A test that takes `case` runs for each entry of its class's dictionary `case`; so do the others.
    """
    for name in ("case", "smooth", "adjoint", "differentiable"):
        if name in metafunc.fixturenames and metafunc.cls is not None:
            cases = getattr(metafunc.cls, name)
            metafunc.parametrize(name, list(cases.values()), ids=list(cases))


class CompiledOperator:
    """The contract of an operator without a derivative.

    Attributes:
        case: all cases, by name.
        types: the types of numbers that it takes, each with the type of its result.
        value_rtol, value_share: how far from the reference it may be, relative to each number and to the largest.
    """

    case: ClassVar[dict[str, Any]]
    types: ClassVar[dict[torch.dtype, torch.dtype]]
    value_rtol: ClassVar[float] = 0.0
    value_share: ClassVar[float] = 0.0

    # -- what a subclass says -------------------------------------------------------------------------------------

    def scene(self, case: Any, generator: torch.Generator) -> Any:
        """The inputs, float32."""
        raise NotImplementedError

    def large_scene(self, case: Any, generator: torch.Generator) -> Any:
        """Inputs that many threads share."""
        raise NotImplementedError

    def of_type(self, scene: Any, dtype: torch.dtype) -> Any:
        """The scene's numbers as whole ones, which are the same in every type."""
        raise NotImplementedError

    def values(self, scene: Any, case: Any, engine: str) -> Tensor:
        """The result."""
        raise NotImplementedError

    def scale(self, expected: Tensor) -> float:
        """What `value_share` is a share of."""
        return float(expected.abs().max())

    # -- tests ----------------------------------------------------------------------------------------------------

    def assert_values(self, found: Tensor, scene: Any, case: Any, slack: float = 1.0) -> None:
        expected = self.values(scene, case, "reference")
        rtol, atol = slack * self.value_rtol, slack * self.value_share * self.scale(expected)
        assert_close(found.to(expected.dtype), expected, rtol=rtol, atol=atol)

    @EVERY_BUILD
    @OF_THE_BUILDS
    def test_every_build_has_the_values_of_the_reference(self, case, build, generator):
        scene = self.scene(case, generator)
        self.assert_values(self.values(scene, case, build), scene, case)

    @OF_THE_BUILDS
    def test_users_are_served_by_the_fastest_build(self, case, generator):
        scene = self.scene(case, generator)
        assert torch.equal(self.values(scene, case, "auto"), self.values(scene, case, fastest_build()))

    @OF_THE_BUILDS
    @pytest.mark.filterwarnings("ignore:the reference backend computes this:RuntimeWarning")
    def test_without_the_kernels_torch_computes(self, generator, without_kernels):
        case = next(iter(self.case.values()))
        scene = self.scene(case, generator)
        self.assert_values(self.values(scene, case, "auto"), scene, case, slack=2)  # torch may round more often

    @OF_THE_THREADS
    def test_any_number_of_threads_gives_the_same_values(self, case, generator):
        scene = self.large_scene(case, generator)
        first, *others = on_any_number_of_threads(lambda: self.values(scene, case, "auto"))
        assert all(torch.equal(first, other) for other in others)

    def test_numbers_of_any_type(self, case, generator):
        scene = self.scene(case, generator)
        expected = self.values(self.of_type(scene, torch.float32), case, "auto")
        for given, wanted in self.types.items():
            found = self.values(self.of_type(scene, given), case, "auto")
            assert found.dtype == wanted
            assert_close(found.to(expected), expected, rtol=ROUNDED, atol=ROUNDED * self.scale(expected))


class RegisteredOperator:
    """The contract of an operator of torch."""

    def calls(self, generator: torch.Generator) -> Iterable[tuple[Any, tuple[Any, ...]]]:
        """Calls of `torch.ops`: (operator, arguments)."""
        raise NotImplementedError

    def test_operators_are_registered_as_torch_wants(self, generator):
        for operator, arguments in self.calls(generator):
            torch.library.opcheck(operator, arguments)


class DifferentiableOperator(CompiledOperator):
    """The contract of an operator with a derivative.

    Attributes:
        differentiable: the cases that have gradients.
        gradient_share: how far from the reference's they may be, relative to the largest.
        summed_by_torch: those that torch sums up, in an order that depends on the number of threads.
    """

    differentiable: ClassVar[dict[str, Any]]
    gradient_share: ClassVar[float]
    summed_by_torch: ClassVar[tuple[str, ...]] = ()

    def gradients(self, scene: Any, case: Any, engine: str) -> dict[str, Tensor]:
        """The derivatives of a weighted sum of the values with respect to each input."""
        raise NotImplementedError

    def assert_gradients(self, found: dict[str, Tensor], scene: Any, case: Any) -> None:
        for name, expected in self.gradients(scene, case, "reference").items():
            atol = self.gradient_share * float(expected.abs().max())
            assert_close(found[name].double(), expected, rtol=0, atol=atol, msg=lambda m, n=name: f"grad_{n}: {m}")

    @EVERY_BUILD
    @OF_THE_BUILDS
    def test_every_build_has_the_gradients_of_the_reference(self, differentiable, build, generator):
        scene = self.scene(differentiable, generator)
        self.assert_gradients(self.gradients(scene, differentiable, build), scene, differentiable)

    @OF_THE_BUILDS
    def test_gradients_for_users_are_those_of_the_fastest_build(self, differentiable, generator):
        scene = self.scene(differentiable, generator)
        found, expected = (self.gradients(scene, differentiable, engine) for engine in ("auto", fastest_build()))
        assert all(torch.equal(found[name], expected[name]) for name in expected)

    @OF_THE_THREADS
    def test_any_number_of_threads_gives_the_same_gradients(self, differentiable, generator):
        scene = self.large_scene(differentiable, generator)
        first, *others = on_any_number_of_threads(lambda: self.gradients(scene, differentiable, "auto"))
        ours = [name for name in first if name not in self.summed_by_torch]
        assert all(torch.equal(first[name], other[name]) for other in others for name in ours)


class TwiceDifferentiableOperator(DifferentiableOperator):
    """The contract of an operator that can be differentiated to any order."""

    def small(self, generator: torch.Generator) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
        """A function and its inputs, float64 and few, for finite differences."""
        raise NotImplementedError

    def test_derivatives_of_the_reference_are_those_of_finite_differences(self, generator):
        function, inputs = self.small(generator)
        given = tuple(t.requires_grad_() for t in inputs)
        assert gradcheck(function, given)
        assert gradgradcheck(function, given)
