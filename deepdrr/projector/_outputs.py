"""The table of results: name, meaning, unit, shape and computation of each."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType

from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr.projector._output import Output, OutputName
from deepdrr.projector._stages import Stages
from deepdrr.projector._technique import Technique

__all__ = ["OUTPUTS", "Output", "OutputName", "check_outputs", "outputs_table"]


def _masks(stages: Stages) -> Tensor:
    return stages.label_path_lengths > 0


def _tool_shares(stages: Stages) -> Tensor:
    return stages.tools.shares(stages.line_integrals)


def _tool_visible_masks(stages: Stages) -> Tensor:
    return stages.tools.visible_masks(stages.line_integrals)


_TABLE = (
    Output(
        name="image",
        meaning="raw signal with quantum and electronic noise",
        unit="{signal} per pixel",
        kind="signal",
        compute=attrgetter("image"),
        absolute=False,
    ),
    Output(
        name="expected_image",
        meaning="mean of the raw signal, without noise",
        unit="{signal} per pixel",
        kind="signal",
        compute=attrgetter("expected_image"),
        absolute=False,
    ),
    Output(
        name="open_field",
        meaning="mean signal with nothing in the beam",
        unit="{signal} per pixel",
        kind="signal",
        compute=attrgetter("open_field"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="line_integrals",
        meaning="∫ µ dℓ at the beam's mean energy",
        unit="dimensionless",
        kind="attenuation",
        compute=attrgetter("line_integrals"),
        absolute=False,
        along="axis",
    ),
    Output(
        name="area_densities",
        meaning="area density of each basis material",
        unit="g/cm²",
        axes=("M", "H", "W"),
        kind="attenuation",
        compute=attrgetter("area_densities"),
        absolute=False,
        along="axis",
    ),
    Output(
        name="primary",
        meaning="mean signal of the unscattered photons behind the grid, before blur and readout",
        unit="{absorbed} per pixel",
        kind="signal",
        compute=attrgetter("primary_signal"),
    ),
    Output(
        name="scatter",
        meaning="mean signal of the scattered photons behind the grid, before blur and readout",
        unit="{absorbed} per pixel",
        kind="signal",
        compute=attrgetter("scatter_signal"),
    ),
    Output(
        name="scatter_to_primary",
        meaning="scatter as a multiple of primary, both as they are above",
        unit="dimensionless",
        kind="attenuation",
        compute=attrgetter("scatter_to_primary"),
        absolute=False,
    ),
    Output(
        name="primary_photons",
        meaning="mean number of unscattered photons that arrive",
        unit="photons per pixel",
        kind="photons",
        compute=attrgetter("primary.photons"),
    ),
    Output(
        name="primary_energy",
        meaning="mean energy of the unscattered photons that arrive",
        unit="keV per pixel",
        kind="photons",
        compute=attrgetter("primary.energy_kev"),
    ),
    Output(
        name="air_kerma",
        meaning="air kerma of the unscattered photons at the detector, before the grid",
        unit="nGy",
        kind="dose",
        compute=attrgetter("air_kerma"),
    ),
    Output(
        name="label_path_lengths",
        meaning="length of each ray in each label",
        unit="mm",
        axes=("L", "H", "W"),
        kind="attenuation",
        compute=attrgetter("label_path_lengths"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="label_line_integrals",
        meaning="∫ µ dℓ in each label at the beam's mean energy",
        unit="dimensionless",
        axes=("L", "H", "W"),
        kind="attenuation",
        compute=attrgetter("label_line_integrals"),
        absolute=False,
        along="axis",
    ),
    Output(
        name="label_masks",
        meaning="where a ray meets each label",
        unit="0 or 1",
        axes=("L", "H", "W"),
        kind="mask",
        compute=_masks,
        absolute=False,
        along="nothing",
    ),
    Output(
        name="tool_path_lengths",
        meaning="length of each ray inside each tool",
        unit="mm",
        axes=("T", "H", "W"),
        kind="attenuation",
        compute=attrgetter("tools.path_lengths"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="tool_masks",
        meaning="where a ray meets each tool",
        unit="0 or 1",
        axes=("T", "H", "W"),
        kind="mask",
        compute=attrgetter("tools.masks"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="tool_shares",
        meaning="share of each tool in the pixel's ∫ µ dℓ at the beam's mean energy",
        unit="share",
        axes=("T", "H", "W"),
        kind="attenuation",
        compute=_tool_shares,
        absolute=False,
        along="axis",
    ),
    Output(
        name="tool_visible_masks",
        meaning="where a tool has at least 5 % of the pixel's attenuation",
        unit="0 or 1",
        axes=("T", "H", "W"),
        kind="mask",
        compute=_tool_visible_masks,
        absolute=False,
        along="axis",
    ),
    Output(
        name="tool_entry_depths",
        meaning="distance from the source to where each ray first enters each tool, inf beside it",
        unit="mm",
        axes=("T", "H", "W"),
        kind="depth",
        compute=attrgetter("tools.entry_depths"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="tool_hits",
        meaning="how often each ray crosses the surface of each tool",
        unit="crossings",
        axes=("T", "H", "W"),
        kind="attenuation",
        compute=attrgetter("tools.hits"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="tool_key_points",
        meaning="images (u, v) of the key points of all tools",
        unit="pixels",
        axes=("P", "2"),
        kind="points",
        compute=attrgetter("tools.key_points"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="tool_boxes",
        meaning="box (u0, v0, u1, v1) around each whole tool, also beyond the picture",
        unit="pixels",
        axes=("T", "4"),
        kind="points",
        compute=attrgetter("tools.boxes"),
        absolute=False,
        along="nothing",
    ),
    Output(
        name="displaced_area_densities",
        meaning="area density of the anatomy that tools displace, of each basis material",
        unit="g/cm²",
        axes=("M", "H", "W"),
        kind="attenuation",
        compute=attrgetter("displaced_area_densities"),
        absolute=False,
        along="nothing",
    ),
)

OUTPUTS: Mapping[OutputName, Output] = MappingProxyType({output.name: output for output in _TABLE})
"""Every result by name."""


def check_outputs(names: Iterable[OutputName], technique: Technique) -> tuple[Output, ...]:
    """Look up results by name.

    Raises:
        ValueError: if there is no name, or one is unknown or meaningless without an exposure.
    """
    found = []
    for name in names:
        if not isinstance(name, str) or name not in OUTPUTS:
            raise unknown_name("output", name, OUTPUTS)
        if OUTPUTS[name].absolute and technique.exposure is None:
            raise ValueError(f"exposure must be given for {name!r}, which is absolute, got None")
        found.append(OUTPUTS[name])
    if not found:
        raise ValueError(f"outputs must be among {', '.join(OUTPUTS)}, got none")
    return tuple(found)


def outputs_table() -> str:
    """The table in Markdown, for the documentation.

    Example:
        >>> print(outputs_table().splitlines()[2])
        | `image` | raw signal with quantum and electronic noise | `[*batch, H, W]` | detector's unit per pixel |
    """
    rows = ["| name | what it is | shape | unit |", "|---|---|---|---|"]
    for output in OUTPUTS.values():
        unit = output.unit.format(signal="detector's unit", absorbed="keV or counts")
        rows.append(f"| `{output.name}` | {output.meaning} | `{output.shape}` | {unit} |")
    return "\n".join(rows)
