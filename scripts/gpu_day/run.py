"""Runs the parts of a GPU day, each within its own time, and writes what they say and how they ended to $OUT.

    bash scripts/gpu_day/run.sh [NAME ...]

log.txt and summary.md grow as the parts run: whatever ends this program, what was found until then is there.
The exit status is 1 if a part failed, was cut off or was not run.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from results import Log, SummaryFile
from summary import Fate, summary

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# Between SIGINT, at which pytest still writes its report, and SIGKILL; of a short limit a quarter.
GRACE_S = 5.0
MINUTES = 8.0


@dataclass(frozen=True)
class Part:
    """A function of parts.sh, and the seconds that it may take of eight minutes."""

    name: str
    seconds: float


# One group after another; the parts of a group side by side. Without a single second to spare they take 475 s.
GROUPS: tuple[tuple[Part, ...], ...] = (
    (Part("machine", 20),),
    (Part("install", 30),),
    (Part("pycuda", 90), Part("kernels", 90)),
    (Part("tests_cuda", 80),),
    (Part("versus", 100),),
    (Part("calls", 40),),
    (Part("tests_suites", 115),),
)
# In place of a GPU, to try all this out (GPU_DAY_DRIVER=software).
SOFTWARE_DRIVER = (Part("driver", 30),)


def main(names: Sequence[str]) -> int:
    """Run the parts of these names, or all."""
    software = os.environ.get("GPU_DAY_DRIVER") == "software"
    groups = (GROUPS[0], SOFTWARE_DRIVER, *GROUPS[1:]) if software else GROUPS
    if unknown := [name for name in names if name not in {part.name for group in groups for part in group}]:
        known = ", ".join(part.name for group in groups for part in group)
        print(f"run.sh takes the names of parts, {known}; got {', '.join(unknown)}")
        return 2
    out = Path(os.environ.get("OUT") or ROOT / "out/gpu_day_results").resolve()
    out.mkdir(parents=True, exist_ok=True)
    chosen = [tuple(part for part in group if not names or part.name in names) for group in groups]
    return run_all(chosen, out, environment(out, software=software))


def environment(out: Path, *, software: bool) -> dict[str, str]:
    """What every part is told."""
    work = ROOT / "out/gpu_day_work"
    work.mkdir(parents=True, exist_ok=True)
    told = {"PYTHON": sys.executable, "OUT": str(out), "CARRIED": str(ROOT / "out/gpu_day"), "WORK": str(work)}
    told |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if software:
        told["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(work / "driver"), os.environ.get("LD_LIBRARY_PATH")]))
    return {**os.environ, **told}


def run_all(groups: Sequence[Sequence[Part]], out: Path, told: Mapping[str, str]) -> int:
    """Run group after group within GPU_DAY_MINUTES; 1 if anything went wrong."""
    minutes = float(told.get("GPU_DAY_MINUTES", MINUTES))
    begin, scale = time.monotonic(), minutes / MINUTES
    log, page = Log(out / "log.txt"), SummaryFile(out / "summary.md")
    fates: list[Fate] = []
    for group in groups:
        left = 60 * minutes - (time.monotonic() - begin)
        with ThreadPoolExecutor(max(1, len(group))) as together:
            running = [together.submit(run, part, min(scale * part.seconds, left), told, log) for part in group]
            fates += [future.result() for future in running]
        page.write(summary(fates, out, time.monotonic() - begin, [*log.trouble, *page.trouble]))
    text = summary(fates, out, time.monotonic() - begin, [*log.trouble, *page.trouble])
    page.close(text)
    print(text)
    return int(any(fate.failed for fate in fates) or bool(log.trouble or page.trouble))


def run(part: Part, limit_s: float, told: Mapping[str, str], log: Log) -> Fate:
    """Run one part; at its limit it is interrupted, and killed if that does not end it."""
    if limit_s < 1:
        return Fate(part.name, "not run: no time left", 0.0, max(limit_s, 0.0), ())
    begin, grace_s = time.monotonic(), min(GRACE_S, limit_s / 4)
    process = subprocess.Popen(
        ["bash", str(HERE / "parts.sh"), part.name],
        cwd=ROOT,
        env={**told, "SECONDS_TO_RUN": f"{limit_s - grace_s:.0f}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    last: deque[str] = deque(maxlen=15)
    reader = threading.Thread(target=_read, args=(process, part.name, last, log), daemon=True)
    reader.start()
    ended = _ended(process, limit_s - grace_s)
    if not ended:
        os.killpg(process.pid, signal.SIGINT)
        _ended(process, grace_s)
    _kill(process)
    reader.join(grace_s)  # a process that left the group may keep the pipe open
    took = time.monotonic() - begin
    result = "ok" if process.returncode == 0 else f"failed (exit status {process.returncode})"
    fate = Fate(part.name, result if ended else f"cut off after {took:.0f} s", took, limit_s, tuple(last))
    print(f"{part.name}: {fate.result}, {took:.0f} s of {limit_s:.0f}", flush=True)
    return fate


def _read(process: subprocess.Popen[str], name: str, last: deque[str], log: Log) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        log.write(f"[{name}] {line.rstrip()}\n")
        if line.strip():
            last.append(line.rstrip())


def _ended(process: subprocess.Popen[str], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[str]) -> None:
    """End the part with all that it started and left running."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
