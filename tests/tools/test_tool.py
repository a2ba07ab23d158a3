"""Where tools are: poses, scale, attachment, and what a tool says of itself."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr import Volume
from deepdrr.geometry import invert_rigid, rotation_about, transform_points, translation
from deepdrr.materials import material
from deepdrr.tools import Mesh, Solid, Tool

CORNERS = [[0.0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]]
FACES = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]


def wedge(**options: object) -> Tool:
    return Tool(Mesh(CORNERS, FACES), "titanium", **options)  # type: ignore[arg-type]


def patient() -> Volume:
    landmarks = {"entry": torch.tensor([0.0, 20, 0]), "target": torch.tensor([0.0, 0, 0])}
    return Volume.from_array(torch.zeros(4, 4, 4), torch.eye(4), check_hu="off", landmarks=landmarks)


def test_a_tool_is_what_a_scene_knows_as_a_solid() -> None:
    assert isinstance(wedge(), Solid)


def test_it_says_size_volume_mass_and_material() -> None:
    tool = wedge(name="wedge")
    assert repr(tool) == "Tool 'wedge': 30 × 30 × 30 mm, 4.5 cm³, 20.4 g of titanium"
    tool.scale = 0.5
    assert repr(tool) == "Tool 'wedge': 15 × 15 × 15 mm, 0.562 cm³, 2.55 g of titanium"


def test_density_may_differ_from_the_material() -> None:
    assert wedge().density_g_cm3 == material("titanium").density_g_cm3
    assert float(wedge(density_g_cm3=2.0).mass_g) == pytest.approx(9.0)


@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 0, -1), (1, 0, 0), (-0.3, 0.5, -0.8), (1e-9, 0, -1)])
def test_align_puts_the_tip_and_the_axis(direction: tuple[float, float, float]) -> None:
    wire = Tool.make("k-wire", length_mm=100.0)
    wire.align(tip=(3, -4, 5), direction=direction, roll_deg=30)
    unit = torch.tensor(direction, dtype=torch.float64)
    unit = unit / unit.norm()
    tip = torch.tensor([3.0, -4, 5], dtype=torch.float64)
    assert_close(wire.point_in_world("tip"), tip)
    assert_close(wire.point_in_world("tail"), tip - 100 * unit, atol=1e-6, rtol=0)  # 1e-9 off −z is taken for it
    assert_close(wire.direction_in_world, unit, atol=1e-8, rtol=0)


@pytest.mark.parametrize("aside", [1e-11, 1e-8, 1.42e-6, 1e-4])
def test_almost_the_opposite_direction_is_a_rotation(aside: float) -> None:
    """1 + z·d of almost opposite directions has few digits: at 1.5 µrad the turn was off by 4e-4, and refused."""
    tool = wedge()
    tool.align(tip=(0, 0, 0), direction=(aside, 0.3 * aside, -1.0))
    turn = tool.rigid_world_from_tool[:3, :3]
    assert_close(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-14, rtol=0)  # some roundings of 1
    assert_close(tool.direction_in_world, torch.tensor([aside, 0.3 * aside, -1.0]).double(), atol=1e-7, rtol=0)


def test_align_by_another_point() -> None:
    screw = Tool.make("bone screw", length_mm=40.0)
    screw.align(tip=(0, 0, 0), direction=(0, 1, 0), point="head")
    assert_close(screw.point_in_world("tip"), torch.tensor([0.0, 40, 0], dtype=torch.float64))


def test_insert_goes_from_the_entry_towards_the_target() -> None:
    wire = Tool.make("k-wire")
    wire.insert(along=((0, 0, 100), (0, 30, 60)), depth_mm=10)
    assert_close(wire.point_in_world("tip"), torch.tensor([0.0, 6, 92], dtype=torch.float64))


def test_landmarks_of_the_patient_it_hangs_on() -> None:
    ct, wire = patient(), Tool.make("k-wire")
    ct.translate((100, 0, 0))
    wire.attach(ct)
    wire.insert(along=("entry", "target"), depth_mm=5)
    assert_close(wire.point_in_world("tip"), torch.tensor([100.0, 15, 0], dtype=torch.float64))
    with pytest.raises(ValueError, match="did you mean 'entry'"):
        wire.insert(along=("entri", "target"), depth_mm=5)


def test_scale_is_about_the_origin_and_keeps_the_tip() -> None:
    tool = wedge(key_points={"tip": (0, 0, 30)})
    tool.scale = 2.0
    tool.align(tip=(1, 2, 3), direction=(1, 0, 0))
    assert_close(tool.point_in_world("tip"), torch.tensor([1.0, 2, 3], dtype=torch.float64))
    assert float(torch.linalg.det(tool.world_from_tool)) == pytest.approx(8.0)


def test_it_moves_with_the_patient() -> None:
    ct, tool = patient(), wedge()
    tool.align(tip=(1, 2, 3), direction=(1, 1, 0))
    before = tool.world_from_tool
    tool.attach(ct)
    assert_close(tool.world_from_tool, before)
    move = rotation_about((0, 0, 1), 40, (5, 5, 5))
    ct.world_from_anatomical = move @ ct.world_from_anatomical
    assert_close(tool.world_from_tool, move @ before)
    tool.detach()
    ct.translate((0, 0, 9))
    assert_close(tool.world_from_tool, move @ before)


def test_a_pose_may_be_given_in_the_parents_frame() -> None:
    ct, tool = patient(), wedge()
    ct.translate((0, 0, 7))
    tool.attach(ct, parent_from_tool=translation((1, 0, 0)))
    assert_close(tool.world_from_tool, translation((1, 0, 7)))


def test_chains_of_tools_move_together_and_have_no_cycle() -> None:
    nail, screw, washer = (Tool.make(k, name=k) for k in ("nail", "bone screw", "ball"))
    screw.attach(nail)
    washer.attach(screw, parent_from_tool=translation((0, 0, -40)))
    nail.world_from_tool = translation((0, 5, 0))
    assert_close(washer.point_in_world("center"), torch.tensor([0.0, 5, -40], dtype=torch.float64))
    with pytest.raises(
        ValueError, match="a tool cannot hang on itself, got the chain 'nail' on 'ball' on 'bone screw' on"
    ):
        nail.attach(washer)
    with pytest.raises(ValueError, match="itself"):
        nail.attach(nail)
    assert nail.parent is None


@pytest.mark.parametrize("seed", range(3))
def test_poses_carry_gradients(seed: int) -> None:
    """A point of the tool in the room, with respect to what placed it: against finite differences."""
    draw = torch.Generator().manual_seed(seed)
    tip, direction, scale = (torch.rand(n, generator=draw, dtype=torch.float64) + 0.5 for n in (3, 3, 1))

    def tail(tip: Tensor, direction: Tensor, scale: Tensor) -> Tensor:
        wire = Tool.make("k-wire")
        wire.scale = scale[0]
        wire.align(tip=tip, direction=direction, roll_deg=10)
        return wire.point_in_world("tail") / 100

    inputs = tuple(t.requires_grad_() for t in (tip, direction, scale))
    assert torch.autograd.gradcheck(tail, inputs)


def test_depth_carries_a_gradient() -> None:
    depth = torch.tensor(10.0, dtype=torch.float64, requires_grad=True)
    wire = Tool.make("k-wire")
    wire.insert(along=((0, 0, 0), (0, 3, 4)), depth_mm=depth)
    wire.point_in_world("tip")[2].backward()
    assert depth.grad is not None
    assert float(depth.grad) == pytest.approx(0.8)


def test_moving_both_is_moving_neither() -> None:
    """The tool in the patient's frame is the same wherever the patient goes."""
    ct, tool = patient(), wedge()
    tool.attach(ct)
    tool.world_from_tool = translation((3, 2, 1))
    within = invert_rigid(ct.world_from_anatomical) @ tool.world_from_tool
    ct.world_from_anatomical = rotation_about((1, 2, 3), 50, (0, 0, 9))
    assert_close(invert_rigid(ct.world_from_anatomical) @ tool.world_from_tool, within)
    assert_close(transform_points(tool.world_from_tool, torch.zeros(3)), tool.world_from_tool[:3, 3].float())


