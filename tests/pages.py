"""The pages for readers, README and docs/, and the code in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def program(page: Path) -> str:
    """All Python blocks of a page as one program whose lines have the numbers that they have in the page."""
    return "\n".join(_python_lines(page.read_text(encoding="utf-8").splitlines()))


def _python_lines(lines: list[str]) -> Iterator[str]:
    language = ""
    for line in lines:
        if line.startswith("```"):
            language = "" if language else line.removeprefix("```") or "text"
            yield ""
        else:
            yield line if language == "python" else ""
