"""Few calls lie between `project` and a kernel, because Python takes most of the time of a small picture."""

import importlib.util
from pathlib import Path

import pytest
import torch
from raycast_scenes import carm, labeled, noise, unit_field

from deepdrr.raycast import project, with_kernel_layout

SCRIPT = Path(__file__).parents[2] / "scripts" / "count_calls.py"
spec = importlib.util.spec_from_file_location("count_calls", SCRIPT)
count_calls = importlib.util.module_from_spec(spec)
spec.loader.exec_module(count_calls)


@pytest.mark.cpu_only("of the CPU's kernels")
def test_a_kernel_is_four_calls_away_at_most(generator):
    field, routed = unit_field(noise((1, 5, 6, 7), generator)), labeled((5, 6, 7), (1, 1, 1), 20, 3, generator)
    for given in (field, with_kernel_layout(field), routed):
        for depth in count_calls.depths_of(lambda given=given: project(given, carm(2, 3, 9))).values():
            assert 1 < len(depth) <= 4


@pytest.mark.cpu_only("of the CPU's kernels")
@pytest.mark.parametrize(("name", "most"), [("project", 3), ("projector()", 9), ("render()", 7)])
def test_what_users_call_is_near_its_kernels(name, most):
    """Every call between costs microseconds for every image; these are the numbers that the design promises."""
    for kernel, depth in count_calls.depths_of(count_calls.calls()[name]).items():
        assert 1 < len(depth) <= most, f"{kernel}: {depth}"


@pytest.mark.cpu_only("of the CPU's kernels")
def test_no_call_waits_for_an_operator_of_torch_without_need(generator):
    """An operator of torch costs as long as a small picture: it is there for gradients, compilers and transforms."""
    field = unit_field(noise((1, 5, 6, 7), generator).requires_grad_())
    with torch.no_grad():
        (depth,) = count_calls.depths_of(lambda: project(field, carm(2, 3, 9))).values()
    assert not any("_operator.py" in frame for frame in depth)
