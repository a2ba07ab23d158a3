"""deepdrr: from a CT scan to the X-ray image a real C-arm would have recorded."""

from deepdrr._start import begin, is_command

if is_command():
    begin()

from deepdrr import geo
from deepdrr._version import __version__
from deepdrr.data import Volume
from deepdrr.device import MobileCArm, SimpleDevice
from deepdrr.projector import Projector

__all__ = ["MobileCArm", "Projector", "SimpleDevice", "Volume", "__version__", "geo"]
