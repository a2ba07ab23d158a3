"""Similarity of images and distance of poses: similarities, pose errors, landmark losses.

Similarities take images [B, C, H, W], return one number per image pair [B], and grow as images become more alike:
minimise their negative. Each is a function, and a `torch.nn.Module` that holds its settings. All are differentiable
with respect to both images; a NaN in an image makes the number NaN.
"""

from deepdrr.metrics._geodesic import DoubleGeodesicSE3, rotation_angle
from deepdrr.metrics._gradients import (
    GradientNormalizedCrossCorrelation2d,
    gradient_normalized_cross_correlation,
    image_gradients,
)
from deepdrr.metrics._landmarks import (
    LandmarkReprojectionLoss,
    landmark_reprojection_error,
    mean_target_registration_error,
    target_registration_error,
)
from deepdrr.metrics._mutual_information import MutualInformation2d, NormalizedMutualInformation2d, mutual_information
from deepdrr.metrics._ncc import (
    MultiscaleNormalizedCrossCorrelation2d,
    NormalizedCrossCorrelation2d,
    normalized_cross_correlation,
)

__all__ = [
    "DoubleGeodesicSE3",
    "GradientNormalizedCrossCorrelation2d",
    "LandmarkReprojectionLoss",
    "MultiscaleNormalizedCrossCorrelation2d",
    "MutualInformation2d",
    "NormalizedCrossCorrelation2d",
    "NormalizedMutualInformation2d",
    "gradient_normalized_cross_correlation",
    "image_gradients",
    "landmark_reprojection_error",
    "mean_target_registration_error",
    "mutual_information",
    "normalized_cross_correlation",
    "rotation_angle",
    "target_registration_error",
]
