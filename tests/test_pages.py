"""The pages for readers are right: their Python runs from top to bottom, and their links have targets."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT, blocks, program
from test_import_graph import LEVEL

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


def places_to_put_things() -> list[tuple[str, bool]]:
    """(path, whether it is said to be coming) of every place that CONTRIBUTING names in its table."""
    rows = [
        line for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")
    ]
    found = re.findall(r"`((?:deepdrr|kernels|tests|scripts|docs|data)/[\w./]*)`( \(coming)?", "\n".join(rows))
    return [(path, bool(coming)) for path, coming in found]


@pytest.mark.parametrize(("path", "coming"), places_to_put_things())
def test_places_in_contributing_exist_unless_they_are_coming(path: str, coming: bool) -> None:
    assert (ROOT / path).exists() != coming


def test_every_room_has_a_row_in_the_house_in_the_order_of_the_imports() -> None:
    page = (ROOT / "docs/concepts/house.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| `(\w+\.py)` \|$", page, flags=re.MULTILINE))
    levels = [LEVEL[room] for room in rows]
    assert levels == sorted(levels)
    rooms = {folder.parent.name for folder in (ROOT / "deepdrr").glob("*/__init__.py")}
    assert set(rows) == {room for room in rooms if not room.startswith("_")}
    assert not [room for room, file in rows.items() if not (ROOT / "deepdrr" / room / file).exists()]
