"""The angles that a DICOM header states for a camera."""

from torch import Tensor

from deepdrr.camera._camera import Camera
from deepdrr.geometry import beam_angles, transform_directions

__all__ = ["positioner_angles"]


def positioner_angles(camera: Camera, anatomical_from_world: Tensor) -> tuple[float, float]:
    """Positioner primary and secondary angle (DICOM 0018,1510 and 0018,1511) of a camera about a patient.

    Args:
        camera: an unbatched camera.
        anatomical_from_world: transform [4, 4] into the patient's RAS frame, mm.

    Returns:
        (primary, secondary) in degrees: LAO and cranial positive.

    Raises:
        ValueError: if the camera is batched.
    """
    if camera.batch_shape:
        raise ValueError(f"camera must not be batched, got batch shape {tuple(camera.batch_shape)}")
    return beam_angles(transform_directions(anatomical_from_world, camera.principal_axis_world.detach()))
