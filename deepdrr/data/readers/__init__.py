"""CT volumes and label maps from NIfTI, NRRD and MetaImage files."""
