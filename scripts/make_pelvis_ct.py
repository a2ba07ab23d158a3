"""Make ``data/ct/pelvis.nii.gz``, the CT that the demo, the README and the tests use.

    python scripts/make_pelvis_ct.py pelvis_tcga-ov.nii.gz

From the scan TCGA-09-2043 of the TCGA-OV collection (The Cancer Imaging Archive, CC BY 3.0, see NOTICE), in order:
the padding outside the field of view (−2048 HU) becomes air; the slices from the fourth lumbar vertebra to the lesser
trochanters are kept; everything except the patient (the table) becomes air; slices are resampled to pixels of 1.5 mm
(1.5 × 1.5 × 3 mm, about the volume of 2 mm cubes); HU are rounded to 2, below the scan's noise, so that the file is
small.
"""

import argparse
import gzip
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from deepdrr._atomic import atomic_path

Grid = npt.NDArray[np.float32]

AIR_HU = -1000.0
SPACING_MM = 1.5
HU_STEP = 2.0
# Slices of the source, 3 mm apart, feet to head.
SLICES = slice(0, 92)
BODY_HU = -300.0


def main() -> None:
    """Read the source named on the command line and write the bundled CT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="pelvis_tcga-ov.nii.gz")
    parser.add_argument("--out", type=Path, default=Path("data/ct/pelvis.nii.gz"))
    arguments = parser.parse_args()
    image = nibabel.as_closest_canonical(nibabel.load(arguments.source))
    hu = np.maximum(np.asarray(image.dataobj, dtype=np.float32), AIR_HU)[:, :, SLICES]
    affine = image.affine @ nibabel.affines.from_matvec(np.eye(3), (0, 0, SLICES.start))
    hu, affine = resample_in_plane(without_table(hu), affine)
    hu, affine = crop_to_body(hu, affine)
    write(arguments.out, np.round(hu / HU_STEP) * HU_STEP, affine)


def without_table(hu: Grid) -> Grid:
    """Keep the largest connected piece of body, its inside, and a margin of 6 mm; the rest becomes air."""
    body = ndimage.binary_opening(hu > BODY_HU, iterations=2)
    pieces, _ = ndimage.label(body)
    patient = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    for k in range(patient.shape[2]):
        patient[:, :, k] = ndimage.binary_fill_holes(ndimage.binary_closing(patient[:, :, k], iterations=5))
    patient = ndimage.binary_dilation(patient, iterations=4)
    return np.where(patient, hu, np.float32(AIR_HU))


def resample_in_plane(hu: Grid, affine: npt.NDArray[np.float64]) -> tuple[Grid, npt.NDArray[np.float64]]:
    """Linear interpolation in the slices, after the blur of a pixel of the new size."""
    zoom = affine[0, 0] / SPACING_MM
    blurred = ndimage.gaussian_filter(hu, (0.4 / zoom, 0.4 / zoom, 0.0), mode="nearest")
    shape = [int(n * zoom) for n in hu.shape[:2]]
    grid = np.meshgrid(*(np.arange(n) / zoom for n in shape), np.arange(hu.shape[2]), indexing="ij")
    scaled = ndimage.map_coordinates(blurred, grid, order=1, output=np.float32)
    return scaled, affine @ np.diag([1 / zoom, 1 / zoom, 1.0, 1.0])


def crop_to_body(hu: Grid, affine: npt.NDArray[np.float64]) -> tuple[Grid, npt.NDArray[np.float64]]:
    """Drop rows and columns that hold only air, except for a margin of three voxels."""
    body = (hu > BODY_HU).any(axis=2)
    spans = [np.flatnonzero(body.any(axis=1 - axis)) for axis in (0, 1)]
    first = [max(int(s[0]) - 3, 0) for s in spans]
    last = [int(s[-1]) + 4 for s in spans]
    offset = nibabel.affines.from_matvec(np.eye(3), (*first, 0))
    return hu[first[0] : last[0], first[1] : last[1]], affine @ offset


def write(path: Path, hu: Grid, affine: npt.NDArray[np.float64]) -> None:
    """Write int16 NIfTI, compressed without a time stamp, so that the same input gives the same bytes."""
    image = nibabel.Nifti1Image(hu.astype(np.int16), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"TCGA-OV TCGA-09-2043, TCIA, CC BY 3.0, see NOTICE"
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))
    print(f"{path}: {hu.shape}, {path.stat().st_size / 1e6:.1f} MB, HU {hu.min():.0f} to {hu.max():.0f}")


if __name__ == "__main__":
    main()
