"""The X-ray device around the patient in 3-D, with PyVista (the extra `scene`), which is imported by the first call."""

from deepdrr.scene._scene import visualize_scene

__all__ = ["visualize_scene"]
