"""The page on results shows the table that the code has."""

from pathlib import Path

from deepdrr.projector import outputs_table

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "outputs.md"


def test_the_page_shows_the_table() -> None:
    assert outputs_table() in PAGE.read_text(encoding="utf-8")
