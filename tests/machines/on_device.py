"""`--device cuda`: suites that were written for the CPU, with the CUDA kernels behind `project`.

Their tests use tensors on the host, as always. Requests to a compiled engine, by name or by `"auto"`, go to the CUDA
engine: on a GPU with copies there and back, on the software driver in the host's own memory. So `"cpu"` means
the device's kernels there, and a test that launches none of them is not counted as passed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from cuda_machine import Gpu
from torch import Tensor

from deepdrr.projector import Scene, _projector
from deepdrr.raycast import Request
from deepdrr.raycast._backends import engines_replaced
from deepdrr.raycast._rays import RayEnds
from deepdrr.raycast.cpu._engine import CpuEngine
from deepdrr.raycast.cuda._engine import CudaEngine

__all__ = ["Asked", "answering_with_cuda"]


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
    """The CUDA engine for requests of the host's tensors; integrating without a launch is a failure."""

    own_autograd = False

    def __init__(self, name: str, gpu: Gpu, asked: Asked) -> None:
        self.name, self.gpu, self.asked, self.engine = name, gpu, asked, CudaEngine()

    def reason_against(self, request: Request | None = None) -> str | None:
        """The engine's own; where the CPU's kernels serve and it does not yet, the test is skipped for that reason."""
        if request is None:
            return None  # `serving` the device is all there is to be ready for
        against = self.engine.reason_against(self.gpu.request(request))
        if against is not None:
            self.asked.refused.append(against)
            if CpuEngine().reason_against(request) is None:
                pytest.skip(f"the CUDA backend: {against}")
        return against

    def integrate(self, request: Request) -> Tensor:
        return self._launched(request, lambda: self.engine.integrate(self.gpu.request(request)))

    def sums_slopes(self, request: Request) -> bool:
        return self.engine.sums_slopes(request)

    def integrate_with_slopes(self, request: Request) -> tuple[Tensor, Tensor]:
        return self.engine.integrate_with_slopes(request)

    def grad_values(self, upstream: Tensor, request: Request) -> Tensor:
        there = self.gpu.moved(upstream)
        return self._launched(request, lambda: self.engine.grad_values(there, self.gpu.request(request)))

    def grad_rays(self, upstream: Tensor, request: Request) -> tuple[Tensor, ...]:
        there = self.gpu.moved(upstream)
        return tuple(gradient.cpu() for gradient in self.engine.grad_rays(there, self.gpu.request(request)))

    def grad_rays_from_slopes(
        self, upstream: Tensor, slopes: Tensor, shape: tuple[int, int, int], ijk_from_world: Tensor, rays: RayEnds
    ) -> tuple[Tensor, ...]:
        return self.engine.grad_rays_from_slopes(upstream, slopes, shape, ijk_from_world, rays)

    def reason_against_prefilter(self, values: Tensor) -> str | None:
        return self.engine.reason_against_prefilter(torch.empty(0, dtype=values.dtype, device=self.gpu.device))

    def prefilter(self, grids: Tensor, transposed: bool) -> None:
        there = self.gpu.moved(grids)
        self.engine.prefilter(there, transposed)
        if there is not grids:
            grids.copy_(there)

    def _launched(self, request: Request, work: Callable[[], Tensor]) -> Tensor:
        before = len(self.asked.launched)
        result = work()
        launched = len(self.asked.launched) > before
        assert launched or request.rays.shape.numel() == 0, "the CUDA backend has launched no kernel"
        return result.cpu()


@contextmanager
def answering_with_cuda(gpu: Gpu) -> Iterator[Asked]:
    """Within the block, the CUDA engine is behind `project`, and a projector's volume is on the GPU."""
    asked = Asked(gpu.launcher.names)
    kernels = [CudaForTheHost(name, gpu, asked) for name in ("cuda", "cpu")]
    as_scene = _projector._as_scene

    def there(scene: object, materials: Any, device: Any, beyond: Any) -> Scene:
        usual = None if isinstance(scene, Scene) else str(gpu.device)
        return as_scene(scene, materials, usual if device is None else device, beyond)

    with engines_replaced(*kernels), pytest.MonkeyPatch.context() as patch:
        patch.setattr(_projector, "_as_scene", there)
        yield asked
