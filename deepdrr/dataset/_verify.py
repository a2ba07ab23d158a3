"""Verify a data set: hashes of every byte, and samples made again."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from deepdrr._arguments import checked_path
from deepdrr.dataset._manifest import recorded_shards
from deepdrr.dataset._patient import load_patient
from deepdrr.dataset._plan import Plan
from deepdrr.dataset._read import read_plan
from deepdrr.dataset._shard_job import tried
from deepdrr.dataset._shards import digest, read_shard

__all__ = ["verify_dataset"]


def verify_dataset(
    folder: str | os.PathLike[str], *, plan_file: str | os.PathLike[str] | None = None, remake: int = 0, seed: int = 0
) -> list[str]:
    """Read every byte of a data set again and compare it with the hashes; make some samples again and compare those.

    Args:
        folder: the data set.
        plan_file: the plan in its own place, beside the files of the patients; needed to make samples again.
        remake: how many samples, taken at random.
        seed: which ones.

    Returns:
        What is wrong, in sentences; none if all is right.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if samples are to be made again without the plan, or the folder is no data set.
    """
    out = checked_path(folder, "folder")
    shards = recorded_shards(out)
    if not shards:
        raise ValueError(f"folder must be a data set with a manifest, got '{out}'")
    findings = [sentence for record in shards.values() if (sentence := _compared(out, record)) is not None]
    if remake == 0:
        return findings
    if plan_file is None:
        raise ValueError("plan_file must be given to make samples again, got None")
    plan = read_plan(plan_file)
    indices = [i for shard in shards for i in plan.samples_of(shard)]
    chosen = sorted(np.random.default_rng(seed).choice(indices, size=min(remake, len(indices)), replace=False).tolist())
    for index in chosen:
        findings += _made_again(plan, shards[index // plan.samples_per_shard], out, index)
    return findings


def _compared(out: Path, record: dict[str, Any]) -> str | None:
    path = out / record["file"]
    if not path.exists():
        return f"'{path}' is missing"
    found = digest(path)
    if found == {name: record[name] for name in found}:
        return None
    return f"'{path}' has other bytes than when it was written: {found['bytes']} of {record['bytes']}, or others"


def _made_again(plan: Plan, record: dict[str, Any], out: Path, index: int) -> list[str]:
    patient = load_patient(plan, record["patient"])
    if patient.digests != record["sources"]:
        return [f"the files of patient {patient.name!r} are others than those that sample {index} was made from"]
    made = tried(plan, patient, index)
    there = {
        name.partition(".")[2]: content
        for name, content in read_shard(out / record["file"])
        if int(name.partition(".")[0]) == index
    }
    if isinstance(made, str):
        return [] if not there else [f"sample {index} is there, but now it fails: {made}"]
    different = sorted(kind for kind in {*made, *there} if made.get(kind) != there.get(kind))
    return [f"sample {index} is made with other bytes now: {', '.join(different)}"] if different else []
