"""CT series from DICOM files, and what is refused or repaired on the way."""
