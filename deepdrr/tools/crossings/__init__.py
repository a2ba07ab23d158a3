"""Where rays cross the surfaces of solids: an operator with a CPU, a CUDA and a torch twin."""
