"""The focal spot is not a point: blur by its shadow, or the mean over points of it.

Behind a plane at magnification M the shadow of a spot of size f is (M − 1) f wide at the detector. That blurs the
picture of a thin object exactly and that of a patient as if all of it lay in one plane; sampling the source knows no
such plane, at the price of one projection per sample.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.camera import Camera

__all__ = ["FocalSpot", "focal_spot_blur", "focal_spot_transfer", "sampled_sources"]

_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))
_SMALL = 0.25  # pixels²: variance below which three taps do
_REACH = 3.5  # standard deviations of a Gaussian that the taps hold, 0.9995 of it


@dataclass(frozen=True, kw_only=True)
class FocalSpot:
    """Size and shape of the source as seen from the detector.

    Attributes:
        width_mm: extent along the rows of the picture: full width at half maximum, or the side of a uniform spot.
        height_mm: the same along the columns.
        shape: `"gaussian"` or `"uniform"`.
        samples: None blurs the image for the plane of the volume's centre; a number samples the source in so many
            points along each direction.
    """

    width_mm: float = 0.6
    height_mm: float = 0.6
    shape: Literal["gaussian", "uniform"] = "gaussian"
    samples: int | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in ("width_mm", "height_mm"):
            value = getattr(self, name)
            if not 0.0 <= value <= 10.0:
                raise ValueError(f"{name} of a focal spot must be from 0 to 10 mm, got {value}")
        if self.shape not in ("gaussian", "uniform"):
            raise ValueError(f"shape must be 'gaussian' or 'uniform', got {self.shape!r}")
        if self.samples is not None and not 1 <= self.samples <= 64:
            raise ValueError(f"samples must be None or from 1 to 64 in each direction, got {self.samples}")


def focal_spot_transfer(frequency_per_mm: Tensor, size_mm: float, shape: str, magnification: float) -> Tensor:
    """MTF of a focal spot in one direction, at the detector.

    Args:
        frequency_per_mm: any shape, cycles per mm at the detector.
        size_mm: full width at half maximum of a Gaussian spot, or the side of a uniform one.
        shape: `"gaussian"` or `"uniform"`.
        magnification: of the object's plane.
    """
    extent = frequency_per_mm * size_mm * (magnification - 1)
    if shape == "uniform":
        return torch.sinc(extent)
    return torch.exp(-2 * (math.pi * extent / _FWHM_PER_SIGMA) ** 2)


def focal_spot_blur(image: Tensor, spot: FocalSpot, *, magnification: float, pixel_mm: tuple[float, float]) -> Tensor:
    """Blur by the spot's shadow.

    Args:
        image: [..., H, W] what is linear in the photons: their number, their energy, a mean signal.
        spot: the focal spot.
        magnification: source-to-detector over source-to-plane distance of the plane for which the blur is exact; 1 or
            more.
        pixel_mm: distance between rows and between columns on the detector, mm.

    Returns:
        [..., H, W], differentiable, never negative where the image is not. Beyond its border the image is taken to
        go on as at the border.

    Raises:
        ValueError: if the magnification is below 1.

    Example:
        >>> edge = (torch.arange(9) > 4).float().expand(3, 9)
        >>> focal_spot_blur(edge, FocalSpot(), magnification=2.0, pixel_mm=(0.6, 0.6))[1, 3:6]
        tensor([0.0000, 0.0902, 0.9098])
    """
    if not 1.0 <= magnification < math.inf:
        raise ValueError(f"magnification must be 1 or more, got {magnification}")
    flat = image.reshape(-1, 1, *image.shape[-2:])
    for dim, size_mm, pixel in ((2, spot.height_mm, pixel_mm[0]), (3, spot.width_mm, pixel_mm[1])):
        taps = _taps((magnification - 1) * size_mm / pixel, spot.shape).to(image.dtype).to(image.device)
        flat = _along(flat, taps, dim)
    return flat.reshape(image.shape)


def sampled_sources(camera: Camera, spot: FocalSpot) -> Camera:
    """The camera with its source at points of the spot, which count alike; the detector stays.

    Args:
        camera: the geometry [...], perspective.
        spot: the focal spot, with `samples` n.

    Returns:
        A camera [n², ...]: the image of a source of that size is the mean over the first dimension.

    Raises:
        ValueError: if the camera is orthographic or `samples` is None.
    """
    if camera.orthographic or spot.samples is None:
        raise ValueError("sampled_sources needs a perspective camera and a spot with samples, a number per direction")
    unit = _sample_points(spot.samples, spot.shape)
    down, right = torch.meshgrid(unit * spot.height_mm, unit * spot.width_mm, indexing="ij")
    intrinsics, pose = camera.intrinsics.double(), camera.camera_from_world.double()
    batch = camera.batch_shape
    shift = torch.zeros(spot.samples**2, *[1] * len(batch), 3, dtype=torch.float64, device=pose.device)
    shift[..., 0] = right.reshape(-1, *[1] * len(batch))
    shift[..., 1] = down.reshape(-1, *[1] * len(batch))
    # A source moved by s sees the fixed detector from s: the principal point moves by K s / sdd.
    moved_k = intrinsics.expand(*shift.shape[:1], *batch, 3, 3).clone()
    moved_k[..., :2, 2] += (intrinsics[..., :2, :2] @ shift[..., :2, None])[..., 0] / camera.sdd_mm[..., None]
    moved_pose = pose.expand(*shift.shape[:1], *batch, 4, 4).clone()
    moved_pose[..., :3, 3] -= shift
    sdd = camera.sdd_mm.expand(*shift.shape[:1], *batch)
    return replace(camera, intrinsics=moved_k, camera_from_world=moved_pose, sdd_mm=sdd)


def _sample_points(count: int, shape: str) -> Tensor:
    """[count] positions in units of the size, symmetric, with the variance of the shape (one point: the centre)."""
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    points, variance = middles - 0.5, 1 / 12
    if shape == "gaussian":
        points, variance = torch.special.ndtri(middles), 1 / _FWHM_PER_SIGMA**2
    return points * math.sqrt(variance / float((points**2).mean())) if count > 1 else points


def _taps(size_px: float, shape: str) -> Tensor:
    """Weights of neighbouring pixels, positive, of sum one and the variance of the shadow.

    The shadow is summed over each pixel's width. That widens it by 1/12 pixel², so one that much narrower is summed.
    """
    variance = size_px**2 / (12 if shape == "uniform" else _FWHM_PER_SIGMA**2)
    if variance < _SMALL:
        return torch.tensor([variance / 2, 1 - variance, variance / 2], dtype=torch.float64)
    narrower = math.sqrt(1 - 1 / (12 * variance))
    sigma = math.sqrt(variance) * narrower
    reach = math.ceil(0.5 + (size_px * narrower / 2 if shape == "uniform" else _REACH * sigma))
    edges = torch.arange(-reach, reach + 2, dtype=torch.float64) - 0.5
    if shape == "uniform":
        below = (edges / (size_px * narrower) + 0.5).clamp(0, 1)
    else:
        below = torch.special.ndtr(edges / sigma)
    taps = below.diff()
    return taps / taps.sum()


def _along(image: Tensor, taps: Tensor, dim: int) -> Tensor:
    """Convolve [N, 1, H, W] with symmetric taps along one of its last two dimensions."""
    reach = len(taps) // 2
    pad, kernel = ((0, 0, reach, reach), taps[:, None]) if dim == 2 else ((reach, reach, 0, 0), taps[None])
    padded = torch.nn.functional.pad(image, pad, mode="replicate")
    return torch.nn.functional.conv2d(padded, kernel[None, None])
