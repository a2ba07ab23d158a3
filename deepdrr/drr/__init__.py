"""Digitally reconstructed radiographs with gradients: the function `render`, and `DRR`, a camera as a module.

For one effective energy by `deepdrr.raycast.project`, or for a spectrum by the whole chain to the detector.
"""

from deepdrr.drr._drr import DRR
from deepdrr.drr._physics import Physics
from deepdrr.drr._render import render

__all__ = ["DRR", "Physics", "render"]
