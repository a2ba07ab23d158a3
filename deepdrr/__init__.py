"""deepdrr."""
