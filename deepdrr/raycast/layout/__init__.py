"""The layout of voxels in memory: order of axes, type, and maps of the occupied blocks."""
