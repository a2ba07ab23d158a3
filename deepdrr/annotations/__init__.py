"""Annotations of images: landmarks and other markups projected, masks and boxes of structures, and files of both."""

from deepdrr.annotations._coco import coco_dataset, write_coco
from deepdrr.annotations._detector_plane import on_detector
from deepdrr.annotations._hulls import amodal_boxes, structure_hulls
from deepdrr.annotations._image_annotations import ImageAnnotations, image_annotations
from deepdrr.annotations._mask_files import mask_planes, read_mask_planes, write_mask_index, write_mask_planes
from deepdrr.annotations._metal import HIDDEN_BY, hidden_by_metal
from deepdrr.annotations._overlay import overlay_picture, write_overlay
from deepdrr.annotations._projection import Matter, ProjectedAnnotations, project_annotations
from deepdrr.annotations._rle import mask_of, run_lengths
from deepdrr.annotations._room import annotations_in_room
from deepdrr.annotations._seg import write_seg
from deepdrr.annotations._structures import TOOL_RESULTS, Structures, mask_boxes, structures, structures_of
from deepdrr.annotations._table import write_points
from deepdrr.annotations._yolo import YoloTask, write_yolo
from deepdrr.data import Annotations, Box, Markup, Path, Plane, Point, read_annotations, write_annotations

__all__ = [
    "HIDDEN_BY",
    "TOOL_RESULTS",
    "Annotations",
    "Box",
    "ImageAnnotations",
    "Markup",
    "Matter",
    "Path",
    "Plane",
    "Point",
    "ProjectedAnnotations",
    "Structures",
    "YoloTask",
    "amodal_boxes",
    "annotations_in_room",
    "coco_dataset",
    "hidden_by_metal",
    "image_annotations",
    "mask_boxes",
    "mask_of",
    "mask_planes",
    "on_detector",
    "overlay_picture",
    "project_annotations",
    "read_annotations",
    "read_mask_planes",
    "run_lengths",
    "structure_hulls",
    "structures",
    "structures_of",
    "write_annotations",
    "write_coco",
    "write_mask_index",
    "write_mask_planes",
    "write_overlay",
    "write_points",
    "write_seg",
    "write_yolo",
]
