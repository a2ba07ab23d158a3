"""The ray integrals and their adjoints by the CUDA kernels."""
