"""The registry of backends, and how one is chosen."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from deepdrr.raycast._reference import ReferenceBackend
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._engine import CpuBackend
from deepdrr.raycast.cuda._engine import CudaBackend

__all__ = ["BACKENDS", "Backend", "Selection", "backends", "select_backend"]


class Backend(Protocol):
    """A way to compute `project`."""

    name: str

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why this backend cannot serve a request (or, without one, anything at all) here; None if it can."""

    def project(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W]; called only where `reason_against` is None."""


@dataclass(frozen=True)
class Selection:
    """The backend that serves a request, and why that one."""

    backend: Backend
    reason: str


# In order of preference: the first that can serve a request is taken; the reference can serve any.
BACKENDS: tuple[Backend, ...] = (CudaBackend(), CpuBackend(), ReferenceBackend())


def backends() -> dict[str, str]:
    """Every backend by name, with ``"ready"`` or the reason why it cannot be used on this machine."""
    return {backend.name: backend.reason_against() or "ready" for backend in BACKENDS}


def select_backend(request: Request, name: str = "auto") -> Selection:
    """The backend for a request.

    Args:
        request: what is to be computed.
        name: ``"auto"`` for the first that can, or a backend's name.

    Returns:
        The backend, and the reason for it.

    Raises:
        ValueError: if there is no backend of that name, or it cannot serve the request.
    """
    if name == "auto":
        return _first_able(request)
    chosen = next((backend for backend in BACKENDS if backend.name == name), None)
    if chosen is None:
        raise ValueError(f"backend must be 'auto' or one of {', '.join(b.name for b in BACKENDS)}, got {name!r}")
    against = chosen.reason_against(request)
    if against is not None:
        raise ValueError(f"backend {name!r} cannot serve this request: {against}")
    return Selection(chosen, "asked for by name")


def _first_able(request: Request) -> Selection:
    refused: list[str] = []
    for backend in BACKENDS:
        against = backend.reason_against(request)
        if against is None:
            return Selection(backend, "; ".join(refused) or "the fastest there is")
        refused.append(f"not {backend.name}: {against}")
    raise RuntimeError("; ".join(refused))
