"""`Output`: name, meaning, unit, shape and computation of a result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from deepdrr.projector._stages import Stages
from deepdrr.projector._technique import Technique

__all__ = ["Output", "OutputName"]

OutputName: TypeAlias = str
Along: TypeAlias = Literal["axis", "beam", "nothing"]
Kind: TypeAlias = Literal["signal", "photons", "dose", "attenuation", "mask", "depth", "points"]


@dataclass(frozen=True, kw_only=True)
class Output:
    """A possible result of an exposure.

    Attributes:
        name: name by which it is requested.
        meaning: description in a few words.
        unit: unit of its values; `{signal}` stands for the detector's unit, keV, counts or ADU, and `{absorbed}` for
            that before the readout, keV or counts.
        axes: names of the axes after the batch: M materials, L labels, T tools, P key points of tools, H rows, W
            columns, or a number; a `PhotonCounter` puts its windows before H and W.
        kind: how a picture shows it: as a signal in the detector's unit, photons, a dose, an attenuation, a mask, a
            depth; points have no picture.
        compute: computes it from the stages of an exposure.
        absolute: whether it is meaningful only for a stated exposure.
        along: the rays it is made from: `"axis"`, from the centre of the source through the camera's pixels; `"beam"`,
            from all points of a sampled focal spot; or `"nothing"`, no rays through a field of densities.
    """

    name: OutputName
    meaning: str
    unit: str
    axes: tuple[str, ...] = ("H", "W")
    kind: Kind
    compute: Callable[[Stages], Tensor]
    absolute: bool = True
    along: Along = "beam"

    @property
    def shape(self) -> str:
        """The shape in words, `"[*batch, H, W]"`."""
        return f"[*batch, {', '.join(self.axes)}]"

    @property
    def is_image(self) -> bool:
        """Whether it has rows and columns."""
        return self.axes[-2:] == ("H", "W")

    @property
    def is_stack(self) -> bool:
        """Whether it has one channel per material, label or tool."""
        return len(self.axes) > 2

    @property
    def depends_on_exposure(self) -> bool:
        """Whether another exposure gives other values."""
        return self.absolute or self.kind == "signal"

    @property
    def before_readout(self) -> bool:
        """Whether it is a signal in the detector, which blur, pattern and readout have not changed yet."""
        return "{absorbed}" in self.unit

    def unit_of(self, technique: Technique) -> str:
        """The unit of its values for a technique."""
        if technique.exposure is None and self.kind == "signal":
            return "share of the open beam"
        unit = technique.detector.unit
        return self.unit.format(signal=unit, absorbed="keV" if unit == "ADU" else unit)
