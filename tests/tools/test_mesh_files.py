"""`Mesh.from_file`: every format, units, frames, repairs and refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from solids import box, torus, tube
from torch.testing import assert_close

from deepdrr.tools import Mesh
from deepdrr.tools import _mesh_files as files

TUBE = tube(2.0, 4.0, 30.0, 16)


def written(path: Path, vertices: np.ndarray, faces: np.ndarray) -> Path:
    """A file of any kind; `.txt.stl` is STL as text."""
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if path.suffix == ".vtp":
        pyvista = pytest.importorskip("pyvista")
        pyvista.PolyData.from_regular_faces(vertices, faces).save(path)
    else:
        mesh.export(path, file_type="stl_ascii" if path.name.endswith(".txt.stl") else None)
    return path


def of(mesh: Mesh, path: Path, scale: float = 1.0) -> Path:
    return written(path, mesh.vertices.numpy() * scale, mesh.faces.numpy())


@pytest.mark.parametrize("name", ["a.stl", "a.txt.stl", "a.ply", "a.obj", "a.glb", "a.off", "a.vtp", "A.STL"])
def test_every_format(name, tmp_path):
    """Files hold float32, or text of as many digits."""
    found = Mesh.from_file(of(TUBE, tmp_path / name), unit="mm")
    assert (len(found.vertices), len(found.faces), found.shells) == (64, 128, 1)
    assert_close(found.volume_mm3, TUBE.volume_mm3, rtol=1e-5, atol=0)
    assert_close(found.bounds, TUBE.bounds, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1.0), ("cm", 10.0), ("m", 1000.0), ("inch", 25.4)])
def test_units(unit, mm, tmp_path):
    assert_close(Mesh.from_file(of(TUBE, tmp_path / "a.ply", 1 / mm), unit=unit).bounds, TUBE.bounds, rtol=0, atol=1e-5)


def test_frames(tmp_path):
    """LPS to RAS is half a turn about z, which keeps the outside outside."""
    path = of(
        box(10.0, 20.0, 30.0).transformed([[1, 0, 0, 7], [0, 1, 0, 8], [0, 0, 1, 9], [0, 0, 0, 1]]), tmp_path / "a.stl"
    )
    assert Mesh.from_file(path, unit="mm").bounds.mean(dim=0).tolist() == [7, 8, 9]
    assert Mesh.from_file(path, unit="mm", frame="RAS").bounds.mean(dim=0).tolist() == [7, 8, 9]
    assert Mesh.from_file(path, unit="mm", frame="LPS").bounds.mean(dim=0).tolist() == [-7, -8, 9]


def test_a_size_that_no_tool_has_is_told(tmp_path):
    small, large = (of(TUBE, tmp_path / f"{n}.stl", scale) for n, scale in enumerate((0.001, 1.0)))
    with pytest.warns(UserWarning, match=r"is 0\.03 mm across: if its numbers are metres, give unit='m'"):
        Mesh.from_file(small, unit="mm")
    with pytest.warns(UserWarning, match="is 30 m across: if its numbers are millimetres, give unit='mm'"):
        Mesh.from_file(large, unit="m")


def test_holes_are_refused_or_filled_on_request(tmp_path):
    """A fan over a flat polygon is what was there."""
    mesh = box(10.0, 20.0, 30.0)
    top = (mesh.vertices[mesh.faces][..., 2] > 0).all(dim=1)
    extra = torch.cat([mesh.faces[~top], mesh.faces[:1], torch.tensor([[1, 1, 3]])])
    path = written(tmp_path / "a.ply", mesh.vertices.numpy(), extra.numpy())
    with pytest.raises(ValueError, match="a mesh must be closed, got 4 open edges, the first at"):
        Mesh.from_file(written(tmp_path / "b.ply", mesh.vertices.numpy(), mesh.faces[~top].numpy()), unit="mm")
    with pytest.raises(ValueError, match="1 faces without an area"):
        Mesh.from_file(path, unit="mm")
    told = "1 faces of equal corners left out, 1 faces that were there twice left out, 2 faces added over holes"
    with pytest.warns(UserWarning, match=told):
        found = Mesh.from_file(path, unit="mm", repair="fill")
    assert float(found.volume_mm3) == pytest.approx(6000.0)


def test_a_closed_mesh_is_left_alone(tmp_path):
    path = of(torus(20.0, 5.0, 12), tmp_path / "a.ply")
    assert len(Mesh.from_file(path, unit="mm", repair="fill").faces) == 288


@pytest.mark.parametrize(
    ("name", "content", "options", "error", "words"),
    [
        ("none.stl", None, {}, FileNotFoundError, "there is no mesh at '.*none.stl'"),
        ("screw.step", b"", {}, ValueError, r"path must be a mesh in \.stl, .*\.vtp, got '.*screw.step'"),
        ("a.stl", b"solid", {}, ValueError, "a.stl' (cannot be read as|holds no triangles)"),
        ("a.ply", b"ply\nformat", {}, ValueError, "a.ply' cannot be read as .ply"),
        ("a.obj", b"# nothing\n", {}, ValueError, "a.obj' (cannot be read as|holds no triangles)"),
        ("a.vtp", b"<VTKFile", {}, ValueError, "a.vtp' (cannot be read as|holds no triangles)"),
        ("a.stl", b"", {"unit": "km"}, ValueError, "unit must be one of mm, cm, m, inch, got 'km'"),
        ("a.stl", b"", {"frame": "RAI"}, ValueError, "frame must be one of own, RAS, LPS, got 'RAI'"),
        ("a.stl", b"", {"repair": True}, ValueError, "repair must be one of none, fill, got True"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # readers say more than one wants to hear
def test_refused(name, content, options, error, words, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=words):
        Mesh.from_file(tmp_path / name, **{"unit": "mm", **options})


def test_a_path_that_is_none():
    with pytest.raises(TypeError, match="path must be a str or a Path, got 7"):
        Mesh.from_file(7, unit="mm")  # type: ignore[arg-type]


def test_more_than_fits_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("deepdrr._memory.available_memory", lambda device: 10**6)
    with (tmp_path / "a.stl").open("wb") as file:
        file.truncate(84 + 50 * 10**6)  # a million faces, and no byte on the disk
    monkeypatch.setattr(files, "_by_trimesh", lambda path: pytest.fail("it was read"))
    with pytest.raises(MemoryError, match="takes 500000840 bytes"):
        Mesh.from_file(tmp_path / "a.stl", unit="mm")


def test_nan_in_a_file(tmp_path):
    vertices = TUBE.vertices.numpy().copy()
    vertices[3] = np.nan
    with pytest.raises(ValueError, match="vertices must be finite, got NaN or infinity in"):
        Mesh.from_file(written(tmp_path / "a.ply", vertices, TUBE.faces.numpy()), unit="mm")
