"""The `deepdrr` command: a face of the Python API, one file per subcommand.

Nothing is computed here. A command turns its flags into the objects of the other rooms, calls them, and prints what
came out; every failure is one sentence on standard error. `contact_sheet` and the `describe_` functions are for
scripts too.
"""

from deepdrr.cli._describe import describe_beam, describe_camera, describe_exposure
from deepdrr.cli._main import main
from deepdrr.cli._sheet import contact_sheet

__all__ = ["contact_sheet", "describe_beam", "describe_camera", "describe_exposure", "main"]
