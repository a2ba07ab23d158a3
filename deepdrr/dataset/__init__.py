"""Labelled data sets from a plan: sample i is a function of the plan, its seed and i alone."""

from deepdrr.dataset._distributions import (
    DISTRIBUTIONS,
    Choice,
    Distribution,
    Fixed,
    LogUniform,
    TruncatedNormal,
    Uniform,
    distribution_of,
)
from deepdrr.dataset._plan import CArmPlan, ImagePlan, PatientPlan, Plan, ResultsPlan, TechniquePlan
from deepdrr.dataset._pose_plan import AnglesPlan, ConePlan, PosePlan, TargetPlan, ViewsPlan
from deepdrr.dataset._read import plan_schema, read_plan
from deepdrr.dataset._streams import noise_seed, stream

__all__ = [
    "DISTRIBUTIONS",
    "AnglesPlan",
    "CArmPlan",
    "Choice",
    "ConePlan",
    "Distribution",
    "Fixed",
    "ImagePlan",
    "LogUniform",
    "PatientPlan",
    "Plan",
    "PosePlan",
    "ResultsPlan",
    "TargetPlan",
    "TechniquePlan",
    "TruncatedNormal",
    "Uniform",
    "ViewsPlan",
    "distribution_of",
    "noise_seed",
    "plan_schema",
    "read_plan",
    "stream",
]
