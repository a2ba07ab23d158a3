"""Flags that move the C-arm of a scene file."""

from deepdrr.cli._options import DetectorOptions, PoseOptions
from deepdrr.cli._scene import carm_geometry, point_of, stand_of
from deepdrr.data import Volume
from deepdrr.device import MobileCArm
from deepdrr.projector import Projector

__all__ = ["move_carm"]


def move_carm(projector: Projector, pose: PoseOptions, options: DetectorOptions | None) -> None:
    """Move the C-arm of a scene as far as flags say; the rest of it stays.

    Args:
        projector: of a scene file.
        pose: its isocenter or landmark is that of the scene's first CT.
        options: None keeps the scene's detector.

    Raises:
        ValueError: if a view and angles are given, or a point of a patient where no CT is.
    """
    carm = projector.carm
    assert isinstance(carm, MobileCArm)  # a scene file has no other
    if options is not None:
        carm.geometry = carm_geometry(options)
    if (point := point_of(pose)) is not None:
        patients = [volume for volume in projector.scene.volumes if isinstance(volume, Volume)]
        if not patients:
            raise ValueError(f"isocenter must be a point of a patient, but the scene has no CT, got {point!r}")
        carm.isocenter = patients[0].point_in_world(point)
    if pose.view is not None:
        stand_of(pose)  # refuses angles beside it
        carm.move_to_view(pose.view)
    elif stand_of(pose) is not None:
        carm.move_to(alpha=pose.alpha or 0.0, beta=pose.beta or 0.0, gamma=pose.gamma or 0.0, viewed_from="detector")
    if pose.viewed_from is not None:
        carm.viewed_from = pose.viewed_from
