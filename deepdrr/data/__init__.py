"""CT volumes: reading, checking, labels, placement in the room; and `Subject`, a CT as a module of torch."""

from deepdrr.data._describe import axes_code
from deepdrr.data._labels import LabelMap
from deepdrr.data._scan import Scan, Source
from deepdrr.data._subject import Attenuation, Subject
from deepdrr.data._volume import Volume
from deepdrr.data.samples._deepfluoro import download_deepfluoro
from deepdrr.data.samples._samples import Sample, SamplePaths, fetch_sample, samples

__all__ = [
    "Attenuation",
    "LabelMap",
    "Sample",
    "SamplePaths",
    "Scan",
    "Source",
    "Subject",
    "Volume",
    "axes_code",
    "download_deepfluoro",
    "fetch_sample",
    "samples",
]
