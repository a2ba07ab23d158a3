"""Digitally reconstructed radiographs with gradients: the function `render`, and `DRR`, a camera as a module.

For one effective energy, along `deepdrr.raycast.project`.
"""

from deepdrr.drr._drr import DRR
from deepdrr.drr._render import render

__all__ = ["DRR", "render"]
