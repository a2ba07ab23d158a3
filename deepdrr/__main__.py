"""`python -m deepdrr` is the `deepdrr` command."""

import sys

from deepdrr.cli import main

if __name__ == "__main__":
    sys.exit(main())
