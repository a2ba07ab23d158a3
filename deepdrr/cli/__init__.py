"""The `deepdrr` command: a face of the Python API, one file per subcommand.

Nothing is computed here. A command turns its flags into the objects of the other rooms, calls them, and prints what
came out; every failure is one sentence on standard error. The `describe_` functions are for scripts too.
"""

from deepdrr._renamed import moved
from deepdrr.cli._describe import describe_beam, describe_camera, describe_exposure
from deepdrr.cli._main import main

__all__ = ["describe_beam", "describe_camera", "describe_exposure", "main"]

__getattr__ = moved(__name__, {"contact_sheet": "deepdrr.display.contact_sheet"})
