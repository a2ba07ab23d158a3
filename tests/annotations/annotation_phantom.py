"""A camera, and marks in a block of water with a cube of bone and a screw of steel."""

from deepdrr.annotations import Annotations, Path, Point
from deepdrr.camera import Camera

CAMERA = Camera.carm(sdd_mm=1000, sid_mm=600, height=60, width=80, pixel_mm=1.5)
MARKS = Annotations(
    [
        Point("bone", (0, 0, 0)),
        Point("steel", (20, 5, 0)),
        Point("outside", (300, 0, 0)),
        Point("absent", status="missing"),
        Path("axis", [(-20, 0, 0), (20, 0, 10)]),
    ]
)
