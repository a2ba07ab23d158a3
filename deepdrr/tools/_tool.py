"""`Tool`: a tool or an implant that can be placed in the room."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

from torch import Tensor

from deepdrr._numbers import as_count, as_number
from deepdrr.geometry import ArrayLike
from deepdrr.materials import Material, as_material
from deepdrr.tools._attachment import called
from deepdrr.tools._make import generated
from deepdrr.tools._mesh import Mesh
from deepdrr.tools._mesh_files import MeshFrame, MeshUnit, Repair
from deepdrr.tools._placed_tool import PlacedTool
from deepdrr.tools._solid import Presence

__all__ = ["Tool"]


class Tool(PlacedTool):
    """A tool or an implant: a closed mesh of one material, with its place in the room.

    Mesh, material and key points stay as they are; pose and scale move. Nothing is prepared again for a tool that
    moves. The tool's own frame is the mesh's: those of `Tool.make` have their tip in the origin and +z the way it
    points.

    A tool may hang on a volume or on another tool: it then moves with it.

    Args:
        mesh: the surface, in the tool's own frame, mm.
        material: a material or its name, such as `"titanium"`.
        name: its name, of which a scene has only one.
        density_g_cm3: mass density, g/cm³; None for the material's own.
        priority: where tools overlap, the one of higher priority is there; of equal ones, the one named later.
        mode: `"displace"`: inside the tool there is nothing else; `"add"`: it is there besides the anatomy, as a
            contrast medium.
        key_points: named points [3] of the tool's frame, mm; `"tip"` is what `align` and `insert` place.
        world_from_tool: its pose, a rigid transform [4, 4]; None for the room's own frame.
        source: where the mesh came from, in the words of a scene file, such as `{"kind": "k-wire", "dimensions": {}}`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: for an unknown material, with near names; a pose that is not rigid; a density that is not positive.

    Example:
        >>> wire = Tool.make("k-wire", diameter_mm=2.0, length_mm=150.0)
        >>> wire
        Tool 'k-wire': 2 × 2 × 150 mm, 0.463 cm³, 3.71 g of stainless steel
        >>> wire.align(tip=(10, 0, 0), direction=(1, 0, 0))
        >>> wire.point_in_world("tail")
        tensor([-140.,    0.,    0.], dtype=torch.float64)
    """

    INSTEAD = "Tool(mesh, material, …) makes another; world_from_tool, scale, priority, mode and name can be assigned"

    def __init__(
        self,
        mesh: Mesh,
        material: Material | str,
        *,
        name: str = "tool",
        density_g_cm3: float | None = None,
        priority: int = 0,
        mode: Presence = "displace",
        key_points: Mapping[str, ArrayLike] | None = None,
        world_from_tool: ArrayLike | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(mesh, Mesh):
            raise TypeError(f"mesh must be a Mesh, such as Mesh(vertices, faces), got {type(mesh).__name__}")
        self._mesh = mesh
        self._material = as_material(material)
        self._source = dict(source or {})
        self._density_g_cm3 = _density(density_g_cm3, self._material)
        super().__init__(name, key_points or {})
        self.priority = priority
        self.mode = mode
        if world_from_tool is not None:
            self.world_from_tool = world_from_tool

    @classmethod
    def make(
        cls,
        kind: str,
        /,
        *,
        material: Material | str | None = None,
        name: str | None = None,
        density_g_cm3: float | None = None,
        **dimensions: Any,
    ) -> Self:
        """A tool of a given kind and size, see `deepdrr.tools.generators`.

        Args:
            kind: one of `GENERATORS`: `"k-wire"`, `"bone screw"`, `"plate"`, `"nail"`, …
            material: its material; by default what such tools are made of.
            name: its name; by default the kind.
            density_g_cm3: mass density, g/cm³; by default the material's own.
            dimensions: arguments of the generator.

        Raises:
            ValueError: for an unknown kind or dimension, with near names, or dimensions that do not fit.

        Example:
            >>> Tool.make("bone screw", kind="HA 4.5", length_mm=50.0, material="Ti-6Al-4V").material.name
            'titanium alloy'
        """
        shape, usual = generated(kind, dimensions)
        return cls(
            Mesh(shape.vertices, shape.faces),
            usual if material is None else material,
            name=kind if name is None else name,
            density_g_cm3=density_g_cm3,
            key_points=dict(shape.key_points),
            source={"kind": kind, "dimensions": dimensions},
        )

    @classmethod
    def from_file(
        cls,
        path: Path | str,
        material: Material | str,
        *,
        unit: MeshUnit,
        frame: MeshFrame = "own",
        repair: Repair = "none",
        name: str | None = None,
        density_g_cm3: float | None = None,
    ) -> Self:
        """A tool from a mesh file.

        Its frame is the file's; with `frame="RAS"` or `"LPS"` that is a patient's RAS frame, and
        `tool.attach(volume, parent_from_tool=torch.eye(4))` puts it where it is in that patient.

        Args:
            path, unit, frame, repair: see `Mesh.from_file`.
            material: a material or its name.
            name: its name; by default the file's.
            density_g_cm3: mass density, g/cm³; None for the material's own.

        Raises:
            OSError, ValueError, MemoryError, ImportError: as for `Mesh.from_file` and `Tool(…)`.
        """
        found = as_material(material)
        mesh = Mesh.from_file(path, unit=unit, frame=frame, repair=repair)
        source: dict[str, Any] = {"file": str(path), "unit": unit, "frame": frame}
        return cls(
            mesh,
            found,
            name=Path(path).stem if name is None else name,
            density_g_cm3=density_g_cm3,
            source=source if repair == "none" else {**source, "repair": repair},
        )

    def __repr__(self) -> str:
        edges = [edge * float(self._scale.detach()) for edge in self._mesh.size_mm]
        size = " × ".join(f"{edge:.4g}" for edge in edges)
        volume = float(self.volume_mm3.detach()) / 1000
        held = "" if self._parent is None else f", on {called(self._parent)}"
        return (
            f"Tool {self.name!r}: {size} mm, {volume:.3g} cm³, {float(self.mass_g.detach()):.3g} g of "
            f"{self._material.name}{held}"
        )

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def mesh(self) -> Mesh:
        """Its surface, in its own frame, mm."""
        return self._mesh

    @property
    def material(self) -> Material:
        """What it is made of."""
        return self._material

    @property
    def source(self) -> dict[str, Any]:
        """Where the mesh came from, in the words of a scene file; empty for a mesh of numbers."""
        return dict(self._source)

    @property
    def density_g_cm3(self) -> float:
        """Mass density, g/cm³."""
        return self._density_g_cm3

    @property
    def priority(self) -> int:
        """Where tools overlap, the one of higher priority is there. It can be assigned."""
        return self._priority

    @priority.setter
    def priority(self, priority: int) -> None:
        self._priority = as_count(priority, "priority", least=-(2**31))

    @property
    def mode(self) -> Presence:
        """`"displace"` or `"add"`. It can be assigned."""
        return self._mode

    @mode.setter
    def mode(self, mode: Presence) -> None:
        if mode not in get_args(Presence):
            raise ValueError(f"mode must be one of {', '.join(get_args(Presence))}, got {mode!r}")
        self._mode: Presence = mode

    @property
    def volume_mm3(self) -> Tensor:
        """Enclosed volume, mm³, a scalar."""
        return self._mesh.volume_mm3 * self._scale**3

    @property
    def mass_g(self) -> Tensor:
        """Mass, g, a scalar."""
        return self.volume_mm3 / 1000 * self._density_g_cm3


def _density(given: float | None, material: Material) -> float:
    if given is None:
        return material.density_g_cm3
    density = as_number(given, "density_g_cm3")
    if density <= 0:
        raise ValueError(f"density_g_cm3 must be positive, got {density:g}")
    return density
