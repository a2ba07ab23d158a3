"""Random numbers of quanta and electrons, the same on every device."""
