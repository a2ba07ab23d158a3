"""The page of conventions has the same table of views as the code; `test_pages` runs its Python."""

import re
from pathlib import Path

from deepdrr.device import VIEWS

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "conventions.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_table_is_the_table_of_views() -> None:
    rows = re.findall(r"^\| (.+) \| (−?\d+)° \| (−?\d+)° \| .+ \| (\w+) \|$", TEXT, flags=re.MULTILINE)
    written = {name: (float(a.replace("−", "-")), float(b.replace("−", "-")), side) for name, a, b, side in rows}
    assert written == {view.name: (view.alpha_deg, view.beta_deg, view.viewed_from) for view in VIEWS.values()}
