"""The compiled backend."""

from torch import Tensor

from deepdrr.raycast._request import Request

__all__ = ["CpuBackend"]


class CpuBackend:
    """Compiled."""

    name = "cpu"

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why not."""
        return "it is not built yet"

    def project(self, request: Request) -> Tensor:
        """Never."""
        raise NotImplementedError
