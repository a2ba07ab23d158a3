"""CT volumes: reading, checking, labels, placement in the room; and `Subject`, a CT as a module of torch."""

from deepdrr.data._describe import axes_code
from deepdrr.data._labels import LabelMap
from deepdrr.data._scan import Scan, Source
from deepdrr.data._subject import Attenuation, Subject
from deepdrr.data._volume import Volume
from deepdrr.data.markups._annotations import Annotations
from deepdrr.data.markups._files import read_annotations, write_annotations
from deepdrr.data.markups._markup import Box, Markup, Path, Plane, Point
from deepdrr.data.samples._deepfluoro import download_deepfluoro
from deepdrr.data.samples._samples import Sample, SamplePaths, fetch_sample, samples

__all__ = [
    "Annotations",
    "Attenuation",
    "Box",
    "LabelMap",
    "Markup",
    "Path",
    "Plane",
    "Point",
    "Sample",
    "SamplePaths",
    "Scan",
    "Source",
    "Subject",
    "Volume",
    "axes_code",
    "download_deepfluoro",
    "fetch_sample",
    "read_annotations",
    "samples",
    "write_annotations",
]
