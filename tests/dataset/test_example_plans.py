"""The plans in examples/plans: each makes a sample."""

from dataclasses import replace
from pathlib import Path

import pytest

from deepdrr.dataset import encoded, load_patient, make_sample, read_plan

PLANS = sorted((Path(__file__).parents[2] / "examples" / "plans").glob("*.yaml"))


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_it_makes_a_sample(file: Path) -> None:
    plan = read_plan(file)
    small = replace(plan, carm=replace(plan.carm, binning=4 * plan.carm.binning))
    sample = make_sample(small, load_patient(small, small.patient_of(0)), 0)
    assert {"json"} < encoded(small, sample).keys()
    wanted = set(plan.pose.in_view)
    assert wanted <= {entry["name"] for entry in sample.record["landmarks"] if entry["visibility"] == 2}


def test_there_are_plans() -> None:
    assert len(PLANS) >= 2
