"""deepdrr: from a CT scan to the X-ray image a real C-arm would have recorded."""

import sys
from pathlib import Path

from deepdrr._start import begin, is_command
from deepdrr._threads import let_threads_sleep

if is_command():
    begin()
let_threads_sleep()

from deepdrr import geo
from deepdrr._installation import warn_of_others, warn_without_kernels
from deepdrr._version import __version__
from deepdrr.data import Volume
from deepdrr.device import MobileCArm, SimpleDevice
from deepdrr.projector import Projector

__all__ = ["MobileCArm", "Projector", "SimpleDevice", "Volume", "__version__", "geo"]

for _warn in (warn_without_kernels, warn_of_others):
    _warn(Path(__file__).resolve().parent, sys.path)
