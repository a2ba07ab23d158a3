"""`CArmGeometry`: distances and detector of an X-ray device, and presets of typical ones."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from deepdrr._names import unknown_name
from deepdrr._numbers import as_count, as_number
from deepdrr.camera import Camera
from deepdrr.device._checks import check_keys
from deepdrr.device._pose import CArmPose

__all__ = ["GEOMETRIES", "CArmGeometry", "geometry"]


@dataclass(frozen=True)
class CArmGeometry:
    """Distances and detector; the defaults are typical of a mobile C-arm with a 30 cm flat panel.

    Attributes:
        sdd_mm: source-to-detector distance, mm.
        sid_mm: source-to-isocenter distance, mm (not the "source-to-image distance" of radiography).
        height, width: detector rows and columns.
        pixel_mm: side of a (square) pixel, mm.

    Example:
        >>> CArmGeometry().binned(4)
        CArmGeometry(sdd_mm=1020.0, sid_mm=530.0, height=384, width=384, pixel_mm=0.776)
    """

    sdd_mm: float = 1020.0
    sid_mm: float = 530.0
    height: int = 1536
    width: int = 1536
    pixel_mm: float = 0.194

    def __post_init__(self) -> None:
        for name in ("sdd_mm", "sid_mm", "pixel_mm"):
            object.__setattr__(self, name, as_number(getattr(self, name), name))
        for name in ("height", "width"):
            object.__setattr__(self, name, as_count(getattr(self, name), name))
        self.camera()  # the camera knows what it refuses

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | str) -> Self:
        """The inverse of `to_config`; a name is looked up among the presets. Missing entries have their defaults."""
        if isinstance(config, str):
            return cls(**asdict(geometry(config)))
        check_keys(config, [field.name for field in fields(cls)], "geometry")
        return cls(**config)

    def to_config(self) -> dict[str, float | int]:
        """Plain numbers by name, for YAML or JSON."""
        return asdict(self)

    def binned(self, factor: int) -> Self:
        """The same detector with `factor` × `factor` pixels read out as one.

        Args:
            factor: a positive integer that divides height and width.

        Raises:
            TypeError: if it is not an integer.
            ValueError: if it does not divide them.
        """
        factor = as_count(factor, "factor")
        if self.height % factor or self.width % factor:
            raise ValueError(f"factor must divide {self.height} rows and {self.width} columns, got {factor}")
        return replace(self, height=self.height // factor, width=self.width // factor, pixel_mm=self.pixel_mm * factor)

    def camera(self, pose: CArmPose | None = None, *, viewed_from: str = "detector") -> Camera:
        """The camera of this device in a pose.

        Args:
            pose: angles and isocenter; all zero by default.
            viewed_from: side from which the picture is seen, as in `Camera.carm`.
        """
        where = CArmPose() if pose is None else pose
        return Camera.carm(
            sdd_mm=self.sdd_mm,
            sid_mm=self.sid_mm,
            height=self.height,
            width=self.width,
            pixel_mm=self.pixel_mm,
            angles_deg=where.angles_deg,
            isocenter=where.isocenter,
            viewed_from=viewed_from,
        )


GEOMETRIES: Mapping[str, CArmGeometry] = {
    # 30 cm × 30 cm amorphous-silicon panel read out in full.
    "mobile": CArmGeometry(),
    # 23 cm (9 inch) input field digitized to 1024²; the square around the round field, distortion not modelled.
    # Such arms are often not isocentric: the isocenter is put half-way.
    "mobile intensifier": CArmGeometry(sdd_mm=1000.0, sid_mm=500.0, height=1024, width=1024, pixel_mm=230 / 1024),
    # 30 cm × 38 cm panel of 0.154 mm pixels binned 2 × 2, receptor at its far end.
    "angiography": CArmGeometry(sdd_mm=1200.0, sid_mm=785.0, height=960, width=1240, pixel_mm=0.308),
    # 43 cm panel in a table, 1150 mm, the focus-film distance of the European guidelines for abdomen and pelvis
    # (EUR 16260). The isocenter is the middle of a 20 cm thick patient, 5 cm between table top and receptor.
    "radiography table": CArmGeometry(sdd_mm=1150.0, sid_mm=1000.0, height=3072, width=3072, pixel_mm=0.139),
    # The same panel in a wall stand, 1800 mm, the distance of the same guidelines for the chest.
    "radiography wall": CArmGeometry(sdd_mm=1800.0, sid_mm=1650.0, height=3072, width=3072, pixel_mm=0.139),
}
"""Typical devices by name. No maker's: rounded numbers of common kinds, where no source is named beside them."""


def geometry(name: str) -> CArmGeometry:
    """A preset from `GEOMETRIES` by name.

    Raises:
        ValueError: for an unknown name, with the near ones.
    """
    if name not in GEOMETRIES:
        raise unknown_name("geometry", name, GEOMETRIES)
    return GEOMETRIES[name]
