"""Results of tools by name: against closed forms, and against each other."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.camera import Camera
from deepdrr.device import CArmGeometry
from deepdrr.geometry import transform_points
from deepdrr.materials import linear_attenuation
from deepdrr.projector import OUTPUTS, Scene
from deepdrr.spectrum import mean_energy
from deepdrr.tools import Tool

SHIFT = torch.zeros(4, 4, dtype=torch.float64)
SHIFT[:3, 3] = torch.tensor([2.0, 3.0, 1.0])
BY_TOOL = [name for name, output in OUTPUTS.items() if output.axes[0] in ("T", "P")]


def water() -> Volume:
    """100 mm of water about the origin."""
    volume = Volume.from_array(torch.zeros(20, 20, 20), torch.diag(torch.tensor([5.0, 5, 5, 1])), check_hu="off")
    volume.orient_patient()
    return volume


def camera(pixels: int = 96) -> Camera:
    return MobileCArm(geometry=CArmGeometry(height=pixels, width=pixels, pixel_mm=1.0)).camera


def ball(name: str = "ball", diameter_mm: float = 20.0, **options: object) -> Tool:
    return Tool.make("ball", diameter_mm=diameter_mm, segments=96, name=name, **options)


def through_the_middle(radius_mm: float, view: Camera) -> torch.Tensor:
    """Chords of a ball about the origin: 2 √(r² − d²), d the distance of the ray from it [H, W], mm."""
    source, targets = (end.double() for end in view.pixel_rays())
    way = targets - source
    unit = way / way.norm(dim=-1, keepdim=True)
    apart = torch.linalg.cross(source.expand_as(unit), unit).norm(dim=-1)
    return 2 * (radius_mm**2 - apart**2).clamp(min=0).sqrt()


class TestAgainstClosedForms:
    def test_path_lengths_of_a_ball_are_its_chords(self) -> None:
        view = camera()
        found = Projector([water(), ball()], carm=view).project("tool_path_lengths")["tool_path_lengths"][0]
        expected = through_the_middle(10.0, view)
        inner = expected > 8.0
        # The polyhedron's facets lie up to r (1 − cos(π/96)) = 5 µm inside the ball, at a slant more along the ray.
        assert_close(found[inner], expected[inner], rtol=0, atol=0.05)
        assert not found[expected == 0].any()

    def test_mask_and_hits_and_entry(self) -> None:
        view = camera()
        shot = Projector([water(), ball()], carm=view).project("tool_masks", "tool_hits", "tool_entry_depths")
        expected = through_the_middle(10.0, view)
        mask, hits, depth = shot["tool_masks"][0], shot["tool_hits"][0], shot["tool_entry_depths"][0]
        assert (mask != (expected > 0)).sum() <= 4 * math.pi * 20  # a pixel on either side of the outline
        assert torch.equal(hits, 2 * mask.long())
        assert torch.isinf(depth[~mask]).all()
        middle = view.height // 2
        assert float(depth[middle, middle]) == pytest.approx(float(view.source_world.norm()) - 10.0, abs=0.05)

    def test_share_of_the_attenuation(self) -> None:
        """In the middle: 20 mm of aluminium, around it water."""
        tool, view = ball(material="aluminium"), camera()
        projector = Projector([water(), tool], carm=view)
        shot = projector.project("tool_shares", "tool_visible_masks", "line_integrals")
        energy = mean_energy(projector.technique.spectrum)
        own = 20.0 * float(linear_attenuation("aluminium", energy))
        middle = view.height // 2
        whole = float(shot["line_integrals"][middle, middle])
        assert float(shot["tool_shares"][0, middle, middle]) == pytest.approx(own / whole, rel=5e-3)  # facets, as above
        assert shot["tool_visible_masks"][0, middle, middle]
        assert not shot["tool_visible_masks"][0, 0, 0]

    def test_a_thin_tool_behind_much_is_there_and_not_visible(self) -> None:
        thin = Tool.make("ball", diameter_mm=4.0, material="polyethylene")
        shot = Projector([water(), thin], carm=camera()).project("tool_masks", "tool_visible_masks")
        assert shot["tool_masks"].any()
        assert not shot["tool_visible_masks"].any()  # 4 mm of 100: 4 % at most

    def test_displaced_anatomy_is_that_of_the_chord(self) -> None:
        view = camera()
        projector = Projector([water(), ball(material="aluminium")], carm=view)
        shot = projector.project("displaced_area_densities", "tool_path_lengths", "area_densities")
        alone = Projector(water(), carm=view).project("area_densities")["area_densities"]
        lost = shot["displaced_area_densities"].double()
        assert_close(lost[:3] + shot["area_densities"][:3].double(), alone.double(), rtol=1e-4, atol=1e-4)
        densities = (lost[:3].sum(dim=0) / (shot["tool_path_lengths"][0] / 10))[shot["tool_path_lengths"][0] > 1]
        assert float(densities.std() / densities.mean()) < 1e-3  # the same water everywhere


class TestKeyPointsAndBoxes:
    def test_key_points_are_projected_by_the_camera(self) -> None:
        wire = Tool.make("k-wire", name="wire", length_mm=60.0)
        wire.align(tip=(5, -3, 8), direction=(1, 0, 0.2))
        view = camera()
        shot = Projector([water(), wire], carm=view).project("tool_key_points")
        assert shot.channel_names("tool_key_points") == ("wire.tip", "wire.tail")
        expected = view.project_points(torch.stack([wire.point_in_world(name) for name in ("tip", "tail")]))
        assert_close(shot["tool_key_points"], expected)

    def test_the_box_holds_the_mask_and_no_more(self) -> None:
        view = camera(256)
        shot = Projector([water(), ball()], carm=view).project("tool_masks", "tool_boxes")
        rows, columns = np.nonzero(shot["tool_masks"][0].numpy())
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(shot["tool_boxes"][0].numpy() - seen).max() <= 1.0  # masks know whole pixels

    def test_key_points_carry_gradients_to_the_pose(self) -> None:
        depth = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
        wire = Tool.make("k-wire")
        wire.insert(along=((0, 0, 20), (0, 0, 0)), depth_mm=depth)
        shot = Projector([water(), wire], carm=camera()).project("tool_key_points")
        (gradient,) = torch.autograd.grad(shot["tool_key_points"][0].norm(), depth)
        assert abs(float(gradient)) > 0


class TestSeveral:
    def test_overlap_is_told_apart_from_extent(self) -> None:
        """Two balls in one place: both are inside themselves, only the later one is there."""
        pair = [ball("first", material="aluminium"), ball("second", material="titanium")]
        shot = Projector([water(), *pair], carm=camera()).project("tool_path_lengths", "tool_shares")
        assert_close(shot["tool_path_lengths"][0], shot["tool_path_lengths"][1])
        assert not shot["tool_shares"][0].any()
        assert shot["tool_shares"][1].any()
        assert shot.channel_names("tool_shares") == ("first", "second")

    def test_a_batch_of_views_is_its_members(self) -> None:
        carms = [MobileCArm(alpha=a, geometry=CArmGeometry(height=40, width=40, pixel_mm=3.0)) for a in (0, 50)]
        objects = [water(), ball(), Tool.make("bone screw", name="screw")]
        both = Projector(objects, carm=Camera.stack([carm.camera for carm in carms])).project(*BY_TOOL)
        for n, carm in enumerate(carms):
            one = Projector(objects, carm=carm).project(*BY_TOOL)
            for name in BY_TOOL:
                assert_close(both.at(n)[name], one[name])

    def test_moving_the_tool_with_the_patient_is_moving_neither(self) -> None:
        ct, tool = water(), ball(diameter_mm=12.0)
        tool.attach(ct)
        view = camera(48)
        before = Projector([ct, tool], carm=view).project("line_integrals", "tool_path_lengths")
        move = torch.eye(4, dtype=torch.float64)
        move[:3, 3] = torch.tensor([20.0, -10, 5])
        ct.world_from_anatomical = move @ ct.world_from_anatomical
        there = view.camera_from_world @ torch.linalg.inv(move)
        moved = Camera.from_krt(
            view.intrinsics, there[:3, :3], there[:3, 3], height=48, width=48, sdd_mm=float(view.sdd_mm)
        )
        after = Projector([ct, tool], carm=moved).project("line_integrals", "tool_path_lengths")
        assert_close(
            after["tool_path_lengths"], before["tool_path_lengths"], rtol=0, atol=1e-4
        )  # outline: µm of rounding
        assert_close(after["line_integrals"], before["line_integrals"], rtol=1e-4, atol=1e-4)


class TestPicturesAndFiles:
    def test_pictures(self) -> None:
        shot = Projector([water(), ball()], carm=camera(32)).project("tool_masks", "tool_entry_depths", "tool_boxes")
        assert shot.picture("tool_masks").max() == 255
        near = shot.picture("tool_entry_depths")[0]
        assert near[16, 16] > near[0, 0]
        with pytest.raises(ValueError, match="a picture needs rows and columns, got 'tool_boxes'"):
            shot.picture("tool_boxes")

    def test_files(self, tmp_path) -> None:
        shot = Projector([water(), ball()], carm=camera(32)).project("tool_masks", "tool_key_points")
        assert [path.name for path in shot.save(tmp_path / "a.png", "tool_masks")] == ["a-ball.png"]
        shot.save(tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz") as stored:
            assert stored["tool_key_points"].shape == (1, 2)
            assert '"key_point_names": ["ball.center"]' in str(stored["about"])
        with pytest.raises(ValueError, match=r"a \.png file holds an image"):
            shot.save(tmp_path / "b.png", "tool_key_points")


class TestRefused:
    @pytest.mark.parametrize("name", BY_TOOL)
    def test_results_of_tools_without_tools(self, name: str) -> None:
        with pytest.raises(ValueError, match="the scene has no tools"):
            Projector(water(), carm=camera(8)).project(name)

    def test_no_tools_displace_nothing(self) -> None:
        shot = Projector(water(), carm=camera(8)).project("displaced_area_densities")
        assert not shot["displaced_area_densities"].any()

    def test_two_tools_of_one_name(self) -> None:
        with pytest.raises(ValueError, match="ball"):
            Scene(water(), ball(), ball())

    def test_a_mesh_without_a_material(self) -> None:
        mesh = ball().mesh
        with pytest.raises(TypeError, match=r"a mesh needs a material, got Mesh: .*Tool\("):
            Projector([water(), mesh], carm=camera())  # type: ignore[list-item]
        trimesh = pytest.importorskip("trimesh")
        with pytest.raises(TypeError, match=r"a mesh needs a material, got Trimesh"):
            Projector([water(), trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy())], carm=camera())

    def test_a_tool_around_the_source(self) -> None:
        tool, view = ball(), camera()
        tool.align(tip=view.source_world, direction=(0, 0, 1))
        with pytest.raises(ValueError, match="the source must be outside the tools, but it is inside 'ball'"):
            Projector([water(), tool], carm=view)()

    def test_a_tool_through_the_detector(self) -> None:
        tool, view = ball(), camera()
        tool.align(tip=view.backproject(torch.tensor([[48.0, 48.0]]))[0], direction=(0, 0, 1))
        with pytest.raises(ValueError, match=r"'ball' at .* goes through it"):
            Projector([water(), tool], carm=view)()

    def test_a_scene_of_tools_alone_has_no_patient(self) -> None:
        projector = Projector([ball()], carm=camera(16))
        assert projector().shape == (16, 16)
        with pytest.raises(ValueError, match="the scene must hold a volume"):
            _ = projector.volume

    def test_tool_frames_are_their_own(self) -> None:
        """A tool that is scaled is as large as a tool made larger."""
        small, large = ball(diameter_mm=10.0), ball(diameter_mm=20.0)
        small.scale = 2.0
        found = [Projector([water(), tool], carm=camera(32)).project("tool_path_lengths") for tool in (small, large)]
        assert_close(found[0]["tool_path_lengths"], found[1]["tool_path_lengths"], rtol=1e-6, atol=1e-6)
        assert_close(
            transform_points(small.world_from_tool, small.mesh.vertices),
            transform_points(large.world_from_tool, large.mesh.vertices),
        )


class TestGradients:
    @pytest.mark.parametrize("number", ["depth", "scale", "patient"])
    def test_image_against_finite_differences(self, number: str) -> None:
        """Of the mean signal, behind water, with respect to what places the tool; displaced water included."""

        def signal(value: torch.Tensor) -> torch.Tensor:
            ct, tool = water(), Tool.make("ball", diameter_mm=16.0, segments=24, material="aluminium")
            if number == "scale":
                tool.scale = value
            elif number == "depth":
                # Off the middle of the field: there magnification decides, and the derivative is no zero.
                tool.insert(along=((20, 0, 20), (20, 60, 20)), depth_mm=20 * value)
            else:  # moved with the patient
                ct.world_from_anatomical = torch.eye(4, dtype=torch.float64) + value * SHIFT
                tool.attach(ct, parent_from_tool=torch.eye(4) + 15 * SHIFT)
            shot = Projector([ct, tool], carm=camera(64), backend="reference").project("expected_image")
            return -(shot["expected_image"] / 1e3).log().mean()

        value = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        (found,) = torch.autograd.grad(signal(value), value)
        with torch.no_grad():
            step = 1e-3
            expected = (signal(value + step) - signal(value - step)) / (2 * step)
        # Pixels into which the outline moves are counted by the difference and not by the derivative: few, and grazed.
        assert float(found) == pytest.approx(float(expected), rel=0.02)
