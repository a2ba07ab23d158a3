"""Random draws of quantum and electronic noise, the same on every device."""
