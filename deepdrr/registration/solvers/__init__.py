"""What moves a pose: gradient descent, Gauss–Newton, CMA-ES and many starts."""
