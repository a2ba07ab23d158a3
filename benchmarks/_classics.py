"""The projectors of plastimatch and RTK on a scene: images in value · mm, and seconds per view."""

import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _scene import Scene
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.camera import Camera

__all__ = ["Plastimatch", "Rtk"]

Arc = Sequence[Camera]


class Plastimatch:
    """`plastimatch drr -i exact`: a program that reads a file, so a view's time is a difference of two runs.

    Its gantry turns about the file's z; gantry angle g is our α = 90° − g seen from the source. It counts in cm, and
    leaves out the last voxel of every ray (seen on a cube of ones), which is air here.
    """

    name = "plastimatch drr, exact"
    interpolation = "nearest"

    def __init__(self, scene: Scene, folder: Path) -> None:
        import itk

        beside = Path(sys.executable).with_name("plastimatch")
        program = str(beside) if beside.exists() else shutil.which("plastimatch")
        if program is None:
            raise ImportError("the program plastimatch is not installed")
        self._program, self._folder = program, folder
        itk.imwrite(_itk_image(scene), str(folder / "ct.mha"))

    def images(self, alphas: Sequence[float], camera: Camera) -> Tensor:
        """Line integrals [N, H, W] from evenly spaced angles."""
        self._run(alphas, camera)
        return torch.stack([_read_pfm(self._folder / f"drr{n:04d}.pfm") for n in range(len(alphas))]) * 10.0

    def seconds_per_view(self, alphas: Sequence[float], camera: Camera) -> float:
        """Mean over all views except the first, which includes reading the file."""
        one, all_ = self._run(alphas[:1], camera), self._run(alphas, camera)
        return max(all_ - one, 1e-9) / (len(alphas) - 1)

    def _run(self, alphas: Sequence[float], camera: Camera) -> float:
        if camera.height != camera.width:
            raise ValueError(f"plastimatch swaps rows and columns: the detector must be square, got {camera.height}")
        side = camera.height * float(camera.pixel_spacing_mm[0])
        spacing = alphas[0] - alphas[1] if len(alphas) > 1 else 1.0
        command = [self._program, "drr", "-i", "exact", "-P", "none", "--sad", "850", "--sid", "1020"]
        command += ["-r", f"{camera.height} {camera.width}", "-z", f"{side} {side}", "-o", "0 0 0"]
        # Version 1.10 takes the first angle in radians and the spacing in degrees.
        command += ["-y", f"{math.radians(90 - alphas[0]):.9f}", "-N", f"{spacing}", "-a", f"{len(alphas)}"]
        command += ["-t", "pfm", "-O", str(self._folder / "drr"), str(self._folder / "ct.mha")]
        environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return time.perf_counter() - start


class Rtk:
    """RTK's `JosephForwardProjectionImageFilter` on ITK's threads; a view's time is the filter's `Update`."""

    name = "RTK Joseph"
    interpolation = "linear"

    def __init__(self, scene: Scene, folder: Path) -> None:
        import itk
        from itk import RTK

        self._itk, self._rtk = itk, RTK
        itk.MultiThreaderBase.SetGlobalMaximumNumberOfThreads(torch.get_num_threads())
        itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(torch.get_num_threads())
        self._volume = _itk_image(scene)

    def images(self, alphas: Sequence[float], camera: Camera) -> Tensor:
        """Line integrals [N, H, W]."""
        return torch.from_numpy(self._itk.array_from_image(self._project(alphas, camera)[0]).copy())

    def seconds_per_view(self, alphas: Sequence[float], camera: Camera) -> float:
        """Mean over the views of one filter run."""
        return self._project(alphas, camera)[1] / len(alphas)

    def _project(self, alphas: Sequence[float], camera: Camera) -> tuple[Any, float]:
        zeros = np.zeros((len(alphas), camera.height, camera.width), np.float32)
        stack = self._itk.image_from_array(zeros)
        pixel = float(camera.pixel_spacing_mm[0])
        stack.SetSpacing([pixel, pixel, 1.0])
        stack.SetOrigin([-0.5 * pixel * (camera.width - 1), -0.5 * pixel * (camera.height - 1), 0.0])
        image = type(stack)
        joseph = self._rtk.JosephForwardProjectionImageFilter[image, image].New()
        joseph.SetGeometry(self._geometry(alphas, camera))
        joseph.SetInput(0, stack)
        joseph.SetInput(1, self._volume)
        start = time.perf_counter()
        joseph.Update()
        return joseph.GetOutput(), time.perf_counter() - start

    def _geometry(self, alphas: Sequence[float], camera: Camera) -> Any:
        geometry = self._rtk.ThreeDCircularProjectionGeometry.New()
        for view in turned(camera, alphas):
            axes, source = view.camera_from_world[:3, :3], view.source_world
            center = source + axes[2] * view.sdd_mm
            points = [self._itk.Point[self._itk.D, 3](p.tolist()) for p in (source, center)]
            vectors = [self._itk.Vector[self._itk.D, 3](v.tolist()) for v in (axes[0], axes[1])]
            if not geometry.AddProjection(*points, *vectors):
                raise ValueError("RTK refuses this view")
        return geometry


def turned(camera: Camera, alphas: Sequence[float]) -> list[Camera]:
    """The camera at several angles about the world's z; the camera given is that of α = 0."""
    from deepdrr.geometry import rigid, rotation

    return [camera.moved(rigid(rotation((0, 0, 1), alpha), torch.zeros(3, dtype=torch.float64))) for alpha in alphas]


def _itk_image(scene: Scene) -> Any:
    """The attenuation as an ITK image in our world, its axes along the world's, as plastimatch wants them."""
    import itk

    affine, mu = scene.world_from_ijk, scene.mu
    if not torch.equal(affine[:3, :3], torch.diag(affine.diagonal()[:3])):
        raise ValueError("the volume's axes must be the world's, up to signs")
    backward = [axis for axis in range(3) if affine[axis, axis] < 0]
    origin = [float(affine[a, 3] + (affine[a, a] * (mu.shape[a] - 1) if a in backward else 0.0)) for a in range(3)]
    image = itk.image_from_array(np.ascontiguousarray(mu.flip(backward).numpy().transpose(2, 1, 0)))
    image.SetSpacing(affine.diagonal()[:3].abs().tolist())
    image.SetOrigin(origin)
    return image


def _read_pfm(path: Path) -> Tensor:
    _, size, _, data = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    pixels: NDArray[np.float32] = np.frombuffer(data, "<f4", count=width * height)
    return torch.from_numpy(pixels.reshape(height, width).copy())
