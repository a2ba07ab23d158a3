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
from deepdrr.dataset._encode import encoded
from deepdrr.dataset._make import Made, make_dataset
from deepdrr.dataset._patient import Patient, load_patient
from deepdrr.dataset._plan import CArmPlan, ImagePlan, PatientPlan, Plan, ResultsPlan, TechniquePlan
from deepdrr.dataset._pose_plan import AnglesPlan, ConePlan, PosePlan, TargetPlan, ViewsPlan
from deepdrr.dataset._poses import DrawnPose, NoPose, draw_pose
from deepdrr.dataset._read import plan_schema, read_plan
from deepdrr.dataset._sample import LabeledImage, make_sample
from deepdrr.dataset._shard_job import OnSample
from deepdrr.dataset._streams import noise_seed, stream
from deepdrr.dataset._verify import verify_dataset

__all__ = [
    "DISTRIBUTIONS",
    "AnglesPlan",
    "CArmPlan",
    "Choice",
    "ConePlan",
    "Distribution",
    "DrawnPose",
    "Fixed",
    "ImagePlan",
    "LabeledImage",
    "LogUniform",
    "Made",
    "NoPose",
    "OnSample",
    "Patient",
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
    "draw_pose",
    "encoded",
    "load_patient",
    "make_dataset",
    "make_sample",
    "noise_seed",
    "plan_schema",
    "read_plan",
    "stream",
    "verify_dataset",
]
