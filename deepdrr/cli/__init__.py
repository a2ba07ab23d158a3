"""The `deepdrr` command: a face of the Python API, one file per subcommand.

Nothing is computed here. A command turns its flags into the objects of the other rooms, calls them, and prints what
came out; every failure is one sentence on standard error.
"""

from deepdrr.cli._main import main

__all__ = ["main"]
