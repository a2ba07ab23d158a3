"""Make a data set from a plan, and go on where a run was ended."""

import os
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from deepdrr._arguments import checked_path
from deepdrr._numbers import as_count
from deepdrr.dataset._manifest import begin, finish, recorded_shards, remove_leftovers
from deepdrr.dataset._patient import load_patient
from deepdrr.dataset._plan import Plan
from deepdrr.dataset._read import read_plan
from deepdrr.dataset._shard_job import OnSample, make_shard
from deepdrr.dataset._workers import made_by_workers

__all__ = ["Made", "make_dataset"]


@dataclass(frozen=True)
class Made:
    """What a run did.

    Attributes:
        folder: where the data set is.
        new, old: shards that this run made, and that were there.
        failed: number of failed samples in all shards.
        manifest: the file with hashes, sources and failures.
    """

    folder: Path
    new: int
    old: int
    failed: int
    manifest: Path


def make_dataset(
    plan_file: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    workers: int = 1,
    on_sample: OnSample | None = None,
) -> Made:
    """Make a data set, or the shards of it that are missing.

    A shard is written whole or not at all. A run that is ended at any moment, by any means, loses the shards in the
    making; the next one goes on after them, and the bytes are those of a run that was not ended, on any number of
    workers. A sample for which no pose is accepted is left out and recorded with its reason; the plan says how many may
    be.

    Args:
        plan_file: the plan, YAML.
        out: folder; it is made if it is not there.
        workers: processes that make shards, each with one CT in memory and its part of the threads; 1 makes them here.
        on_sample: called after each sample that was made, or failed; with workers after its shard.

    Raises:
        OSError: if a file cannot be read or written; a full disk, for example. What was whole stays.
        ValueError: for what is wrong in the plan or in a file of a patient; if the folder holds another plan, or
            another run is writing to it; or if more samples fail than the plan lets.
        RuntimeError: if a worker was killed.
    """
    from filelock import FileLock, Timeout

    source, folder, count = checked_path(plan_file, "plan"), checked_path(out, "out"), as_count(workers, "workers")
    plan = read_plan(source)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _make(plan, source, folder, count, on_sample or _quiet)
    except Timeout as error:
        raise ValueError(f"out must be a folder to which no other run is writing, got '{folder}'") from error


def _make(plan: Plan, plan_file: Path, out: Path, workers: int, on_sample: OnSample) -> Made:
    remove_leftovers(out)
    begin(plan_file, out)
    there = recorded_shards(out)
    failed = sum(len(record["failed"]) for record in there.values())
    missing = [shard for shard in range(plan.shards) if shard not in there]
    missing.sort(key=lambda shard: list(plan.patients).index(plan.patient_of_shard(shard)))  # one CT at a time
    if workers == 1:
        failed += _made_here(plan, missing, out, failed, on_sample)
    elif missing:
        failed += made_by_workers(plan, plan_file, missing, out, failed, workers, on_sample)
    return Made(out, len(missing), len(there), failed, finish(plan, out))


def _made_here(plan: Plan, shards: list[int], out: Path, failed: int, on_sample: OnSample) -> int:
    """Make shards, those of a patient one after the other; how many samples failed."""
    failures = 0
    for name, group in groupby(shards, key=plan.patient_of_shard):
        patient = load_patient(plan, name)
        for shard in group:
            failures += len(make_shard(plan, patient, shard, out, failed + failures, on_sample))
    return failures


def _quiet(index: int, reason: str | None) -> None:
    pass
