"""The draws in torch, float64, on the CPU: the reference for the compiled kernels, with the formulas of `noise.h`."""

import math

import torch
from torch import Tensor

__all__ = ["electrons_by_torch", "philox", "quanta_by_torch"]

_FOR_QUANTA, _FOR_ELECTRONS = 1, 2
_FEW = 10.0
_MOST_TERMS, _MOST_TRIES = 100, 256
_WORD = 0xFFFFFFFF


def quanta_by_torch(mean: Tensor, variance: Tensor, seed: int) -> Tensor:
    """Energies [...], of the dtype of `mean`."""
    s, v = mean.reshape(-1).double(), variance.reshape(-1).double()
    lit = (s > 0) & (v > 0)
    element, s, v = torch.nonzero(lit).squeeze(1), s[lit], v[lit]
    photons = s * s / v
    counts = torch.zeros_like(photons)
    few = ~(photons >= _FEW)
    counts[few] = _few(photons[few], _uniforms(seed, element[few], 0, _FOR_QUANTA)[0])
    counts[~few] = _many(photons[~few], seed, element[~few])
    energies = torch.zeros(mean.numel(), dtype=torch.float64)
    energies[lit] = torch.where(counts > 0, counts * (v / s), 0.0)
    return energies.to(mean.dtype).reshape(mean.shape)


def electrons_by_torch(like: Tensor, rms: float, seed: int) -> Tensor:
    """Gaussian numbers [...], of the dtype of `like`."""
    first, second = _uniforms(seed, torch.arange(like.numel()), 0, _FOR_ELECTRONS)
    normal = torch.sqrt(-2 * torch.log(second)) * torch.cos(2 * math.pi * first)
    return (rms * normal).to(like.dtype).reshape(like.shape)


def philox(counter: list[Tensor], key: int) -> list[Tensor]:
    """Philox 4x32-10 of a counter of four words, each an int64 tensor from 0 to 2^32 - 1, and a key of 64 bits."""
    key0, key1 = key & _WORD, key >> 32
    for _ in range(10):
        (high0, low0), (high1, low1) = _product(0xD2511F53, counter[0]), _product(0xCD9E8D57, counter[2])
        counter = [high1 ^ counter[1] ^ key0, low1, high0 ^ counter[3] ^ key1, low0]
        key0, key1 = (key0 + 0x9E3779B9) & _WORD, (key1 + 0xBB67AE85) & _WORD
    return counter


def _product(a: int, b: Tensor) -> tuple[Tensor, Tensor]:
    """Upper and lower word of the product of two words; int64 wraps around, but the bits are right."""
    whole = b * a
    return (whole >> 32) & _WORD, whole & _WORD


def _uniforms(seed: int, element: Tensor, draw: int, purpose: int) -> tuple[Tensor, Tensor]:
    words = [element & _WORD, element >> 32, torch.full_like(element, draw), torch.full_like(element, purpose)]
    a, b, c, d = philox(words, seed)
    first, second = (((high >> 12 << 32 | low).double() + 0.5) * 2.0**-52 for high, low in ((a, b), (c, d)))
    return first, second


def _few(mean: Tensor, u: Tensor) -> Tensor:
    """Poisson numbers by inversion."""
    term = torch.exp(-mean)
    total, counts = term.clone(), torch.zeros_like(mean)
    for k in range(1, _MOST_TERMS + 1):
        higher = u > total
        if not bool(higher.any()):
            break
        counts += higher
        term = term * mean / k
        total = total + term
    return counts


def _many(mean: Tensor, seed: int, element: Tensor) -> Tensor:
    """Poisson numbers by transformed rejection; each round draws again for the numbers not accepted yet."""
    counts, waiting = mean.clone(), torch.arange(mean.numel())
    for draw in range(_MOST_TRIES):
        if not waiting.numel():
            break
        first, second = _uniforms(seed, element[waiting], draw, _FOR_QUANTA)
        k, accepted = _tried(mean[waiting], first, second)
        counts[waiting[accepted]] = k[accepted]
        waiting = waiting[~accepted]
    return counts


def _tried(mean: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    b = 0.931 + 2.53 * torch.sqrt(mean)
    a = 0.02483 * b - 0.059
    edge = 0.5 - (first - 0.5).abs()
    k = torch.floor((2 * a / edge + b) * (first - 0.5) + (mean + 0.43))
    sure = (edge >= 0.07) & (second <= 0.9277 - 3.6224 / (b - 2))
    height = second * (1.1239 + 1.1328 / (b - 3.4)) / (a / (edge * edge) + b)
    possible = (k >= 0) & ~((edge < 0.013) & (second > edge))
    return k, sure | (possible & (torch.log(height) <= _log_poisson(k.clamp(min=0.0), mean)))


def _log_poisson(k: Tensor, mean: Tensor) -> Tensor:
    small = k < 10
    direct = k * torch.log(mean) - mean - torch.lgamma(torch.where(small, k, 1.0) + 1)
    many = torch.where(small, 10.0, k)
    stirling = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / many**2) / many**2) / many**2) / many
    off = many - mean
    x = off / (many + mean)
    # k log(k / mean) - (k - mean) without cancellation: log(k / mean) = 2 atanh(x) = 2 (x + x^3 / 3 + ...).
    tail = torch.zeros_like(x)
    for n in range(23, 2, -2):
        tail = tail * x**2 + 1 / n
    near = off * x + 2 * many * x**3 * tail
    deviance = torch.where(x**2 < 0.0294, near, many * torch.log(many / mean) - off)
    return torch.where(small, direct, -(deviance + stirling + 0.5 * torch.log(2 * math.pi * many)))
