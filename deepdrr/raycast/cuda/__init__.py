"""Ray integrals and their adjoints on NVIDIA GPUs, by the CUDA kernels."""
