"""The X-ray device around the patient in 3-D, drawn by PyVista (extra `scene`), which the first call imports."""

from deepdrr.scene._scene import visualize_scene

__all__ = ["visualize_scene"]
