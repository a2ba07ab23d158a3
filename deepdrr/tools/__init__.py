"""Tools and implants: closed meshes of one material that stand in the beam beside the patient."""

from deepdrr.tools._make import GENERATORS
from deepdrr.tools._mesh import Mesh
from deepdrr.tools._mesh_checks import Defects, defects
from deepdrr.tools._solid import Presence, Solid
from deepdrr.tools._tool import Tool

__all__ = ["GENERATORS", "Defects", "Mesh", "Presence", "Solid", "Tool", "defects"]
