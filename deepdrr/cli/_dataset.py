"""`deepdrr dataset`: make labelled data sets from a plan, verify them, print what a plan may say."""

import json
from pathlib import Path

from cyclopts import App

from deepdrr._progress import progress_bar
from deepdrr.cli._options import Whole
from deepdrr.cli._status import say, stage
from deepdrr.dataset import make_dataset, plan_schema, read_plan, verify_dataset

__all__ = ["dataset"]

dataset = App(name="dataset", help="Make labelled data sets from a plan.")


@dataset.command
def make(plan: Path, *, out: Path, workers: Whole = 1) -> None:
    """Make a data set, or the shards of it that are missing.

    Args:
        plan: YAML file; deepdrr dataset schema says what may stand in it.
        out: Folder for the data set. One that a run was ended in is gone on with.
        workers: Processes that make shards, each with one CT in memory.
    """
    given = read_plan(plan)
    say("plan", f"{given.name}: {given.count} samples of {len(given.patients)} patients in {given.shards} shards")
    done = failures = 0
    with progress_bar("samples", given.count) as report:

        def on_sample(index: int, reason: str | None) -> None:
            nonlocal done, failures
            done, failures = done + 1, failures + (reason is not None)
            report(done, text=f"samples ({failures} failed)" if failures else None)

        made = make_dataset(plan, out, workers=workers, on_sample=on_sample)
    say("made", f"{made.new} shards, {made.old} were there; {made.failed} samples failed")
    say("wrote", made.manifest)


@dataset.command
def verify(folder: Path, *, plan: Path | None = None, remake: Whole = 0, seed: Whole = 0) -> None:
    """Compare every byte of a data set with the manifest's hashes, and make some samples again.

    Args:
        folder: The data set.
        plan: The plan in its own place, beside the files of the patients; needed for --remake.
        remake: How many samples to make again and compare.
        seed: Which ones.
    """
    with stage(f"reading {folder}"):
        findings = verify_dataset(folder, plan_file=plan, remake=remake, seed=seed)
    if findings:
        raise ValueError("; ".join(findings))
    say("verified", f"{folder}: every shard" + (f", {remake} samples made again" if remake else ""))


@dataset.command
def schema() -> None:
    """Print the JSON Schema of a plan, for editors that complete and check YAML."""
    print(json.dumps(plan_schema(), indent=2))
