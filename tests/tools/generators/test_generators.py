"""Every generator: closed, wound outwards, no face without area, and as large as its formula says."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from deepdrr.tools import generators as make
from deepdrr.tools.generators import NailHole, Shape, Thread

MAKERS: dict[str, Callable[[], Shape]] = {
    "Kirschner wire": make.kirschner_wire,
    "guide wire": make.guide_wire,
    "guide wire with a ball": lambda: make.guide_wire(ball_diameter_mm=4.0),
    "rod": make.rod,
    "needle": make.needle,
    "drill": make.drill,
    "ball": make.ball,
    "helix of balls": make.calibration_phantom,
    "cylinder of balls": lambda: make.calibration_phantom("cylinder"),
    "plane of balls": lambda: make.calibration_phantom("plane"),
    "HA 3.5": make.bone_screw,
    "HA 4.5, cannulated": lambda: make.bone_screw("HA 4.5", 50.0, bore_mm=1.2),
    "HB 6.5, partly threaded": lambda: make.bone_screw("HB 6.5", 80.0, thread_mm=32.0),
    "screw with a thicker shaft": lambda: make.screw(
        Thread(7.3, 4.5, 2.75), 90.0, head_mm=8.0, thread_mm=20.0, shaft_mm=4.8, bore_mm=2.9
    ),
    "pedicle screw": make.pedicle_screw,
    "pedicle screw, cannulated": lambda: make.pedicle_screw(bore_mm=1.5),
    "plate": make.plate,
    "nail": make.intramedullary_nail,
    "solid nail with a lag screw's hole": lambda: make.intramedullary_nail(
        bore_mm=0.0, holes=[NailHole(300.0, 8.0, angle_deg=55.0)]
    ),
    "hip stem": make.hip_stem,
    "catheter": lambda: make.tube_along([[0, 0, 0], [0, 0, 50], [10, 0, 60], [0, 8, 70]], 2.0, bore_mm=1.2),
    "wire": lambda: make.tube_along([[0, 0, 0], [0, 0, 50], [10, 0, 60]], 0.9),
}


@pytest.fixture(scope="module", params=MAKERS)
def shape(request: pytest.FixtureRequest) -> Shape:
    return MAKERS[request.param]()


def edges(shape: Shape) -> set[tuple[int, int]]:
    start, end = shape.faces.ravel(), np.roll(shape.faces, -1, axis=1).ravel()
    return set(zip(start.tolist(), end.tolist(), strict=True))


def areas_mm2(shape: Shape) -> np.ndarray:
    a, b, c = np.moveaxis(shape.vertices[shape.faces], 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def test_each_edge_has_one_face_on_either_side(shape: Shape) -> None:
    directed = edges(shape)
    assert len(directed) == 3 * len(shape.faces)
    assert {(b, a) for a, b in directed} == directed


def test_faces_look_outwards_and_have_an_area(shape: Shape) -> None:
    assert shape.volume_mm3 > 0
    assert areas_mm2(shape).min() > 1e-4  # mm²; the smallest on purpose, at a round tip, is 4e-4


def test_each_vertex_is_used_and_none_is_there_twice(shape: Shape) -> None:
    assert len(np.unique(shape.faces)) == len(shape.vertices)
    assert len(np.unique(shape.vertices.round(9), axis=0)) == len(shape.vertices)


def test_it_fits_into_single_precision(shape: Shape) -> None:
    assert len(np.unique(shape.vertices.astype(np.float32), axis=0)) == len(shape.vertices)


@pytest.mark.parametrize("name", [n for n in MAKERS if n not in ("catheter", "wire") and "ball" not in n])
def test_the_tip_is_the_foremost_point(name: str) -> None:
    shape = MAKERS[name]()
    if "tip" in shape.key_points:
        assert np.isclose(shape.key_points["tip"][2], 0.0)
        assert np.isclose(shape.vertices[:, 2].max(), 0.0, atol=2.0 if "pedicle" in name else 1e-9)  # the bore's edge


def prism(segments: int) -> float:
    """Area of a regular polygon, relative to that of the circle around it."""
    return segments / (2 * math.pi) * math.sin(2 * math.pi / segments)


def test_volumes_of_bodies_with_flat_sides() -> None:
    """Those of prisms on polygons, exactly."""
    bored = make.tube_along([[0, 0, 0], [3, 0, 4]], 2.0, bore_mm=1.0, segments=16)
    assert math.isclose(bored.volume_mm3, math.pi * (1 - 0.25) * 5 * prism(16), rel_tol=1e-12)
    rod = make.rod(5.5, 80.0, segments=48)
    assert math.isclose(rod.volume_mm3, math.pi * 2.75**2 * 80 * prism(48), rel_tol=1e-12)
    slope = 1 / math.tan(math.radians(20))
    needle = make.needle(1.2, 0.9, 90.0, segments=48)
    expected = math.pi * (0.6**2 - 0.45**2) * (90 - 0.6 * slope) * prism(48)
    assert math.isclose(needle.volume_mm3, expected, rel_tol=1e-12)


CURVED: dict[str, tuple[Callable[[int], Shape], float]] = {
    "Kirschner wire": (
        lambda n: make.kirschner_wire(2.0, 100.0, segments=n),
        math.pi * 100 - math.sqrt(3) / math.tan(math.radians(15)),
    ),
    "plate": (
        lambda n: make.plate(5, segments=n),
        3.3 * (4 * 12 * 10 + math.pi * 25 - 5 * math.pi * 1.8**2),
    ),
    "ball": (lambda n: make.ball(3.0, segments=n), math.pi * 4.5),
    "guide wire with a ball": (
        lambda n: make.guide_wire(2.0, 100.0, ball_diameter_mm=4.0, segments=n),
        # the ball without the cap inside the wire, and the wire up to where it leaves the ball
        math.pi * 32 / 3 - math.pi * (2 - math.sqrt(3)) ** 2 * (4 + math.sqrt(3)) / 3 + math.pi * (98 - math.sqrt(3)),
    ),
}


@pytest.mark.parametrize("name", CURVED)
def test_volume_comes_to_the_formula_with_the_square_of_the_segments(name: str) -> None:
    generate, expected = CURVED[name]
    coarse, fine = (abs(generate(n).volume_mm3 / expected - 1) for n in (24, 96))
    # A polygon lacks (2π/n)²/6 of its circle, 1.1 % and 0.07 %, and a ball that and half as much again along its
    # meridians, twice. The ball at the guide wire's tip has rings of a fixed number.
    assert coarse < 0.03
    assert fine < 0.002
    assert fine < coarse / 6


def test_torus_has_the_volume_of_pappus() -> None:
    """Half a torus: the spline through points of a circle, and the tube about it."""
    angles = np.linspace(0, math.pi, 40)
    path = 20 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    found = make.tube_along(path, 4.0, segments=64, spacing_mm=0.25).volume_mm3
    assert math.isclose(found, math.pi * 4 * 20 * math.pi * prism(64), rel_tol=2e-3)  # natural ends are a bit straight


def test_one_more_turn_of_thread_adds_its_profile() -> None:
    """∫∫ ½ r² dθ dz over a pitch: π Σ L (a² + ab + b²)/3 over the straight parts of the profile."""
    thread = Thread(4.5, 3.0, 1.75)
    core, top = thread.core_mm / 2, thread.diameter_mm / 2
    foot, up, down, end = thread.offsets_mm
    parts = [
        (up - foot, core, top),
        (down - up, top, top),
        (end - down, top, core),
        (thread.pitch_mm - end, core, core),
    ]
    expected = math.pi * sum(length * (a * a + a * b + b * b) / 3 for length, a, b in parts)
    found = [
        make.screw(thread, length, head_mm=8.0, segments=n).volume_mm3
        for n in (36, 180)
        for length in (40.0, 40.0 + 4 * thread.pitch_mm)
    ]
    coarse, fine = (found[1] - found[0]) / 4 / expected - 1, (found[3] - found[2]) / 4 / expected - 1
    assert abs(coarse) < 0.01  # (2π/36)²/6 = 0.5 %
    assert abs(fine) < abs(coarse) / 15


def test_thread_is_right_handed() -> None:
    """Turned clockwise as seen from the head, it advances: its crest rises with the angle."""
    shape = make.screw(Thread(4.5, 3.0, 1.75), 60.0, head_mm=8.0)
    at = shape.vertices[(np.hypot(*shape.vertices[:, :2].T) > 2.249) & (shape.vertices[:, 2] > -40)]
    angle, z = np.arctan2(at[:, 1], at[:, 0]), at[:, 2]
    phase = (z - 1.75 * angle / (2 * math.pi)) % 1.75
    assert len(np.unique((phase.round(6)) % 1.75)) == 2  # both edges of the crest, each on one helix


def test_points_of_a_phantom_are_the_centers_of_its_balls() -> None:
    shape = make.calibration_phantom("helix", balls=6, segments=16)
    per_ball = len(shape.vertices) // 6
    for n in range(6):
        own = shape.vertices[n * per_ball : (n + 1) * per_ball]
        center = shape.key_points[f"ball_{n + 1}"]
        assert np.allclose(np.linalg.norm(own - center, axis=1), 1.5)


REFUSED: dict[str, tuple[Callable[[], Shape], str]] = {
    "length": (lambda: make.kirschner_wire(length_mm=-1), "length_mm must be positive"),
    "tip": (lambda: make.kirschner_wire(20.0, 10.0), "tip_mm must be below length_mm"),
    "bore": (lambda: make.needle(1.0, 1.0), "bore_mm must be below diameter_mm"),
    "kind": (lambda: make.bone_screw("HA 3"), "did you mean 'HA 3.5'"),
    "short": (lambda: make.bone_screw("HB 6.5", 14.0), "room for 4 turns"),
    "wide bore": (lambda: make.bone_screw(bore_mm=2.5), "bore_mm must be below the core's diameter"),
    "thread": (lambda: make.bone_screw(length_mm=40, thread_mm=39), "thread_mm must be at most"),
    "holes": (lambda: make.plate(hole_mm=11.0), "hole_mm must be below"),
    "pieces": (
        lambda: make.intramedullary_nail(
            bore_mm=8.0, holes=[NailHole(30.0 + n, 8.5, turn_deg=90.0 * n) for n in (0, 1)]
        ),
        "one piece",
    ),
    "kink": (lambda: make.tube_along([[0, 0, 0], [0, 0, 10], [0, 0.5, 0]], 3.0), "bend"),
    "balls": (lambda: make.calibration_phantom(balls=200, diameter_mm=20), "ball_diameter_mm must be below"),
    "phantom": (lambda: make.calibration_phantom("helx"), "did you mean 'helix'"),  # type: ignore[arg-type]
    "segments": (lambda: make.ball(segments=3), "segments must be at least 6"),
    "NaN": (lambda: make.tube_along([[0, 0, 0], [0, 0, math.nan]]), "finite"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_a_sentence(case: str) -> None:
    call, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        call()
