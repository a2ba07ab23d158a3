"""Time two calls side by side, so that disturbances of the machine affect both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

__all__ = [
    "Clock",
    "Comparison",
    "Unavailable",
    "attempt",
    "compare",
    "ours_alone",
    "seconds_per_call",
    "seconds_per_call_on_gpu",
]

Call = Callable[[], object]
Clock = Callable[[Call, float], float]


@dataclass(frozen=True)
class Unavailable:
    """A call that cannot be run here, and the reason."""

    reason: str


@dataclass(frozen=True)
class Comparison:
    """Seconds per call of two calls, one figure each per repetition.

    The ratio of a repetition compares neighbours in time. `best` compares the least disturbed figure of each side.
    """

    ours: list[float]
    other: list[float]

    @property
    def ratios(self) -> list[float]:
        """Other / ours, per repetition, sorted."""
        return sorted(b / a for a, b in zip(self.ours, self.other, strict=True))

    @property
    def median(self) -> float:
        """Median ratio."""
        return median(self.ratios)

    @property
    def best(self) -> float:
        """Ratio of the shortest times."""
        return min(self.other) / min(self.ours)

    def columns(self, *, inverse: bool = False) -> dict[str, float]:
        """Columns of the CSV; `inverse` for ours / other."""
        ratios = sorted(1 / r for r in self.ratios) if inverse else self.ratios
        return {
            "ours_ms": 1e3 * min(self.ours),
            "other_ms": 1e3 * min(self.other),
            "ours_median_ms": 1e3 * median(self.ours),
            "other_median_ms": 1e3 * median(self.other),
            "ours_max_ms": 1e3 * max(self.ours),
            "other_max_ms": 1e3 * max(self.other),
            "ratio_min": ratios[0],
            "ratio_median": median(ratios),
            "ratio_max": ratios[-1],
            "ratio_best": 1 / self.best if inverse else self.best,
        }


def compare(
    ours: Call, other: Call, *, repetitions: int, block_s: float = 0.2, clock: Clock | None = None
) -> Comparison:
    """Time two calls alternately, with the first of the pair alternating too. Both are warm already."""
    seconds = seconds_per_call if clock is None else clock
    times: tuple[list[float], list[float]] = ([], [])
    for repetition in range(repetitions):
        pair = [(ours, times[0]), (other, times[1])]
        for call, into in pair if repetition % 2 == 0 else reversed(pair):
            into.append(seconds(call, block_s))
    return Comparison(*times)


def ours_alone(ours: Call, repetitions: int, clock: Clock, block_s: float = 0.2) -> dict[str, float]:
    """Columns of a row without the other side. The call is warm already."""
    times = [clock(ours, block_s) for _ in range(repetitions)]
    return {"ours_ms": 1e3 * min(times), "ours_median_ms": 1e3 * median(times), "ours_max_ms": 1e3 * max(times)}


def seconds_per_call(call: Call, block_s: float = 0.2) -> float:
    """Mean over consecutive calls until `block_s` have passed; a single call if it takes longer."""
    start, calls = time.perf_counter(), 0
    while True:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= block_s:
            return elapsed / calls


def seconds_per_call_on_gpu(call: Call, block_s: float = 0.2) -> float:
    """Mean over calls queued one after another, between two CUDA events; about as many as fit into `block_s`.

    This is the clock of the GPU: the host's time for queueing counts only if the GPU has to wait for it.
    """
    once = _between_events(call, 1)
    calls = min(1000, max(1, round(block_s / once)))
    return _between_events(call, calls) / calls


def _between_events(call: Call, calls: int) -> float:
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    first.record()
    for _ in range(calls):
        call()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last)) / 1e3


def attempt(call: Callable[[], object]) -> object | Unavailable:
    """The result of a first call, or the reason for its failure: a missing feature or backend."""
    try:
        return call()
    except (ImportError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        return Unavailable(f"not available: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
