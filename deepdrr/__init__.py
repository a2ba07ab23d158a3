"""deepdrr: from a CT scan to the X-ray image a real C-arm would have recorded."""

from deepdrr import geo
from deepdrr._version import __version__

__all__ = ["__version__", "geo"]
