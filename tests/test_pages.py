"""What the pages for readers say is so: their Python runs, from top to bottom, and their links lead somewhere."""

import re
from pathlib import Path

import pytest
from pages import PAGES, ROOT, blocks, program

from deepdrr.resources import resource_path


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ct.nii.gz").symlink_to(resource_path("data/ct/pelvis.nii.gz"))
    monkeypatch.chdir(tmp_path)
    exec(compile(program(page), str(page), "exec"), {"__name__": "page"})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8"))
    targets = ["".join(link) for link in links]
    assert not [t for t in targets if not t.startswith("https://") and not (page.parent / t).exists()]
