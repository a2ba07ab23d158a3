"""Refuse tensors that cannot fit into memory, before allocating them."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch

__all__ = ["available_memory", "check_fits"]

# Bytes: asking the system takes longer than allocating this much.
_ALWAYS_FITS = 2**24


def available_memory(device: torch.device | str = "cpu") -> int | None:
    """Bytes that can still be allocated on a device, or None if the system does not say.

    On Linux this is MemAvailable of /proc/meminfo, elsewhere the physical memory.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        if "MemAvailable" in fields:
            return int(fields["MemAvailable"].split()[0]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def check_fits(what: str, shape: Sequence[int], *, dtype: torch.dtype, device: torch.device | str = "cpu") -> None:
    """Refuse a tensor that is larger than the free memory.

    Args:
        what: description of the tensor for the message, e.g. ``"the line integrals"``.
        shape: its shape.
        dtype: its type.
        device: its device.

    Raises:
        MemoryError: if it is larger; the message states the bytes required and the bytes available.
    """
    wanted = math.prod(shape) * dtype.itemsize
    if wanted <= _ALWAYS_FITS:
        return
    available = available_memory(device)
    if available is not None and wanted > available:
        raise MemoryError(
            f"{what} of shape {tuple(shape)} takes {wanted} bytes ({wanted / 2**30:.1f} GiB), but {available} bytes "
            f"({available / 2**30:.1f} GiB) are available: ask for fewer pixels, views or channels at a time"
        )
