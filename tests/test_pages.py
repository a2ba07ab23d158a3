"""What the pages for readers say is so: their Python runs, from top to bottom, and their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT, blocks, program

from deepdrr.resources import resource_path


def can_draw_scenes() -> bool:
    """In another process: where there is no OpenGL at all, VTK ends the one that asks."""
    asked = "import pyvista as p; q = p.Plotter(off_screen=True); q.add_mesh(p.Cube()); assert q.screenshot().any()"
    return subprocess.run([sys.executable, "-c", asked], capture_output=True).returncode == 0


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "import pyvista" in program(page) and not can_draw_scenes():
        pytest.skip("VTK finds no OpenGL here, on the screen or off it")
    (tmp_path / "ct.nii.gz").symlink_to(resource_path("data/ct/pelvis.nii.gz"))
    monkeypatch.chdir(tmp_path)
    exec(compile(program(page), str(page), "exec"), {"__name__": "page"})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8"))
    targets = ["".join(link) for link in links]
    assert not [t for t in targets if not t.startswith("https://") and not (page.parent / t).exists()]
