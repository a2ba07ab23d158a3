"""Annotations of images: landmarks and other markups projected, masks and boxes of structures, and files of both."""

from deepdrr.annotations._hulls import amodal_boxes, structure_hulls
from deepdrr.annotations._metal import HIDDEN_BY, hidden_by_metal, is_metal
from deepdrr.annotations._projection import Matter, ProjectedAnnotations, project_annotations
from deepdrr.annotations._structures import Structures, mask_boxes, structures, structures_of
from deepdrr.data import Annotations, Box, Markup, Path, Plane, Point, read_annotations, write_annotations

__all__ = [
    "HIDDEN_BY",
    "Annotations",
    "Box",
    "Markup",
    "Matter",
    "Path",
    "Plane",
    "Point",
    "ProjectedAnnotations",
    "Structures",
    "amodal_boxes",
    "hidden_by_metal",
    "is_metal",
    "mask_boxes",
    "project_annotations",
    "read_annotations",
    "structure_hulls",
    "structures",
    "structures_of",
    "write_annotations",
]
