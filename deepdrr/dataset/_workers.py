"""Shards made by several processes."""

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import torch

from deepdrr.dataset._patient import Patient, load_patient
from deepdrr.dataset._plan import Plan
from deepdrr.dataset._read import read_plan
from deepdrr.dataset._shard_job import Failures, OnSample, make_shard, too_many

__all__ = ["made_by_workers"]

_WATCH_S = 1.0


def made_by_workers(
    plan: Plan, plan_file: Path, shards: list[int], out: Path, failed: int, workers: int, on_sample: OnSample
) -> int:
    """Make shards in other processes, each by one of them.

    Returns:
        How many samples failed.

    Raises:
        ValueError, OSError: what a worker raised; no other shard is begun then.
        RuntimeError: if a worker was killed.
    """
    threads, failures = max(1, torch.get_num_threads() // workers), 0
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (os.getpid(), threads))
    try:
        jobs = {pool.submit(_job, plan_file, shard, out): shard for shard in shards}
        for job in as_completed(jobs):
            found = job.result()
            failures += len(found)
            if failed + failures > plan.failures:
                raise too_many(plan, found)
            reasons = {failure["index"]: failure["reason"] for failure in found}
            for index in plan.samples_of(jobs[job]):
                on_sample(index, reasons.get(index))
    except BrokenProcessPool as error:
        raise RuntimeError("a worker was killed, for want of memory perhaps; the same command goes on") from error
    finally:
        pool.shutdown(cancel_futures=True)
    return failures


def _begin(parent: int, threads: int) -> None:
    """Prepare a worker: its part of the threads, and its end if the run is killed."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has ended: nobody else would."""
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


def _job(plan_file: Path, shard: int, out: Path) -> Failures:
    plan = _plan(plan_file)
    return make_shard(plan, _patient(plan_file, plan.patient_of_shard(shard)), shard, out, 0, _quiet)


@lru_cache(maxsize=1)
def _plan(plan_file: Path) -> Plan:
    return read_plan(plan_file)


@lru_cache(maxsize=1)  # one CT at a time
def _patient(plan_file: Path, name: str) -> Patient:
    return load_patient(_plan(plan_file), name)


def _quiet(index: int, reason: str | None) -> None:
    pass
