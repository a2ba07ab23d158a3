"""Sums over the energy bins of a beam behind materials, with their derivatives."""
