"""Read a plan from a file."""

import os
from dataclasses import replace
from pathlib import Path

from deepdrr._arguments import checked_path
from deepdrr._structured import read_located
from deepdrr.dataset._plan import PatientPlan, Plan
from deepdrr.dataset._schema import schema_of
from deepdrr.dataset._typed import Where, record_of

__all__ = ["plan_schema", "read_plan"]


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Read the plan of a data set from a YAML file.

    Files of patients are looked for beside the plan.

    Args:
        path: the file; `deepdrr dataset schema` says what may stand in it.

    Raises:
        OSError: if it cannot be read.
        ValueError: for an unknown field, with near names, or a wrong value; the sentence names file, line and field.
    """
    file = checked_path(path, "plan")
    fields, lines = read_located(file, "plan")
    plan = record_of(Plan, fields, Where(file, lines))
    return replace(plan, patients={name: _beside(one, file.parent) for name, one in plan.patients.items()})


def plan_schema() -> dict[str, object]:
    """The JSON Schema of a plan, for editors that complete and check YAML."""
    return schema_of(Plan)


def _beside(patient: PatientPlan, folder: Path) -> PatientPlan:
    def beside(path: Path | None) -> Path | None:
        return None if path is None else folder / path

    return replace(patient, ct=folder / patient.ct, labels=beside(patient.labels), landmarks=beside(patient.landmarks))
