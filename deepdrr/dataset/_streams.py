"""The random numbers of a sample: a function of the seed, the sample's number and what they are for."""

from zlib import crc32

import numpy as np

__all__ = ["noise_seed", "stream"]


def stream(seed: int, index: int, purpose: str) -> np.random.Generator:
    """The generator of one purpose in one sample.

    Each purpose has its own, so that a plan that draws one thing more leaves all other draws as they were.

    Args:
        seed: of the plan.
        index: of the sample.
        purpose: what the numbers are for, such as `"pose"`.

    Example:
        >>> stream(1, 7, "pose").uniform() == stream(1, 7, "pose").uniform()
        True
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index, crc32(purpose.encode())])))


def noise_seed(seed: int, index: int) -> int:
    """The seed of the detector's noise in one sample, for a `torch.Generator`."""
    return int(stream(seed, index, "noise").integers(2**63))
