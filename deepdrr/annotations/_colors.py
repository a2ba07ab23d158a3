"""Colours that people tell apart."""

__all__ = ["COLORS"]

# Okabe and Ito, Color Universal Design (2008), without black, which a radiograph has enough of.
COLORS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
