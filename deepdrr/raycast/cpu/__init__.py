"""Ray integrals and their adjoints on the CPU, by compiled kernels."""
