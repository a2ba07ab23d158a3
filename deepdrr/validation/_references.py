"""The reference numbers in `data/validation/`, which the report and the tests share."""

import csv
from functools import cache

from deepdrr.resources import resource_path

__all__ = ["Row", "reference_rows"]

Row = dict[str, str]


@cache
def reference_rows(name: str) -> tuple[Row, ...]:
    """The rows of a table.

    Args:
        name: e.g. `"beams"` for `data/validation/beams.csv`.

    Returns:
        One mapping per row, from the column's name to its text.
    """
    with resource_path(f"data/validation/{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(line for line in file if not line.startswith("#")))
