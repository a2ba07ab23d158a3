"""`Report`: the results of all checks, with the date and the machine; and the functions that run them."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from deepdrr._version import __version__
from deepdrr.validation._backends import backend_group
from deepdrr.validation._beam_quality import beam_quality_group
from deepdrr.validation._check import Check, Group
from deepdrr.validation._geometry import geometry_group
from deepdrr.validation._hounsfield import hounsfield_group
from deepdrr.validation._line_integrals import line_integral_group
from deepdrr.validation._mass_attenuation import mass_attenuation_group
from deepdrr.validation._noise import noise_group
from deepdrr.validation._photon_transport import photon_group
from deepdrr.validation._sharpness import sharpness_group
from deepdrr.validation._transmission import transmission_group

__all__ = ["GROUPS", "GroupFunction", "Report", "groups"]

GroupFunction = Callable[[bool], Group]

GROUPS: dict[str, GroupFunction] = {
    "mass attenuation": mass_attenuation_group,
    "beam quality": beam_quality_group,
    "transmission": transmission_group,
    "HU round trip": hounsfield_group,
    "line integrals": line_integral_group,
    "noise": noise_group,
    "sharpness": sharpness_group,
    "geometry": geometry_group,
    "backends": backend_group,
    "photon transport": photon_group,
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The groups of one run and the machine it ran on.

    Attributes:
        groups: in order.
        short: True if the slower settings were left out.
        seconds: duration of the run.
        facts: name and value: version, date, machine.
    """

    groups: tuple[Group, ...]
    short: bool
    seconds: float
    facts: tuple[tuple[str, str], ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """All checks that did not pass."""
        return tuple(check for group in self.groups for check in group.failed)

    @property
    def count(self) -> int:
        """Number of checks."""
        return sum(len(group.checks) for group in self.groups)

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        if self.failed:
            return f"{len(self.failed)} of {self.count} checks failed."
        return f"All {self.count} checks passed."

    @classmethod
    def run(cls, *, short: bool = False) -> "Report":
        """Run every group.

        Args:
            short: fewer settings and smaller images, some 20 seconds.
        """
        start = time.perf_counter()
        found = tuple(run() for _, run in groups(short=short))
        return cls.of(found, short=short, seconds=time.perf_counter() - start)

    @classmethod
    def of(cls, groups: tuple[Group, ...], *, short: bool, seconds: float) -> "Report":
        """A report of groups that were run, with the facts of this machine."""
        return cls(groups=groups, short=short, seconds=seconds, facts=tuple(_facts(short, seconds)))


def groups(*, short: bool = False) -> Iterator[tuple[str, Callable[[], Group]]]:
    """The groups by name, each as a function that runs it."""
    for name, function in GROUPS.items():

        def run(function: GroupFunction = function) -> Group:
            return function(short)

        yield name, run


def _facts(short: bool, seconds: float) -> Iterator[tuple[str, str]]:
    yield "deepdrr", __version__
    yield "date", datetime.now(UTC).strftime("%Y-%m-%d")
    yield "extent", f"{'short' if short else 'full'}, {seconds:.0f} s"
    yield "processor", f"{_processor()}, {os.cpu_count()} threads, {platform.machine()}"
    yield "system", platform.system()
    yield "Python", platform.python_version()
    yield "torch", f"{torch.__version__}, {torch.get_num_threads()} threads"
    yield "numpy", _version("numpy")


def _processor() -> str:
    """The processor's name from Linux, or else from Python."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
