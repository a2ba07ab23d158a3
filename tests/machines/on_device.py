"""`--device cuda`: suites that were written for the CPU, with the CUDA kernels behind `project`.

Their tests hold tensors of the host, as ever. What they ask of the compiled backend, by its name or by `"auto"`, goes
to the CUDA backend: on a GPU with copies there and back, on the software driver in the host's own memory. So `"cpu"`
means the device's kernels there, and a test that launches none of them is not counted as passed.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from cuda_machine import Gpu, recorded
from torch import Tensor

from deepdrr.projector import Projector
from deepdrr.raycast import Request, _backends
from deepdrr.raycast._reference import ReferenceBackend
from deepdrr.raycast.cpu._engine import CpuBackend
from deepdrr.raycast.cuda._engine import CudaBackend

__all__ = ["Asked", "answer_with_cuda"]


@dataclass(frozen=True)
class Asked:
    """What a test has asked of the device: the kernels launched, and why requests were refused."""

    launched: list[str]
    refused: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> str | None:
        """Why no kernel was launched; None if one was."""
        if self.launched:
            return None
        return (
            "; ".join(f"the CUDA backend: {why}" for why in dict.fromkeys(self.refused))
            or "nothing is integrated but by the reference"
        )


class CudaForTheHost:
    """The CUDA backend for requests of the host's tensors; integrating without a launch is a failure."""

    def __init__(self, name: str, gpu: Gpu, asked: Asked) -> None:
        self.name, self.gpu, self.asked, self.backend = name, gpu, asked, CudaBackend()

    def reason_against(self, request: Request | None = None) -> str | None:
        """The backend's own; where the CPU's kernels serve and it does not yet, the test is skipped for that reason."""
        if request is None:
            return self.backend.reason_against()
        against = self.backend.reason_against(self.gpu.request(request))
        if against is not None:
            self.asked.refused.append(against)
            if CpuBackend().reason_against(request) is None:
                pytest.skip(f"the CUDA backend: {against}")
        return against

    def project(self, request: Request) -> Tensor:
        before = len(self.asked.launched)
        result = self.backend.project(self.gpu.request(request)).to(request.field.device)
        assert len(self.asked.launched) > before or result.numel() == 0, "the CUDA backend has launched no kernel"
        return result


def answer_with_cuda(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Puts the CUDA backend behind `project`, and a projector's volume on the GPU."""
    asked = Asked(recorded(gpu.launcher, monkeypatch))
    kernels = [CudaForTheHost(name, gpu, asked) for name in ("cuda", "cpu")]
    monkeypatch.setattr(_backends, "BACKENDS", (*kernels, ReferenceBackend()))
    defaults: dict[str, Any] = Projector.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "device", str(gpu.device))
    return asked
