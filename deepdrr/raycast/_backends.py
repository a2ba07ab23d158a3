"""The registry of backends. A backend is chosen once; after that it is passed on by name."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from deepdrr._installation import has_kernels
from deepdrr._kernels import BUILDS
from deepdrr.raycast._engine import Backend, Engine
from deepdrr.raycast._reference import ReferenceBackend
from deepdrr.raycast._request import Request, check_request
from deepdrr.raycast.cpu._engine import CpuEngine
from deepdrr.raycast.cuda._engine import CudaEngine

__all__ = [
    "Selection",
    "backends",
    "check_backend",
    "engine_named",
    "engines_replaced",
    "prefilter_engine",
    "select_backend",
]

# In order of preference: the first that can serve a request is taken; the reference can serve all.
_PREFERRED = ("cuda", "cpu")
_COMPILED: list[Engine] = [CudaEngine(), CpuEngine(), *(CpuEngine(build) for build in BUILDS)]
_ENGINES = {engine.name: engine for engine in _COMPILED}
_REFERENCE = ReferenceBackend()
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Selection:
    """The backend that serves a request, and the reason for choosing it."""

    backend: Backend
    reason: str


def backends() -> dict[str, str]:
    """Every backend that ``"auto"`` may take, with ``"ready"`` or the reason why this machine cannot use it."""
    return {backend.name: backend.reason_against() or "ready" for backend in _by_preference()}


def select_backend(request: Request, name: str = "auto") -> Selection:
    """The backend for a request.

    Args:
        request: the integrals to compute.
        name: ``"auto"`` for the first that can, or a backend's name: ``"cuda"``, ``"cpu"``, ``"reference"``, or a build
            of the CPU's kernels, e.g. ``"cpu-baseline"``, which any processor of its kind can run.

    Returns:
        The backend, and the reason for it.

    Raises:
        ValueError: if the parts of the request do not fit together, the name is unknown, or that backend cannot serve
            the request.
    """
    check_request(request)
    if name == "auto":
        return _first_able(request)
    check_backend(name)
    chosen: Backend = _REFERENCE if name == _REFERENCE.name else _ENGINES[name]
    against = chosen.reason_against(request)
    if against is not None:
        raise ValueError(f"backend {name!r} cannot serve this request: {against}")
    return Selection(chosen, "asked for by name")


def check_backend(name: object) -> None:
    """Check the name of a backend, whether or not it can be used here.

    Args:
        name: the name.

    Raises:
        ValueError: for anything but `"auto"` and the names that `select_backend` knows.

    Example:
        >>> check_backend("cpu")
        >>> check_backend("gpu")
        Traceback (most recent call last):
            ...
        ValueError: backend must be 'auto' or one of cuda, cpu, reference, cpu-avx512, cpu-avx2, cpu-baseline, got 'gpu'
    """
    if name not in ("auto", _REFERENCE.name, *_ENGINES):
        usual = ", ".join(backend.name for backend in _by_preference())
        builds = ", ".join(engine for engine in _ENGINES if engine not in _PREFERRED)
        raise ValueError(f"backend must be 'auto' or one of {usual}, {builds}, got {name!r}")


def engine_named(name: str) -> Engine:
    """The engine of the name that was passed to an operator of torch."""
    return _ENGINES[name]


def prefilter_engine(values: Tensor) -> Engine | None:
    """The first engine that can filter values [..., I, J, K]; None if torch has to do it."""
    preferred = (_ENGINES[name] for name in _PREFERRED)
    return next((engine for engine in preferred if engine.reason_against_prefilter(values) is None), None)


@contextmanager
def engines_replaced(*engines: Engine) -> Iterator[None]:
    """Within the block, replace the engines of the same names, in all threads."""
    before = dict(_ENGINES)
    _ENGINES.update({engine.name: engine for engine in engines})
    try:
        yield
    finally:
        _ENGINES.update(before)


def _by_preference() -> list[Backend]:
    return [*(_ENGINES[name] for name in _PREFERRED), _REFERENCE]


def _first_able(request: Request) -> Selection:
    refused: list[str] = []
    for backend in _by_preference():
        against = backend.reason_against(request)
        if against is None:
            if backend is _REFERENCE:
                _warn_without_kernels(request)
            return Selection(backend, "; ".join(refused) or "the fastest there is")
        refused.append(f"not {backend.name}: {against}")
    raise RuntimeError("; ".join(refused))


def _warn_without_kernels(request: Request) -> None:
    """Say why kernels that are installed cannot be used; that there are none was said at import."""
    missing = _ENGINES["cpu"].reason_against()
    if missing is not None and request.field.device.type == "cpu" and has_kernels(_PACKAGE):
        warnings.warn(
            f"the reference backend computes this, hundreds of times more slowly than compiled kernels: {missing}",
            RuntimeWarning,
            stacklevel=2,
        )
