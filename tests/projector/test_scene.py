"""`Scene`: one or several volumes in the beam, each with its place and its model; and where their grids overlap."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr import Projector, Volume, geo
from deepdrr.camera import Camera
from deepdrr.materials import Densities, DensityModel, MaterialModel, Voxels, material
from deepdrr.projector import Scene, Technique, expose
from deepdrr.raycast import Exact

CENTER = (19.5, 19.5, 19.5)


def cube(side: int, corner: tuple[float, float, float] = (0.0, 0.0, 0.0), hu: float = 0.0, **options: Any) -> Volume:
    """A cube of 1 mm voxels, its first voxel's centre at a corner."""
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = torch.tensor(corner, dtype=torch.float64)
    return Volume.from_array(torch.full((side,) * 3, hu), affine, check_hu="off", **options)


@pytest.fixture
def body() -> Volume:
    return cube(40)


@pytest.fixture
def camera() -> Camera:
    """Along y, through the centre of the body."""
    return Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=1, pixel_mm=0.1, isocenter=CENTER)


@dataclass(frozen=True, eq=False)
class Filled:
    """Every voxel above −500 HU is one material at one density."""

    name: str
    density_g_cm3: float

    def densities(self, volume: Voxels) -> Densities:
        filled = torch.where(volume.hu > -500.0, self.density_g_cm3, 0.0)
        return Densities((material(self.name),), filled[None])


def area(scene: Scene, camera: Camera) -> dict[str, float]:
    areas = scene.area_densities(camera)[:, 0, 0]
    return {m.name: float(value) for m, value in zip(scene.materials, areas, strict=True)}


class TestModels:
    def test_any_object_with_densities_is_a_model(self, body: Volume, camera: Camera) -> None:
        assert isinstance(Filled("water", 1.0), DensityModel)
        found = area(Scene(body, materials=Filled("water", 1.0)), camera)
        assert found == {"water": pytest.approx(4.0, rel=1e-5)}  # 40 mm of 1 g/cm³, in float32

    def test_one_model_each(self, body: Volume, camera: Camera) -> None:
        other = cube(10, (100.0, 15.0, 15.0))
        scene = Scene(body, other, materials=[Filled("water", 1.0), Filled("titanium", 4.5)])
        assert [m.name for m in scene.materials] == ["water", "titanium"]
        assert area(scene, camera) == {"water": pytest.approx(4.0, rel=1e-5), "titanium": 0.0}

    def test_another_number_of_models(self, body: Volume) -> None:
        with pytest.raises(ValueError, match=r"one for each of 1 volumes, got 2"):
            Scene(body, materials=["continuous", "three_class"])

    def test_a_change_of_a_models_field_is_seen(self, body: Volume, camera: Camera) -> None:
        agent: Tensor = torch.zeros(40, 40, 40)
        scene = Scene(body, materials=MaterialModel(contrast={"iodine": agent}))
        before = area(scene, camera)
        agent += 10.0  # mg/ml
        assert area(scene, camera) != before


class TestOverlap:
    """A cube of 10 mm of titanium within one of 40 mm of water."""

    @pytest.fixture
    def metal(self) -> Volume:
        return cube(10, (15.0, 15.0, 15.0))

    def test_matter_displaces_what_was_named_before(self, body: Volume, metal: Volume, camera: Camera) -> None:
        scene = Scene(body, metal, materials=[Filled("water", 1.0), Filled("titanium", 4.5)])
        found = area(scene, camera)
        assert found["titanium"] == pytest.approx(4.5, rel=1e-5)
        assert found["water"] == pytest.approx(3.0, rel=1e-5)

    def test_or_both_add_up(self, body: Volume, metal: Volume, camera: Camera) -> None:
        scene = Scene(body, metal, materials=[Filled("water", 1.0), Filled("titanium", 4.5)], overlap="add")
        assert area(scene, camera) == {"water": pytest.approx(4.0, rel=1e-5), "titanium": pytest.approx(4.5, rel=1e-5)}

    def test_the_order_decides(self, body: Volume, metal: Volume, camera: Camera) -> None:
        scene = Scene(metal, body, materials=[Filled("titanium", 4.5), Filled("water", 1.0)])
        assert area(scene, camera) == {"titanium": 0.0, "water": pytest.approx(4.0, rel=1e-5)}

    def test_air_displaces_nothing(self, body: Volume, camera: Camera) -> None:
        air = cube(10, (15.0, 15.0, 15.0), hu=-1000.0)
        scene = Scene(body, air, materials=Filled("water", 1.0))
        assert area(scene, camera)["water"] == pytest.approx(4.0, rel=1e-5)

    def test_it_follows_what_moves(self, body: Volume, metal: Volume, camera: Camera) -> None:
        scene = Scene(body, metal, materials=[Filled("water", 1.0), Filled("titanium", 4.5)])
        inside = area(scene, camera)
        metal.world_from_anatomical = geo.translation((200.0, 0.0, 0.0))
        assert area(scene, camera) == {"water": pytest.approx(4.0, rel=1e-5), "titanium": 0.0}
        metal.world_from_anatomical = torch.eye(4, dtype=torch.float64)
        assert area(scene, camera) == inside

    def test_three_volumes(self, body: Volume, metal: Volume, camera: Camera) -> None:
        core = cube(4, (18.0, 18.0, 18.0))
        models = [Filled("water", 1.0), Filled("titanium", 4.5), Filled("tungsten", 19.0)]
        found = area(Scene(body, metal, core, materials=models), camera)
        assert found == {
            "water": pytest.approx(3.0, rel=1e-5),
            "titanium": pytest.approx(0.6 * 4.5, rel=1e-5),
            "tungsten": pytest.approx(0.4 * 19.0, rel=1e-5),
        }

    def test_an_unknown_rule(self, body: Volume) -> None:
        with pytest.raises(ValueError, match="overlap must be one of displace, add, got 'mean'"):
            Scene(body, overlap="mean")  # type: ignore[arg-type]


