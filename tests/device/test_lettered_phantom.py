"""Left is left: the whole chain images a phantom with a letter at each side of the patient.

Six letters stand in the air like signs that face the patient's front: R and L at the right and left, A and P at the
front and back, H and F at head and foot. Each letter is a label, so that its image can be told from the others' where
they overlap. The expected values follow from the position of a viewer, not from the formulas under test: at LAO the
viewer is at the patient's left front, and a patient seen from there faces the viewer's left.
"""

import functools

import pytest
import torch

from deepdrr.camera import Camera
from deepdrr.device import CArmGeometry, CArmPose, camera_for_view
from deepdrr.geometry import transform_points
from deepdrr.raycast import Exact, Field, project

# 5 × 7 letters, rows from top to bottom, each row read from left to right by one who faces the patient.
FONT = {
    "R": ("XXXX.", "X...X", "X...X", "XXXX.", "X.X..", "X..X.", "X...X"),
    "L": ("X....", "X....", "X....", "X....", "X....", "X....", "XXXXX"),
    "A": (".XXX.", "X...X", "X...X", "XXXXX", "X...X", "X...X", "X...X"),
    "P": ("XXXX.", "X...X", "X...X", "XXXX.", "X....", "X....", "X...."),
    "H": ("X...X", "X...X", "X...X", "XXXXX", "X...X", "X...X", "X...X"),
    "F": ("XXXXX", "X....", "X....", "XXXX.", "X....", "X....", "X...."),
}
LETTERS = tuple(FONT)
SIDES = {"R": (60, 0, 0), "L": (-60, 0, 0), "A": (0, 60, 0), "P": (0, -60, 0), "H": (0, 0, 60), "F": (0, 0, -60)}
VOXEL_MM, COUNT, BLOCK = 2.0, 80, 2
GEOMETRY = CArmGeometry().binned(8)
CENTER = 96.0


def bitmap(letter: str) -> torch.Tensor:
    """The letter [7, 5], rows from the top."""
    return torch.tensor([[mark == "X" for mark in row] for row in FONT[letter]])


def phantom() -> Field:
    """The six letters, label 1 … 6, in a box of 160 mm about the origin; voxel axes along R, A and S."""
    labels = torch.zeros(COUNT, COUNT, COUNT, dtype=torch.uint8)
    for number, letter in enumerate(LETTERS, start=1):
        i, j, k = (int(side / VOXEL_MM) + COUNT // 2 for side in SIDES[letter])
        # Left to right is toward the patient's left, falling i; top to bottom is toward the feet, falling k.
        shape = bitmap(letter).repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1).flip(0, 1).T
        plate = labels[i - 5 : i + 5, j - 1 : j + 1, k - 7 : k + 7]
        plate[shape[:, None, :].expand_as(plate)] = number
    ijk_from_world = torch.diag(torch.tensor([1 / VOXEL_MM] * 3 + [1.0], dtype=torch.float64))
    ijk_from_world[:3, 3] = (COUNT - 1) / 2
    return Field(None, ijk_from_world, labels=labels, label_count=len(LETTERS) + 1)


FIELD = phantom()


def images(camera: Camera) -> dict[str, torch.Tensor]:
    """The shadow of each letter [H, W]: millimetres of it along each ray."""
    return dict(zip(LETTERS, project(FIELD, camera, interpolation="nearest", integration=Exact())[1:], strict=True))


@functools.cache
def view_images(name: str) -> dict[str, torch.Tensor]:
    """The shadows in a named view, made once for all tests."""
    return images(camera_for_view(name, GEOMETRY))


def centroid(image: torch.Tensor) -> torch.Tensor:
    """Centre of a shadow (u, v), pixels."""
    pixels = torch.arange(image.shape[0], dtype=image.dtype) + 0.5
    return torch.stack([(image.sum(0) * pixels).sum(), (image.sum(1) * pixels).sum()]) / image.sum()


def reads_as(image: torch.Tensor, letter: str) -> float:
    """Correlation of a shadow with a letter, both brought into the box that the shadow fills."""
    rows, columns = (torch.nonzero(image.sum(axis) > 0.5)[:, 0] for axis in (1, 0))
    shadow = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    template = torch.nn.functional.interpolate(bitmap(letter)[None, None].float(), size=tuple(shadow.shape))[0, 0]
    return float(torch.corrcoef(torch.stack([shadow.flatten(), template.flatten()]))[0, 1])


