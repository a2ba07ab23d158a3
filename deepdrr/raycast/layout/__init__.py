"""How voxels lie in memory: by which axis, in which type, and where there is nothing to read."""
