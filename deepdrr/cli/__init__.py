"""The `deepdrr` command: a thin layer over the Python API, one file per subcommand.

Nothing is computed here. A command turns its flags into objects of the other packages, calls them, and prints the
results; every failure is one sentence on standard error. Scripts may use the `describe_` functions too.
"""

from deepdrr._renamed import moved
from deepdrr.cli._describe import describe_beam, describe_camera, describe_exposure
from deepdrr.cli._main import main

__all__ = ["describe_beam", "describe_camera", "describe_exposure", "main"]

__getattr__ = moved(__name__, {"contact_sheet": "deepdrr.display.contact_sheet"})
