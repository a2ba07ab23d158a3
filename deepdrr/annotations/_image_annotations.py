"""`ImageAnnotations`: what is where in one image, as the writers take it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.annotations._projection import ProjectedAnnotations
from deepdrr.annotations._structures import Structures

__all__ = ["ImageAnnotations", "image_annotations"]

Edges = tuple[tuple[int, int], ...]


def _no_points() -> NDArray[np.float64]:
    return np.zeros((0, 2))


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageAnnotations:
    """What is where in one image, in NumPy.

    Attributes:
        height, width: rows and columns of the image.
        structures: names of the L structures.
        masks: what each covers, bool [L, H, W]; they may overlap.
        boxes: (u0, v0, u1, v1) around each mask [L, 4]; NaN for an empty one.
        amodal_boxes: (u0, v0, u1, v1) of each whole structure [L, 4], also beyond the image.
        points: names of the N landmarks.
        pixels: (u, v) of each [N, 2]; NaN for one without an image.
        visibility: COCO's number of each [N]: 2 in view, 1 in view but hidden behind metal, 0 not in view.
        outlines: (u, v) of the points of paths, planes and boxes by name [M, 2].
        edges: pairs of these points that are joined, by name.

    Raises:
        TypeError: if an array is not NumPy's.
        ValueError: if shapes do not fit together, a name is there twice, masks are not bool, or a landmark is seen
            nowhere.
    """

    height: int
    width: int
    structures: tuple[str, ...] = ()
    masks: NDArray[np.bool_]
    boxes: NDArray[np.float64]
    amodal_boxes: NDArray[np.float64]
    points: tuple[str, ...] = ()
    pixels: NDArray[np.float64] = field(default_factory=_no_points)
    visibility: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    outlines: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    edges: Mapping[str, Edges] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, points = len(self.structures), len(self.points)
        wanted = {
            "masks": (count, self.height, self.width),
            "boxes": (count, 4),
            "amodal_boxes": (count, 4),
            "pixels": (points, 2),
            "visibility": (points,),
        }
        for name, shape in wanted.items():
            if not isinstance(getattr(self, name), np.ndarray):
                raise TypeError(f"{name} must be a NumPy array, got {type(getattr(self, name)).__name__}")
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be of shape {shape}, got {getattr(self, name).shape}")
        if self.masks.dtype != np.bool_:
            raise ValueError(f"masks must be bool, got {self.masks.dtype}")
        if not np.isin(self.visibility, (0, 1, 2)).all():
            raise ValueError(f"visibility must be 0, 1 or 2, got {self.visibility.tolist()}")
        if not np.isfinite(self.pixels[self.visibility > 0]).all():
            raise ValueError("pixels must be finite for landmarks with visibility above 0, got NaN or infinity")
        for names in (self.structures, self.points):
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"names must be different, got {twice[0]!r} twice")

    @property
    def body_box(self) -> NDArray[np.float64] | None:
        """(u0, v0, u1, v1) around all masks, or else around all landmarks in view; None if there is neither."""
        boxes = self.boxes[~np.isnan(self.boxes).any(axis=-1)]
        if len(boxes):
            return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
        seen = self.pixels[self.visibility > 0]
        return np.concatenate([seen.min(0), seen.max(0)]) if len(seen) else None


def image_annotations(
    structures: Structures | None, projected: ProjectedAnnotations | None, *, height: int, width: int
) -> ImageAnnotations:
    """Structures and landmarks of one image.

    Args:
        structures: of a single view; None for none.
        projected: of a single view; None for none.
        height, width: rows and columns of the image.

    Raises:
        ValueError: if one is a batch: take a view out of it, or of another size.
    """
    found: dict[str, object] = {
        "masks": np.zeros((0, height, width), dtype=np.bool_),
        "boxes": np.zeros((0, 4)),
        "amodal_boxes": np.zeros((0, 4)),
    }
    if structures is not None:
        _check_single(structures.path_lengths_mm, 3, "structures")
        found = {name: _array(getattr(structures, name)) for name in ("masks", "boxes", "amodal_boxes")}
        found["structures"] = structures.names
    if projected is not None:
        _check_single(projected.pixels, 2, "projected")
        found |= {"points": projected.names, "pixels": _array(projected.pixels)}
        found |= {"visibility": _array(projected.visibility), "edges": projected.edges}
        found["outlines"] = {name: _array(outline) for name, outline in projected.outlines.items()}
    return ImageAnnotations(height=height, width=width, **found)  # type: ignore[arg-type]


def _array(values: Tensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = values.detach().cpu().numpy()
    return array


def _check_single(values: Tensor, dims: int, name: str) -> None:
    if values.dim() != dims:
        raise ValueError(f"{name} must be of a single view, got a batch {tuple(values.shape[:-dims])}")