def test_parts_of_a_volume_are_the_volume(camera: Camera) -> None:
    """A body cut in two, each half with a grid of its own: the same but for interpolation across the cut."""
    whole, left, right = (
        cube(40),
        cube(40).crop(ijk=((0, 0, 0), (20, 40, 40))),
        cube(40).crop(ijk=((20, 0, 0), (40, 40, 40))),
    )
    view = Camera.carm(sdd_mm=1000, sid_mm=500, height=8, width=8, pixel_mm=8.0, isocenter=CENTER)
    one, two = Scene(whole, materials=Filled("water", 1.0)), Scene(left, right, materials=Filled("water", 1.0))
    # Each keeps the value of its border in the outer half voxel: a constant stays one.
    assert_close(two.area_densities(view), one.area_densities(view), rtol=1e-5, atol=1e-6)


def test_moving_all_volumes_is_moving_the_camera_the_other_way(body: Volume, camera: Camera) -> None:
    metal = cube(10, (15.0, 15.0, 15.0))
    scene = Scene(body, metal, materials=[Filled("water", 1.0), Filled("titanium", 4.5)])
    view = Camera.carm(sdd_mm=1000, sid_mm=500, height=6, width=6, pixel_mm=6.0, isocenter=CENTER)
    turn = geo.rotation_about((0, 0, 1), 20, CENTER)
    camera_moved = scene.area_densities(view.moved(torch.linalg.inv(turn)))
    body.world_from_anatomical, metal.world_from_anatomical = turn, turn
    # Voxel centres on the border of the metal may fall to either side by rounding.
    assert_close(scene.area_densities(view), camera_moved, rtol=1e-4, atol=1e-4)


class TestLabels:
    def test_channels_of_all_volumes_one_after_the_other(self, camera: Camera) -> None:
        left = torch.zeros(40, 40, 40, dtype=torch.uint8)
        left[:20] = 3
        body = cube(40, labels=left, label_names={3: "half"})
        metal = cube(
            10, (100.0, 15.0, 15.0), labels=torch.ones(10, 10, 10, dtype=torch.uint8), label_names={1: "screw"}
        )
        shot = Projector([body, metal], carm=camera).project("label_path_lengths")
        assert shot.label_channels == ("half", "screw")
        assert shot.channel_names("label_path_lengths") == ("half", "screw")
        assert shot["label_path_lengths"].shape == (2, 1, 1)

    def test_without_labels(self, body: Volume, camera: Camera) -> None:
        with pytest.raises(ValueError, match="no labels"):
            list(Scene(body).label_fields())

    def test_labels_written_to_are_seen(self, camera: Camera) -> None:
        labels = torch.ones(40, 40, 40, dtype=torch.uint8)
        body = cube(40, labels=labels)
        projector = Projector(body, carm=camera)
        assert float(projector.project("label_path_lengths")["label_path_lengths"]) == pytest.approx(40.0, rel=1e-5)
        assert body.labels is not None
        body.labels[:, 20:] = 0
        assert float(projector.project("label_path_lengths")["label_path_lengths"]) == pytest.approx(20.0, rel=1e-5)


