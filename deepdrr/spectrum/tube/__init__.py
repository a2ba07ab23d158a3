"""The X-ray tube beyond its spectrum: heel effect, focal spot and shutters."""
