"""The ray integrals and their adjoints by the compiled CPU kernels."""
