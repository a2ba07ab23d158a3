"""Cubic B-spline coefficients of a grid."""
