"""Tools and implants: closed meshes of one material that stand in the beam beside the patient."""

from deepdrr.tools._attachment import world_from_parent
from deepdrr.tools._images import entry_depths, hit_counts, path_lengths
from deepdrr.tools._intervals import Intervals, inside
from deepdrr.tools._make import GENERATORS
from deepdrr.tools._mesh import Mesh
from deepdrr.tools._mesh_checks import Defects, defects, winding_number
from deepdrr.tools._occupancy import occupancy
from deepdrr.tools._overlap import Occupancy, PairRules, displacements, settle
from deepdrr.tools._solid import Presence, Solid
from deepdrr.tools._tool import Tool
from deepdrr.tools.crossings._cross import Crossings, cross

__all__ = [
    "GENERATORS",
    "Crossings",
    "Defects",
    "Intervals",
    "Mesh",
    "Occupancy",
    "PairRules",
    "Presence",
    "Solid",
    "Tool",
    "cross",
    "defects",
    "displacements",
    "entry_depths",
    "hit_counts",
    "inside",
    "occupancy",
    "path_lengths",
    "settle",
    "winding_number",
    "world_from_parent",
]