class TestPositions:
    @pytest.mark.parametrize("pose", [CArmPose(), CArmPose(45), CArmPose(-45), CArmPose(0, 30), CArmPose(-20, -30, 15)])
    def test_shadows_are_where_points_are_projected(self, pose: CArmPose) -> None:
        """Letter by letter, the centre of the shadow is the mean of its voxels' projections."""
        camera = GEOMETRY.camera(pose)
        world_from_ijk = torch.linalg.inv(FIELD.ijk_from_world)
        for number, (letter, image) in enumerate(images(camera).items(), start=1):
            voxels = torch.nonzero(FIELD.labels == number).double()
            expected = camera.project_points(transform_points(world_from_ijk, voxels)).mean(dim=0)
            # A shadow is sampled at pixel centres: where its edges run along rows, as at zero angles, all of an edge
            # may fall on one side, which moves a stroke by up to half a pixel.
            assert torch.dist(centroid(image).double(), expected) < 0.55, letter

    @pytest.mark.parametrize("name", ["AP", "PA", "LAO", "RAO", "cranial", "caudal", "inlet", "outlet"])
    def test_right_is_left_and_head_is_up(self, name: str) -> None:
        """All of these face the patient."""
        at = {letter: centroid(image) for letter, image in view_images(name).items()}
        assert at["R"][0] < CENTER - 30 < CENTER + 30 < at["L"][0]
        assert at["H"][1] < CENTER - 30 < CENTER + 30 < at["F"][1]

    @pytest.mark.parametrize(
        ("name", "axis", "front"),
        [
            ("LAO", 0, -1),  # from the left front: the patient faces the viewer's left
            ("RAO", 0, +1),
            ("cranial", 1, +1),  # from above the head end: the front is nearer, and lower in the picture
            ("caudal", 1, -1),
            ("left lateral", 0, -1),
            ("right lateral", 0, +1),
        ],
    )
    def test_front_and_back_move_apart(self, name: str, axis: int, front: int) -> None:
        at = {letter: centroid(image) for letter, image in view_images(name).items()}
        assert front * float(at["A"][axis] - CENTER) > 30
        assert front * float(at["P"][axis] - CENTER) < -30
        assert float(at["A"][1 - axis]) == pytest.approx(CENTER, abs=3)  # letters are not symmetric: 2 voxels at most

    def test_what_is_near_the_detector_is_magnified_less(self) -> None:
        """At zero angles the front is at the detector; with source and detector exchanged the back is."""
        for name, near, far in (("PA", "A", "P"), ("AP", "P", "A")):
            shadows = view_images(name)
            widths = {letter: int((shadows[letter].sum(0) > 0.5).sum()) for letter in (near, far)}
            # 20 mm at 530 ± 60 mm from the source, pixels of 1.552 mm: 22.3 and 28.0 pixels, edges within one pixel.
            assert widths[near] == pytest.approx(20 * 1020 / 590 / 1.552, abs=1.5)
            assert widths[far] == pytest.approx(20 * 1020 / 470 / 1.552, abs=1.5)


class TestReading:
    @pytest.mark.parametrize("letter", LETTERS)
    @pytest.mark.parametrize("name", ["PA", "AP", "LAO", "RAO", "cranial", "caudal"])
    def test_letters_read_unmirrored(self, name: str, letter: str) -> None:
        """A sign on the patient's chest is read by one who faces the patient, from under the table or from above."""
        shadow = view_images(name)[letter]
        right_way = reads_as(shadow, letter)
        assert right_way > 0.5  # at 45° the plates, 4 mm thick, blur the 4 mm strokes
        if letter not in "AH":  # these are their own mirror images
            assert right_way > reads_as(shadow.flip(1), letter) + 0.2
        if letter != "H":
            assert right_way > reads_as(shadow.flip(0), letter) + 0.2

    @pytest.mark.parametrize("letter", "RLPF")
    def test_seen_from_the_source_they_are_mirrored(self, letter: str) -> None:
        """The arm at rest, its picture not flipped: seen from under the table the sign is read from behind."""
        shadow = images(GEOMETRY.camera(viewed_from="source"))[letter]
        assert reads_as(shadow.flip(1), letter) > reads_as(shadow, letter) + 0.2
