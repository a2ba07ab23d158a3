"""Make a data set from a plan, go on where a run was ended, and verify what is there."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepdrr._arguments import checked_path
from deepdrr.dataset._encode import encoded
from deepdrr.dataset._manifest import begin, finish, recorded_shards, remove_leftovers, write_record
from deepdrr.dataset._patient import Patient, load_patient
from deepdrr.dataset._plan import Plan
from deepdrr.dataset._read import read_plan
from deepdrr.dataset._sample import make_sample
from deepdrr.dataset._shards import Files, digest, read_shard, shard_name, write_shard

__all__ = ["Made", "OnSample", "make_dataset", "verify_dataset"]

# Told of each sample: its number, and the reason if it failed.
OnSample = Callable[[int, str | None], None]


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
    plan_file: str | os.PathLike[str], out: str | os.PathLike[str], *, on_sample: OnSample | None = None
) -> Made:
    """Make a data set, or the shards of it that are missing.

    A shard is written whole or not at all. A run that is ended at any moment, by any means, loses the shard in the
    making; the next one goes on after it, and the bytes are those of a run that was not ended. A sample for which no
    pose is accepted is left out and recorded with its reason; the plan says how many may be.

    Args:
        plan_file: the plan, YAML.
        out: folder; it is made if it is not there.
        on_sample: called after each sample that was made, or failed.

    Raises:
        OSError: if a file cannot be read or written; a full disk, for example. What was whole stays.
        ValueError: for what is wrong in the plan or in a file of a patient; if the folder holds another plan, or
            another run is writing to it; or if more samples fail than the plan lets.
    """
    from filelock import FileLock, Timeout

    source, folder = checked_path(plan_file, "plan"), checked_path(out, "out")
    plan = read_plan(source)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _make(plan, source, folder, on_sample or _quiet)
    except Timeout as error:
        raise ValueError(f"out must be a folder to which no other run is writing, got '{folder}'") from error


def _make(plan: Plan, plan_file: Path, out: Path, on_sample: OnSample) -> Made:
    remove_leftovers(out)
    begin(plan_file, out)
    there = recorded_shards(out)
    failed = sum(len(record["failed"]) for record in there.values())
    missing = [shard for shard in range(plan.shards) if shard not in there]
    for patient_name in plan.patients:  # one CT at a time
        shards = [n for n in missing if plan.patient_of(plan.samples_of(n).start) == patient_name]
        if not shards:
            continue
        patient = load_patient(plan, patient_name)
        for shard in shards:
            failed += _make_shard(plan, patient, shard, out, failed, on_sample)
    return Made(out, len(missing), len(there), failed, finish(plan, out))


def _make_shard(plan: Plan, patient: Patient, shard: int, out: Path, failed: int, on_sample: OnSample) -> int:
    """Make one shard; the number of its samples that failed."""
    failures: list[dict[str, Any]] = []
    path = out / shard_name(shard, patient.plan.split, plan.writer)

    def samples() -> Iterator[Files]:
        for index in plan.samples_of(shard):
            made = _tried(plan, patient, index)
            if isinstance(made, str):
                failures.append({"index": index, "reason": made})
                if failed + len(failures) > plan.failures:
                    raise ValueError(
                        f"failures must be at most {plan.failures}, got one more; the last is sample {index}: {made}"
                    )
            else:
                yield index, made
            on_sample(index, made if isinstance(made, str) else None)

    write_shard(path, samples())
    numbers = plan.samples_of(shard)
    record = {"file": path.name, "patient": patient.name, "split": patient.plan.split, "first": numbers.start}
    record |= {"count": len(numbers) - len(failures), "failed": failures, "sources": patient.digests, **digest(path)}
    write_record(out, shard, record)
    return len(failures)


def _tried(plan: Plan, patient: Patient, index: int) -> dict[str, bytes] | str:
    """The files of a sample, or why there are none."""
    try:
        return encoded(plan, make_sample(plan, patient, index))
    except ValueError as error:
        return str(error)


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
    made = _tried(plan, patient, index)
    there = {
        name.partition(".")[2]: content
        for name, content in read_shard(out / record["file"])
        if int(name.partition(".")[0]) == index
    }
    if isinstance(made, str):
        return [] if not there else [f"sample {index} is there, but now it fails: {made}"]
    different = sorted(kind for kind in {*made, *there} if made.get(kind) != there.get(kind))
    return [f"sample {index} is made with other bytes now: {', '.join(different)}"] if different else []


def _quiet(index: int, reason: str | None) -> None:
    pass