def test_bad_input_is_a_sentence() -> None:
    tool = wedge()
    with pytest.raises(ValueError, match="unknown material 'titanum'; did you mean 'titanium'"):
        Tool(Mesh(CORNERS, FACES), "titanum")
    with pytest.raises(ValueError, match="world_from_tool must be a rotation"):
        tool.world_from_tool = torch.diag(torch.tensor([2.0, 1, 1, 1]))
    with pytest.raises(ValueError, match="world_from_tool must be a rotation, got a reflection"):
        tool.world_from_tool = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
    with pytest.raises(ValueError, match="scale must be one positive number"):
        tool.scale = 0.0
    with pytest.raises(ValueError, match="direction must not be the zero vector"):
        tool.align(tip=(0, 0, 0), direction=(0, 0, 0))
    with pytest.raises(ValueError, match="target − entry must not be the zero vector"):
        tool.insert(along=((1, 1, 1), (1, 1, 1)), depth_mm=1)
    with pytest.raises(ValueError, match="depth_mm must be finite"):
        tool.insert(along=((1, 1, 1), (1, 1, 2)), depth_mm=math.nan)
    with pytest.raises(ValueError, match="depth_mm must be finite, got nan"):
        tool.insert(along=((1, 1, 1), (1, 1, 2)), depth_mm=torch.tensor(math.nan))
    with pytest.raises(TypeError, match=r"depth_mm must be one number, got torch.float32 \(3,\)"):
        tool.insert(along=((1, 1, 1), (1, 1, 2)), depth_mm=torch.ones(3))
    for no_number in (torch.ones(3), torch.tensor(True), torch.tensor(1j)):
        with pytest.raises(TypeError, match="scale must be one number"):
            tool.scale = no_number
    for no_name in (None, "", " ", 3):
        with pytest.raises(TypeError, match="name must be a text that is not empty"):
            tool.name = no_name  # type: ignore[assignment]
    with pytest.raises(ValueError, match="hangs on nothing"):
        tool.align(tip="entry", direction=(0, 0, 1))
    with pytest.raises(ValueError, match="density_g_cm3 must be positive"):
        wedge(density_g_cm3=-1.0)
    with pytest.raises(ValueError, match="mode must be one of displace, add"):
        tool.mode = "replace"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="mesh must be a Mesh"):
        Tool(CORNERS, "titanium")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="parent must be a Volume or a Tool"):
        tool.attach("ct")  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="did you mean 'world_from_tool'"):
        tool.world_from_tol = torch.eye(4)
    with pytest.raises(ValueError, match="unknown kind of tool 'kwire'; did you mean 'k-wire'"):
        Tool.make("kwire")
    with pytest.raises(ValueError, match="unknown dimension of a k-wire 'diameter'; did you mean 'diameter_mm'"):
        Tool.make("k-wire", diameter=2.0)
    with pytest.raises(TypeError, match="points_mm must be given for a tube"):
        Tool.make("tube")
    with pytest.raises(ValueError, match="unknown key point of the tool 'tool': 'tail'"):
        tool.point_in_world("tail")


def test_a_tool_from_a_file_knows_where_it_came_from(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / "my screw.stl"
    trimesh.Trimesh(CORNERS, FACES, process=False).export(path)
    tool = Tool.from_file(path, material="titanium", unit="mm")
    assert repr(tool) == "Tool 'my screw': 30 × 30 × 30 mm, 4.5 cm³, 20.4 g of titanium"
    assert tool.source == {"file": str(path), "unit": "mm", "frame": "own"}
    with pytest.raises(ValueError, match="unknown material 'titanum'"):
        Tool.from_file(tmp_path / "none.stl", material="titanum", unit="mm")
