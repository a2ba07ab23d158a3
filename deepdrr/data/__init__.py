"""CT volumes: reading, checking, labels, placement in the room."""

from deepdrr.data._deepfluoro import download_deepfluoro
from deepdrr.data._describe import axes_code
from deepdrr.data._labels import LabelMap
from deepdrr.data._samples import Sample, SamplePaths, fetch_sample, samples
from deepdrr.data._scan import Scan, Source
from deepdrr.data._volume import Volume

__all__ = [
    "LabelMap",
    "Sample",
    "SamplePaths",
    "Scan",
    "Source",
    "Volume",
    "axes_code",
    "download_deepfluoro",
    "fetch_sample",
    "samples",
]
