"""Make one shard and its record."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deepdrr.dataset._encode import encoded
from deepdrr.dataset._manifest import write_record
from deepdrr.dataset._patient import Patient
from deepdrr.dataset._plan import Plan
from deepdrr.dataset._sample import make_sample
from deepdrr.dataset._shards import Files, digest, shard_name, write_shard

__all__ = ["Failures", "OnSample", "make_shard", "too_many", "tried"]

# Told of each sample: its number, and the reason if it failed.
OnSample = Callable[[int, str | None], None]
Failures = list[dict[str, Any]]


def make_shard(plan: Plan, patient: Patient, shard: int, out: Path, failed: int, on_sample: OnSample) -> Failures:
    """Make one shard, and say that it is whole.

    Args:
        plan: the plan.
        patient: of this shard.
        shard: its number.
        out: folder of the data set.
        failed: how many samples of other shards have failed.
        on_sample: called after each sample.

    Returns:
        Its samples that failed, with the reasons.

    Raises:
        OSError: if it cannot be written.
        ValueError: if more samples fail than the plan lets.
    """
    failures: Failures = []
    path = out / shard_name(shard, patient.plan.split, plan.writer)

    def samples() -> Iterator[Files]:
        for index in plan.samples_of(shard):
            made = tried(plan, patient, index)
            if isinstance(made, str):
                failures.append({"index": index, "reason": made})
                if failed + len(failures) > plan.failures:
                    raise too_many(plan, failures)
            else:
                yield index, made
            on_sample(index, made if isinstance(made, str) else None)

    write_shard(path, samples())
    numbers = plan.samples_of(shard)
    record = {"file": path.name, "patient": patient.name, "split": patient.plan.split, "first": numbers.start}
    record |= {"count": len(numbers) - len(failures), "failed": failures, "sources": patient.digests, **digest(path)}
    write_record(out, shard, record)
    return failures


def too_many(plan: Plan, failures: Failures) -> ValueError:
    """The error for more failures than a plan lets; it names the last."""
    last = f"sample {failures[-1]['index']}: {failures[-1]['reason']}"
    return ValueError(f"failures must be at most {plan.failures}, got one more; the last is {last}")


def tried(plan: Plan, patient: Patient, index: int) -> dict[str, bytes] | str:
    """The files of a sample, or why there are none."""
    try:
        return encoded(plan, make_sample(plan, patient, index))
    except ValueError as error:
        return str(error)
