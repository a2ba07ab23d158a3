"""CT volumes: reading, checking, labels, placement in the room."""

from deepdrr.data._scan import Scan, Source
from deepdrr.data._volume import Volume

__all__ = ["Scan", "Source", "Volume"]
