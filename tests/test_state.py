"""Objects that hold state: what they show can be assigned and is obeyed; what nothing would read is refused."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch

from deepdrr import MobileCArm, Projector, SimpleDevice, Volume
from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.device import CArmGeometry, CArmPose, JointLimits
from deepdrr.drr import DRR
from deepdrr.metrics import DoubleGeodesicSE3, MutualInformation2d, NormalizedCrossCorrelation2d
from deepdrr.registration import Registration


def _volume() -> Volume:
    return Volume.from_array(torch.zeros(4, 4, 4), torch.eye(4), check_hu="off")


def _subject() -> Subject:
    return Subject(torch.zeros(1, 1, 4, 4, 4), torch.eye(4))


def _registration() -> Registration:
    rt_inv = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 700.0, 0.0]]), "AP", _subject().isocenter)
    return Registration(_subject(), rt_inv, make_k_inv(1020.0, 8.0, 8.0, 0.0, 0.0, 8, 8), torch.tensor([1020.0]), 8, 8)


def _projector() -> Projector:
    return Projector(_volume(), carm=MobileCArm().camera.resized(8, 8))


MADE: dict[str, Callable[[], object]] = {
    "Projector": _projector,
    "Volume": _volume,
    "Subject": _subject,
    "MobileCArm": MobileCArm,
    "SimpleDevice": SimpleDevice,
    "DRR": lambda: DRR.from_carm_intrinsics(1000.0, 2.0, 2.0, 0.0, 0.0, height=4, width=6),
    "Registration": _registration,
    "NormalizedCrossCorrelation2d": NormalizedCrossCorrelation2d,
    "MutualInformation2d": MutualInformation2d,
    "DoubleGeodesicSE3": lambda: DoubleGeodesicSE3(1000.0),
}
COPIED: dict[str, Callable[[object], object]] = {
    "as made": lambda made: made,
    "copied": copy.copy,
    "copied whole": copy.deepcopy,
    "pickled": lambda made: pickle.loads(pickle.dumps(made)),
}


@pytest.mark.parametrize("how", COPIED)
@pytest.mark.parametrize("kind", MADE)
def test_an_attribute_that_nothing_would_read_is_refused(kind: str, how: str) -> None:
    with pytest.raises(AttributeError, match=f"unknown attribute of a {kind} 'isocentre_'; (did you mean|known are)"):
        COPIED[how](MADE[kind]()).isocentre_ = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("Projector", "kv", "kvp"),
        ("Projector", "camera_", "camera"),
        ("Volume", "spacing", "spacing_mm"),
        ("Volume", "label", "labels"),
        ("Subject", "mu_bonee", "mu_bone"),
        ("Subject", "isocentre", "isocenter"),
        ("MobileCArm", "alpha", "alpha_deg"),
        ("MobileCArm", "isocentre", "isocenter"),
        ("DRR", "sdd_mm", "sdd"),
        ("Registration", "with", "width"),
        ("NormalizedCrossCorrelation2d", "patchsize", "patch_size"),
        ("DoubleGeodesicSE3", "sdd", "sdr"),
    ],
)
def test_near_names_are_told(kind: str, name: str, near: str) -> None:
    with pytest.raises(AttributeError, match=f"unknown attribute of a {kind} '{name}'; did you mean .*'{near}'"):
        setattr(MADE[kind](), name, 1)


def test_a_field_of_the_technique_says_where_it_belongs() -> None:
    with pytest.raises(AttributeError, match=r"'spectrum'; it belongs to the technique: .*changed\(spectrum=…\)"):
        _projector().spectrum = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "name", "way"),
    [
        ("Projector", "volume", "projector.scene ="),
        ("Volume", "spacing_mm", "resample"),
        ("Volume", "labels", "with_labels"),
        ("Subject", "n_classes", "label"),
        ("MobileCArm", "camera", "pose"),
        ("SimpleDevice", "geometry", "another SimpleDevice"),
        ("DRR", "src", "k_inv"),
        ("Registration", "pose", "set_motion_"),
    ],
)
def test_what_follows_from_something_else_says_from_what(kind: str, name: str, way: str) -> None:
    with pytest.raises(AttributeError, match=f"{name} of a {kind} cannot be assigned; .*{way}"):
        setattr(MADE[kind](), name, 1)


def test_a_c_arm_takes_what_it_shows() -> None:
    carm = MobileCArm()
    carm.alpha_deg, carm.beta_deg, carm.gamma_deg, carm.isocenter = 30, 10, -5, (1, 2, 3)  # type: ignore[assignment]
    assert carm.pose == CArmPose(30.0, 10.0, -5.0, (1.0, 2.0, 3.0))
    carm.geometry, carm.viewed_from = CArmGeometry(sdd_mm=900.0), "source"
    assert float(carm.camera.sdd_mm) == 900.0
    expected = carm.geometry.camera(carm.pose, viewed_from="source")
    assert torch.equal(carm.camera.camera_from_world, expected.camera_from_world)
    carm.pose = CArmPose()
    assert carm.alpha_deg == 0.0


def test_a_c_arm_refuses_what_it_cannot_reach_and_stays() -> None:
    carm = MobileCArm(alpha=30)
    with pytest.raises(ValueError, match="alpha"):
        carm.alpha_deg = 1e4
    with pytest.raises(ValueError, match="alpha"):
        carm.limits = JointLimits(alpha_deg=(-10.0, 10.0))
    with pytest.raises(TypeError, match="geometry must be"):
        carm.geometry = 900.0  # type: ignore[assignment]
    with pytest.raises(ValueError, match="viewed_from"):
        carm.viewed_from = "above"
    assert (carm.alpha_deg, carm.viewed_from, float(carm.camera.sdd_mm)) == (30.0, "detector", 1020.0)


def test_own_subclasses_and_children_of_modules_are_free() -> None:
    class Mine(Subject):
        pass

    mine = Mine(torch.zeros(1, 1, 4, 4, 4), torch.eye(4))
    mine.note = "kept"  # type: ignore[assignment]
    assert mine.note == "kept"
    drr = DRR.from_carm_intrinsics(1000.0, 2.0, 2.0, 0.0, 0.0, height=4, width=6)
    drr.network = torch.nn.Linear(2, 2)
    assert len(list(drr.parameters())) == 2


def test_a_projector_prints_in_one_line() -> None:
    text = repr(_projector())
    assert text.startswith("Projector(Volume(4×4×4 voxels")
    assert text.endswith("Camera of 8×8 pixels, 80 kVp, mas=25.0, FlatPanel)")
    assert repr(Projector(_volume(), carm=MobileCArm(alpha=30))).count("alpha=30°") == 1
