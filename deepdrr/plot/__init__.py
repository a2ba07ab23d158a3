"""Plots of images for notebooks and reports: grey images with masks, edges of one over another, animations.

Matplotlib draws them (the extra `plot`); the first call imports it. For pictures as a viewer or a
radiologist would see them, with window and polarity, use `deepdrr.display`.
"""

from deepdrr.plot._animate import animate, draw_frames, write_frames
from deepdrr.plot._drr import overlay, picture, plot_drr

__all__ = ["animate", "draw_frames", "overlay", "picture", "plot_drr", "write_frames"]
