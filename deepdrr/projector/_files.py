"""Write a radiograph to files; all metadata come from the radiograph."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._version import __version__
from deepdrr.detector import Detector, FlatPanel, PhotonCounter, equivalent_mas
from deepdrr.display import PRESETS, Depth, Picture, Processing, automatic_window
from deepdrr.io import DicomUids, RadiographMetadata, write_dicom, write_npy, write_npz, write_png, write_tiff
from deepdrr.projector._outputs import OUTPUTS, Output, OutputName
from deepdrr.projector._pictures import output_picture

if TYPE_CHECKING:
    from deepdrr.projector._radiograph import Radiograph

__all__ = ["SUFFIXES", "DicomFields", "radiograph_metadata", "save_radiograph"]

SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".npz", ".dcm")


@dataclass(frozen=True, eq=False)
class _Plane:
    """One image [H, W] of a result, and what makes the same of an empty beam."""

    values: Tensor
    open_field: Callable[[], Tensor]
    region: Tensor | None


class DicomFields(TypedDict, total=False):
    """Contents of a DICOM file that the radiograph does not know.

    stored: `"log_signal"`, `"signal"` or `"picture"`, see `deepdrr.io.write_dicom`; by default the logarithm, or the
        picture if its processing does more than a grey scale: compression, edges, local contrast, a round field.
    object_class: `"XA"` (default) or `"DX"`.
    body_part, laterality, description: see `deepdrr.io.RadiographMetadata`.
    uids: the identifiers; new ones are generated if they are left out.
    """

    stored: Literal["signal", "log_signal", "picture"]
    object_class: Literal["XA", "DX"]
    body_part: str | None
    laterality: str | None
    description: str
    uids: DicomUids | None


def save_radiograph(
    shot: "Radiograph",
    path: Path,
    name: OutputName | None,
    processing: Processing | str,
    dtype: Depth,
    dicom: DicomFields,
) -> tuple[Path, ...]:
    """Write a result, or all of them if `name` is None; see `Radiograph.save`."""
    if unknown := [field for field in dicom if field not in DicomFields.__annotations__]:
        raise TypeError(str(unknown_name("field of a DICOM file", unknown[0], DicomFields.__annotations__)))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"path must end in {', '.join(SUFFIXES)}, got '{path}'")
    if dicom and suffix != ".dcm":
        raise ValueError(f"{', '.join(dicom)} are for a .dcm file, got '{path}'")
    if suffix == ".npz":
        write_npz(_arrays(shot, name), path)
        return (path,)
    assert name is not None  # only .npz holds all
    if suffix == ".npy":
        write_npy(shot[name], path)
        return (path,)
    if shot.camera.batch_shape:
        raise ValueError(f"a {suffix} file holds one view, got a batch {tuple(shot.camera.batch_shape)}: save .at(n)")
    output = OUTPUTS[name]
    if not output.is_image:
        raise ValueError(f"a {suffix} file holds an image, got {name!r} {output.shape}; .npy or .npz holds it")
    written = []
    for file, plane in _planes(shot, output, path):
        _write_plane(shot, output, plane, file, processing, dtype, dicom)
        written.append(file)
    return tuple(written)


def _planes(shot: "Radiograph", output: Output, path: Path) -> Iterator[tuple[Path, _Plane]]:
    """The images [H, W] of a result, each with the file that it goes to."""
    values = shot[output.name]
    if values.numel() == 0:
        raise ValueError(f"nothing to write to '{path}': the label map has no label but 0, and none is named")
    if values.ndim == 2:
        yield path, _Plane(values, partial(shot.open_field_of, output.name), shot.looked_at(output))
        return
    names = [re.sub(r"\W+", "_", name).strip("_") for name in shot.channel_names(output.name)]
    names = names or [f"window_{n}" for n in range(len(values))]
    if len(set(names)) < len(names):
        names = [f"{n}_{name}" for n, name in enumerate(names)]
    for n, name in enumerate(names):
        region = shot.looked_at(output)
        plane = _Plane(values[n], partial(_open_window, shot, output.name, n), None if region is None else region[0])
        yield path.with_name(f"{path.stem}-{name}{path.suffix}"), plane


def _open_window(shot: "Radiograph", name: OutputName, index: int) -> Tensor:
    return shot.open_field_of(name)[index]


def _write_plane(
    shot: "Radiograph",
    output: Output,
    plane: _Plane,
    path: Path,
    processing: Processing | str,
    dtype: Depth,
    dicom: DicomFields,
) -> None:
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        write_tiff(plane.values, path)
    elif suffix == ".png":
        if dtype == "float32":
            raise ValueError(f"dtype of a PNG must be uint8 or uint16, got {dtype!r}")
        write_png(_picture(output, plane, processing, dtype), path)
    else:
        _write_dicom(shot, output, plane, path, processing, dtype, dicom)


def _picture(output: Output, plane: _Plane, processing: Processing | str, dtype: Depth) -> Picture:
    return output_picture(output, plane.values, plane.open_field, processing, dtype, plane.region)


def _write_dicom(
    shot: "Radiograph",
    output: Output,
    plane: _Plane,
    path: Path,
    processing: Processing | str,
    dtype: Depth,
    dicom: DicomFields,
) -> None:
    if output.name not in ("image", "expected_image"):
        raise ValueError(f"a DICOM file holds image or expected_image, got {output.name!r}")
    steps = PRESETS[processing] if isinstance(processing, str) else processing
    open_field = plane.open_field()
    window = steps.window
    if window is None and plane.region is not None:
        window = automatic_window(plane.values, open_field=open_field, region=plane.region)
    tone = Processing(window=window, gamma=steps.gamma, polarity=steps.polarity)
    stored = dicom.get("stored", "log_signal" if steps.is_pointwise else "picture")
    is_picture = stored == "picture"
    header = radiograph_metadata(shot, dicom)
    if is_picture and steps.description != PRESETS["plain"].description:
        header = replace(header, processing=steps.description, circular_field=steps.circular)
    write_dicom(
        _picture(output, plane, steps, dtype) if is_picture else plane.values,
        path,
        header,
        stored=stored,
        object_class=dicom.get("object_class", "XA"),
        open_field=open_field,
        polarity=steps.polarity,
        tone=tone,
        uids=dicom.get("uids"),
    )


def radiograph_metadata(shot: "Radiograph", dicom: DicomFields | None = None) -> RadiographMetadata:
    """The header of a radiograph: its geometry, beam, exposure and detector.

    Args:
        shot: one view.
        dicom: body part, laterality and description, which the radiograph does not know.

    Raises:
        ValueError: if the radiograph has no patient frame or no exposure.
    """
    given: dict[str, Any] = dict(dicom or {})
    technique, detector = shot.technique, shot.technique.detector
    if shot.anatomical_from_world is None or technique.exposure is None:
        what = "no patient's frame" if technique.exposure is not None else "no exposure"
        raise ValueError(f"a DICOM header needs a patient's frame and an exposure, but this radiograph has {what}")
    header = RadiographMetadata.from_camera(
        shot.camera,
        shot.anatomical_from_world,
        isocenter_world=shot.isocenter_world,
        kvp=technique.spectrum.kvp,
        mas=float(equivalent_mas(technique.exposure, technique.source, shot.camera)),
        body_part=given.get("body_part"),
        laterality=given.get("laterality"),
    )
    described = {"description": given["description"]} if "description" in given else {}
    grid = None if detector.grid is None else True
    return replace(header, detector=_kind(detector), unit=detector.unit, grid=grid, **described)


def _kind(detector: Detector) -> Literal["SCINTILLATOR", "DIRECT"] | None:
    """DICOM's term for the type of detector; None for an ideal one."""
    if isinstance(detector, FlatPanel):
        return "SCINTILLATOR"
    return "DIRECT" if isinstance(detector, PhotonCounter) else None


def _arrays(shot: "Radiograph", name: OutputName | None) -> dict[str, Any]:
    """All results or one, with their metadata, as arrays of numbers and one of text (JSON)."""
    results = shot.results if name is None else {name: shot[name]}
    camera = shot.camera
    about = {
        "deepdrr": __version__,
        "units": {result: shot.unit(result) for result in results},
        "material_names": shot.material_names,
        "label_channels": shot.label_channels,
        "tool_names": shot.tool_names,
        "key_point_names": shot.key_point_names,
        "seed": shot.seed,
        "kvp": shot.technique.spectrum.kvp,
        "technique": repr(shot.technique),
        "orthographic": camera.orthographic,
    }
    geometry = {
        "camera_intrinsics": camera.intrinsics,
        "camera_from_world": camera.camera_from_world,
        "camera_sdd_mm": camera.sdd_mm,
    }
    return {**results, **geometry, "about": np.array(json.dumps(about, ensure_ascii=False))}
