"""`deepdrr info`: what is in a CT file."""

from collections.abc import Iterator
from pathlib import Path

import torch

from deepdrr._kernels import load_kernels
from deepdrr.cli._histogram import hu_bands
from deepdrr.cli._options import PatientOptions
from deepdrr.cli._scene import read
from deepdrr.cli._status import say, stage
from deepdrr.data import Volume, axes_code
from deepdrr.raycast import backends

__all__ = ["device_facts", "facts", "info", "remarks"]

_DEFAULTS = PatientOptions()
# From about this slice spacing on, pictures across the slices show steps; CT for planning has 0.5 to 3 mm.
_COARSE_MM = 4.0
# 12-bit CT ends at 4095 − 1024 HU; voxels with that value were clipped.
_SATURATED_HU = 3071.0
_OBLIQUE_DEG = 0.5


def info(
    file: Path | None = None,
    *,
    devices: bool = False,
    patient: PatientOptions = _DEFAULTS,
    config: Path | None = None,
) -> None:
    """Say what is in a CT file: grid, frame, HU, labels, and what to beware of; or what this machine computes on.

    Args:
        file: CT: a NIfTI, NRRD, MHA or MHD file, or a folder of DICOM files.
        devices: list the backends, which one is taken, and why not the others.
        config: YAML file with the same fields as these flags; a flag overrides the file.
    """
    if devices:
        for what, text in device_facts():
            say(what, text)
    if file is None:
        if not devices:
            raise ValueError("info needs a CT file, or --devices")
        return
    with stage(f"reading {file}"):
        volume = read(file, patient)
    for what, text in facts(volume):
        say(what, text)
    print()
    for name, span, share, bar in hu_bands(volume.hu):
        print(f"  {name:<26}{span:>16} HU {share:7.2%}  {bar}")
    lines = list(remarks(volume))
    if lines:
        print()
    for line in lines:
        say("beware", line)


def device_facts() -> Iterator[tuple[str, str]]:
    """The state of every backend, and the backends that serve tensors of the host and of a GPU."""
    states = backends()
    yield from states.items()
    build = load_kernels().__name__.rpartition("_")[2] if states["cpu"] == "ready" else ""
    on_host = f"cpu ({build}, {torch.get_num_threads()} threads)" if build else "reference"
    yield "host uses", on_host
    on_gpu = "cuda" if states["cuda"] == "ready" else "reference"
    yield "GPU uses", on_gpu + ("" if torch.cuda.is_available() else ", and this torch sees no GPU")


def facts(volume: Volume) -> Iterator[tuple[str, str]]:
    """Facts about a volume, as pairs of name and value."""
    ni, nj, nk = volume.shape
    di, dj, dk = volume.spacing_mm
    yield "file", _origin(volume)
    yield "grid", f"{ni} × {nj} × {nk} voxels of {di:.4g} × {dj:.4g} × {dk:.4g} mm"
    yield "size", f"{ni * di:.0f} × {nj * dj:.0f} × {nk * dk:.0f} mm"
    yield "axes", f"i, j, k run toward {axes_code(volume.anatomical_from_ijk)}, {_tilt(volume)}"
    yield "centre", "R {:.1f}, A {:.1f}, S {:.1f} mm".format(*volume.center_in_anatomical.tolist())
    low, high = (float(edge) for edge in torch.aminmax(volume.hu))
    yield "HU", f"{low:g} to {high:g}"
    if volume.labels is not None:
        found = torch.unique(volume.labels).tolist()
        yield "labels", ", ".join(f"{n} {volume.label_names.get(n, '')}".strip() for n in found if n) or "none"
    for name, point in volume.landmarks.items():
        yield "landmark", "{} at R {:.1f}, A {:.1f}, S {:.1f} mm".format(name, *point.tolist())


def remarks(volume: Volume) -> Iterator[str]:
    """Remarks to read before trusting pictures of a volume."""
    yield from volume.source.notes
    if volume.source.padding_voxels:
        share = volume.source.padding_voxels / volume.hu.numel()
        yield f"{share:.0%} of the voxels lay outside the scanner's field of view and became air"
    if max(volume.spacing_mm) > _COARSE_MM:
        yield f"slices {max(volume.spacing_mm):.3g} mm apart: pictures across them show steps"
    low, high = (float(edge) for edge in torch.aminmax(volume.hu))
    if high >= _SATURATED_HU:
        yield f"values up to {high:g} HU: metal, or the scanner's upper end; deepdrr takes it for bone unless labelled"
    if high < 200.0:
        yield f"nothing above {high:g} HU: a CT without bone, or values that are not HU"
    if low > -900.0:
        yield f"nothing below {low:g} HU: a CT without air around the patient"


def _origin(volume: Volume) -> str:
    source = volume.source
    facts = (source.format, source.modality, source.description, f"{source.kvp:g} kV" if source.kvp else None)
    return ", ".join(fact for fact in facts if fact)


def _tilt(volume: Volume) -> str:
    """The angle between the grid and the patient's axes."""
    axes = volume.anatomical_from_ijk[:3, :3]
    cosines = (axes / axes.norm(dim=0)).abs().amax(dim=0)
    degrees = float(torch.rad2deg(torch.arccos(cosines.clamp(max=1.0))).max())
    return "along the patient's axes" if degrees < _OBLIQUE_DEG else f"oblique by up to {degrees:.1f}°"