class TestGradients:
    def test_to_the_placement_of_a_volume(self, camera: Camera) -> None:
        """A wedge of density: moving it along x by dx changes the area density by the slope times dx."""
        ramp = torch.linspace(0.0, 390.0, 40)[:, None, None].expand(40, 40, 40)
        wedge = Volume.from_array(ramp.clone(), torch.eye(4), check_hu="off")
        shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
        move = torch.eye(4, dtype=torch.float64).index_put((torch.tensor(0), torch.tensor(3)), shift)
        scene = Scene(wedge, materials="continuous")
        view = Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=1, pixel_mm=0.1, isocenter=CENTER)
        moved = Camera(view.intrinsics, view.camera_from_world @ move, view.sdd_mm, 1, 1)
        (slope,) = torch.autograd.grad(scene.area_densities(moved).sum(), shift)
        with torch.no_grad():
            ends = [
                scene.area_densities(view.moved(geo.translation((d, 0.0, 0.0))), integration=Exact()).sum().double()
                for d in (-0.2, 0.2)
            ]
        # The camera moved by −d is the scene moved by d; differences of float32 sums near 4 over 0.4 mm.
        assert float(slope) == pytest.approx(float((ends[0] - ends[1]) / 0.4), abs=2e-5)

    def test_to_the_voxels_that_are_not_displaced(self, camera: Camera) -> None:
        body, metal = cube(40), cube(10, (15.0, 15.0, 15.0))
        body.hu.requires_grad_(True)
        scene = Scene(body, metal, materials="continuous")
        (gradient,) = torch.autograd.grad(scene.area_densities(camera).sum(), body.hu)
        assert float(gradient[19, 5, 19]) > 0.0
        assert float(gradient[15:25, 15:25, 15:25].abs().max()) == 0.0


class TestRefusals:
    def test_nothing(self) -> None:
        with pytest.raises(ValueError, match="at least one volume or tool, got none"):
            Scene()

    def test_twice_the_same(self, body: Volume) -> None:
        with pytest.raises(ValueError, match="in the scene once, got one of the 2 twice"):
            Scene(body, body)

    def test_what_is_no_volume(self, body: Volume) -> None:
        with pytest.raises(
            TypeError, match=r"volume must be a deepdrr\.Volume, or a deepdrr\.tools\.Tool beside one, got Tensor"
        ):
            Scene(body, torch.zeros(3))  # type: ignore[arg-type]

    def test_what_is_no_device(self, body: Volume) -> None:
        with pytest.raises(ValueError, match="device must be 'cpu', or a GPU such as 'cuda:0', got 'fpu'"):
            Scene(body, device="fpu")

    def test_a_model_that_gives_no_densities(self, body: Volume, camera: Camera) -> None:
        class Air:
            def densities(self, volume: Voxels) -> None:
                return None

        with pytest.raises(TypeError, match="materials must be a model that gives Densities, got NoneType"):
            Scene(body, materials=Air()).area_densities(camera)  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["overlap", "models", "material"])
    def test_an_assignment(self, name: str, body: Volume) -> None:
        with pytest.raises(AttributeError, match=f"a Scene stays as it was made, got an assignment to '{name}'"):
            setattr(Scene(body), name, "add")

    def test_a_scene_of_another_kind_in_a_projector(self, body: Volume, camera: Camera) -> None:
        with pytest.raises(TypeError, match=r"scene must be a Scene, such as Scene\(volume\), got Volume"):
            Projector(body, carm=camera).scene = body  # type: ignore[assignment]

    def test_what_expose_does_not_take(self, body: Volume, camera: Camera) -> None:
        scene, technique = Scene(body), Technique()
        calls: list[tuple[tuple[object, ...], str]] = [
            ((body, camera, technique), r"scene must be a Scene, .*got Volume"),
            ((scene, "AP", technique), "camera must be a Camera, got 'AP'"),
            ((scene, camera, 80), "technique must be a Technique, got 80"),
            ((scene, camera, technique, "image"), r"outputs must be a tuple of names, .*got 'image'"),
            ((scene, camera, technique, ("image",), 7), r"generator must be a torch\.Generator or None, got 7"),
        ]
        for arguments, message in calls:
            with pytest.raises(TypeError, match=message):
                expose(*arguments)  # type: ignore[arg-type]

    def test_a_model_beside_a_scene(self, body: Volume, camera: Camera) -> None:
        with pytest.raises(ValueError, match="materials belongs to the Scene"):
            Projector(Scene(body), carm=camera, materials="three_class")
