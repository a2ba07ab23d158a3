"""How many photons reach a pixel, and how a wanted level is found."""
