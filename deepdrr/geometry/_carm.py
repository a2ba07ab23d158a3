"""The angles of a C-arm: DICOM's positioner primary and secondary angle, and the rotation of the detector.

Angles are those of DICOM PS3.3 C.8.7.5.1.2 for a patient lying head first and supine, whose right, anterior and
superior directions are then the room's x, y and z:

- primary angle α: 0° with the receptor in front of the patient (tube under the table), +90° with the receptor at the
  patient's left hand (LAO), −90° at the right (RAO);
- secondary angle β: +90° with the receptor at the head (cranial), −90° at the feet (caudal);
- rotation γ of the detector about the beam, right-handed about the direction from source to detector.

With Rx, Ry, Rz the right-handed rotations about the room's axes, the arm turns by R = Rz(α) Rx(β) Ry(γ), and the beam
runs along d = R ŷ = (−sin α cos β, cos α cos β, sin β).
"""

import math

from torch import Tensor

from deepdrr.geometry._affine import rotation

__all__ = ["beam_angles", "carm_angles", "carm_direction", "world_from_carm"]


def world_from_carm(alpha_deg: float, beta_deg: float, gamma_deg: float = 0.0) -> Tensor:
    """Rotation of the arm, R = Rz(α) Rx(β) Ry(γ).

    Args:
        alpha_deg: primary angle α (LAO positive), degrees.
        beta_deg: secondary angle β (cranial positive), degrees.
        gamma_deg: rotation γ of the detector about the beam, degrees.

    Returns:
        float64 [3, 3].
    """
    return rotation((0, 0, 1), alpha_deg) @ rotation((1, 0, 0), beta_deg) @ rotation((0, 1, 0), gamma_deg)


def carm_direction(alpha_deg: float, beta_deg: float) -> Tensor:
    """Direction of the beam, d = (−sin α cos β, cos α cos β, sin β), from source to detector.

    Args:
        alpha_deg: primary angle α, degrees.
        beta_deg: secondary angle β, degrees.

    Returns:
        float64 unit vector [3] in the room.

    Example:
        >>> carm_direction(90, 0)  # the receptor is at the patient's left
        tensor([-1.,  0.,  0.], dtype=torch.float64)
    """
    return world_from_carm(alpha_deg, beta_deg)[:, 1]


def beam_angles(direction_anatomical: Tensor) -> tuple[float, float]:
    """Primary and secondary angle of a beam about the patient, the inverse of `carm_direction`.

    α = atan2(−d_R, d_A) in (−180°, 180°], β = asin(d_S) in [−90°, 90°]. Along the patient's axis (β = ±90°) every
    α is the same beam; 0 is returned.

    Args:
        direction_anatomical: direction from source to detector [3] in RAS, any length but zero.

    Returns:
        (primary, secondary) in degrees.
    """
    right, anterior, superior = (direction_anatomical / direction_anatomical.norm()).tolist()
    across = math.hypot(right, anterior)
    # Below 1e-12 the components across the axis are the rounding error of a quarter turn.
    primary = math.degrees(math.atan2(0.0 - right, anterior)) if across > 1e-12 else 0.0
    return primary, math.degrees(math.atan2(superior, across))


def carm_angles(world_from_arm: Tensor) -> tuple[float, float, float]:
    """Angles of an arm from its rotation, the inverse of `world_from_carm`.

    β lies in [−90°, 90°], α and γ in (−180°, 180°]; the same rotation may have been made with a β beyond. At β = ±90°
    only the sum or difference of α and γ is determined, and α is 0.

    Args:
        world_from_arm: rotation [3, 3].

    Returns:
        (alpha, beta, gamma) in degrees.
    """
    alpha, beta = beam_angles(world_from_arm[:, 1])
    about_beam = world_from_carm(alpha, beta).T @ world_from_arm
    return alpha, beta, math.degrees(math.atan2(float(about_beam[0, 2]), float(about_beam[0, 0])))
