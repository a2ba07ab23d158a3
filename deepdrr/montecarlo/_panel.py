"""`Panel`: a rectangle of cells in the room, where photons are sent or scored."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr.camera import Camera

__all__ = ["Panel", "panel_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """A rectangle of rows × columns cells.

    Attributes:
        corner, across, down: [3] mm: the outer corner of the first cell, and the edges of a cell along a row and along
            a column, which are perpendicular.
        rows, columns: number of cells.
        source: [3] mm, the point that the panel faces.

    Raises:
        ValueError: if the edges are not perpendicular, or the source lies in the panel's plane.
    """

    corner: Tensor
    across: Tensor
    down: Tensor
    rows: int
    columns: int
    source: Tensor

    def __post_init__(self) -> None:
        if abs(float(self.across @ self.down)) > 1e-6 * float(self.across.norm() * self.down.norm()):
            raise ValueError("a panel must be a rectangle: the camera's rows and columns are not perpendicular")
        if not abs(float((self.corner - self.source) @ self._perpendicular)) > 1e-6:
            raise ValueError("a panel must face the source, got one whose plane holds it")

    @property
    def _perpendicular(self) -> Tensor:
        normal: Tensor = torch.linalg.cross(self.across, self.down)
        return normal / float(normal.norm())

    @property
    def normal(self) -> Tensor:
        """Unit vector [3] perpendicular to it, away from the source."""
        normal = self._perpendicular
        return normal if float((self.corner - self.source) @ normal) > 0 else -normal

    @property
    def cell_mm2(self) -> float:
        """Area of a cell, mm²."""
        return float(self.across.norm() * self.down.norm())

    def for_kernel(self, box_from_world: Tensor) -> tuple[list[list[float]], list[float]]:
        """Corner and edges, and the normal, in a body's box."""
        turn, shift = box_from_world[:3, :3].double(), box_from_world[:3, 3].double()
        sides = [turn @ self.corner + shift, turn @ self.across, turn @ self.down]
        return [side.tolist() for side in sides], (turn @ self.normal).tolist()


def panel_of(camera: Camera, rows: int, columns: int) -> Panel:
    """The camera's detector, divided into cells.

    Args:
        camera: an unbatched perspective camera.
        rows, columns: number of cells.

    Raises:
        ValueError: for a batch, or an orthographic camera, whose photons come from no point.
    """
    if len(camera.batch_shape) or camera.orthographic:
        raise ValueError(f"camera must be one perspective camera, got the batch {tuple(camera.batch_shape)}")
    cells = camera.to(torch.float64).to("cpu").resized(rows, columns)
    corners = cells.backproject(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)).detach()
    corner, right, below = corners
    return Panel(
        corner=corner,
        across=right - corner,
        down=below - corner,
        rows=rows,
        columns=columns,
        source=cells.source_world.detach(),
    )
