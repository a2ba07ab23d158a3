"""From the raw signal to the picture on a screen. Only this package takes logarithms and sets windows."""

from deepdrr._renamed import moved
from deepdrr.display._contact_sheet import contact_sheet
from deepdrr.display._display import (
    Depth,
    Picture,
    Polarity,
    Quantity,
    attenuation,
    automatic_window,
    display,
    quantize,
)
from deepdrr.display._enhance import circular_field, compressed, edge_enhanced
from deepdrr.display._processing import PRESETS, Processing, processed

__all__ = [
    "PRESETS",
    "Depth",
    "Picture",
    "Polarity",
    "Processing",
    "Quantity",
    "attenuation",
    "automatic_window",
    "circular_field",
    "compressed",
    "contact_sheet",
    "display",
    "edge_enhanced",
    "processed",
    "quantize",
]

__getattr__ = moved(__name__, {"quantise": f"{__name__}.quantize"})
