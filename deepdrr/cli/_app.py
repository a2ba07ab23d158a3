"""The `deepdrr` command and its subcommands."""

from cyclopts import App

from deepdrr._version import __version__
from deepdrr.cli._annotate import annotate
from deepdrr.cli._config import fields_from_file
from deepdrr.cli._dataset import dataset
from deepdrr.cli._info import info
from deepdrr.cli._project import project
from deepdrr.cli._register import register
from deepdrr.cli._sample import sample
from deepdrr.cli._validate import validate
from deepdrr.cli._views import views

__all__ = ["app"]

HELP = """From a CT scan to the X-ray image a real C-arm would have recorded.

Errors are one sentence; --debug shows where they came from.
"""

app = App(
    name="deepdrr",
    version=__version__,
    help=HELP,
    config=fields_from_file,
    default_parameter=None,
)
for _command in (project, annotate, views, register, info, sample, validate):
    app.command(_command)
app.command(dataset)
