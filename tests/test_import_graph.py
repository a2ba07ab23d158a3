"""Arrows between the rooms run one way, and importing the package stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import deepdrr

PACKAGE = Path(deepdrr.__file__).parent

# From the lowest to the highest: a module imports from its own room and from lower ones only.
ORDER = (
    (
        "_version",
        "_arguments",
        "_extras",
        "_installation",
        "_kernels",
        "_cuda",
        "_functorch",
        "_names",
        "_numbers",
        "_operators",
        "_renamed",
        "_shapes",
        "_snapshot",
        "_state",
        "_threads",
        "_atomic",
        "_door",
        "_memory",
        "_start",
        "_structured",
        "_progress",
        "resources",
    ),
    ("geometry", "geo"),
    ("camera",),
    ("data",),
    ("materials",),
    ("spectrum",),
    ("device",),
    ("raycast",),
    ("tools",),
    ("detector",),
    ("display",),
    ("io",),
    ("scatter",),
    ("montecarlo",),
    ("projector",),
    ("annotations",),
    ("metrics",),
    ("drr",),
    ("plot",),
    ("scene",),
    ("registration",),
    ("dataset",),
    ("validation",),
    ("cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported_rooms(path: Path) -> set[str]:
    """The rooms of this package that a file imports, wherever in the file it does."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "deepdrr":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deepdrr."):
            rooms.add(room(node.module or ""))
        elif isinstance(node, ast.Import):
            rooms |= {room(alias.name) for alias in node.names if alias.name.startswith("deepdrr.")}
    return rooms & LEVEL.keys()


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {p.stem if p.suffix == ".py" else p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    files = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__"}
    assert rooms | files == set(LEVEL)


def test_no_arrow_runs_back() -> None:
    back = []
    for path in PACKAGE.rglob("*.py"):
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        back += [f"{path.name} of {here} imports {r}" for r in imported_rooms(path) if LEVEL[r] > LEVEL[here]]
    assert not back


# Inner rooms that know nothing of each other, within their room.
APART = {
    "raycast": ("cpu", "cuda"),
    "data": ("dicom", "markups", "readers", "samples"),
    "spectrum": ("tube", "sums"),
    "detector": ("draws", "exposure"),
}


def test_inner_rooms_are_apart() -> None:
    crossing = []
    for room_name, inner in APART.items():
        for path in (p for name in inner for p in (PACKAGE / room_name / name).rglob("*.py")):
            own = path.relative_to(PACKAGE / room_name).parts[0]
            others = [f"deepdrr.{room_name}.{name}" for name in inner if name != own]
            text = path.read_text()
            crossing += [
                f"{path.name} of {room_name}/{own} imports {other}" for other in others if f"from {other}" in text
            ]
    assert not crossing
    assert all((PACKAGE / room_name / name).is_dir() for room_name, inner in APART.items() for name in inner)


def test_import_is_light() -> None:
    """Readers, writers and the command line load their libraries when used."""
    heavy = (
        "nibabel",
        "pydicom",
        "SimpleITK",
        "skimage",
        "scipy",
        "PIL",
        "matplotlib",
        "requests",
        "yaml",
        "rich",
        "cyclopts",
        "pyvista",
        "trimesh",
    )
    program = f"import sys, deepdrr, deepdrr.projector; print([m for m in {(*heavy, 'pyvista')} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_first_image_needs_no_compiler() -> None:
    """torch's compiler, sympy and SciPy's optimizers take seconds of a new process, and an image needs none of them."""
    program = """
import sys, torch
from deepdrr import MobileCArm, Projector, Volume
from deepdrr.device import CArmGeometry
carm = MobileCArm(geometry=CArmGeometry().binned(96))
ct = Volume.from_array(torch.full((8, 8, 8), -1000.0), torch.eye(4))
with Projector(ct, carm=carm) as projector:
    projector(generator=torch.Generator().manual_seed(0))
import deepdrr.drr, deepdrr.registration
print([m for m in ("torch._dynamo", "sympy", "scipy.optimize", "roma") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
