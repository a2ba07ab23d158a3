"""The operators of the ray integrals fulfil the contract of `contracts.py`, each with its rules."""

import torch
from compiled_operator import cases_of_the_class
from contracts import RayOperator
from raycast_scenes import grid, labeled, noise

from deepdrr.raycast import Exact, Field, Samples, Step

pytest_generate_tests = cases_of_the_class

RULES = {
    "nearest-exact": {"interpolation": "nearest", "integration": Exact()},
    "nearest-step": {"interpolation": "nearest", "integration": Step(mm=0.7)},
    "nearest-samples": {"interpolation": "nearest", "integration": Samples(45)},
    "linear-exact": {"interpolation": "linear", "integration": Exact()},
    "linear-step": {"interpolation": "linear", "integration": Step(mm=0.7)},
    "linear-samples": {"interpolation": "linear", "integration": Samples(45)},
    "cubic-step": {"interpolation": "cubic", "integration": Step(mm=0.7)},
}
LABEL_RULES = {
    "nearest": {"interpolation": "nearest"},
    "exact-hard": {"routing": "hard", "integration": Exact()},
    "exact-soft": {"routing": "soft", "integration": Exact()},
    "step-soft": {"routing": "soft", "integration": Step(mm=0.7)},
}


def of(rules: dict[str, dict[str, object]], *beginnings: str) -> dict[str, dict[str, object]]:
    """The rules whose names begin so."""
    return {name: rule for name, rule in rules.items() if name.startswith(beginnings)}


class TestSeveralChannels(RayOperator):
    """Integrals, and gradients that march through the field once more, with the upstream gradient."""

    case = adjoint = RULES
    smooth = of(RULES, "nearest-exact", "linear", "cubic")
    differentiable = of(RULES, "linear", "cubic")

    def field(self, shape, spacing, turn_deg, generator: torch.Generator) -> Field:
        return Field(noise((3, *shape), generator), grid(shape, spacing, turn_deg))


class TestOneChannel(RayOperator):
    """Integrals that come with their slopes where a gradient with respect to the rays is wanted."""

    case = smooth = adjoint = differentiable = of(RULES, "linear")

    def field(self, shape, spacing, turn_deg, generator: torch.Generator) -> Field:
        return Field(noise((1, *shape), generator), grid(shape, spacing, turn_deg))


class TestLabels(RayOperator):
    """Integrals routed to one channel per label."""

    case = smooth = LABEL_RULES
    adjoint = differentiable = of(LABEL_RULES, "exact", "step")

    def field(self, shape, spacing, turn_deg, generator: torch.Generator) -> Field:
        return labeled(shape, spacing, turn_deg, 9, generator)
