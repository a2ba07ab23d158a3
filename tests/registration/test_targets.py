"""What of an X-ray is compared: the exposed field without marks, in its polarity, from a start that sees the CT."""

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.drr import render
from deepdrr.metrics import mean_target_registration_error
from deepdrr.registration import DoubtfulRegistrationWarning, Registration, register, summary_of
from deepdrr.registration.targets._mask import comparable_pixels, nearest_kept

SIDE, SDD_MM = 80, 1020.0
Grey = Callable[[Tensor], Tensor]


@pytest.fixture(scope="module")
def view_k_inv() -> Tensor:
    return make_k_inv(SDD_MM, 3.7, 3.7, 0.0, 0.0, SIDE, SIDE)


@pytest.fixture(scope="module")
def true_pose(subject: Subject) -> Tensor:
    return make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 530.0, 0.0]]), "AP", subject.isocenter)


@pytest.fixture(scope="module")
def clean(subject: Subject, view_k_inv: Tensor, true_pose: Tensor) -> Tensor:
    return render(subject, view_k_inv, true_pose, SDD_MM, SIDE, SIDE)


@pytest.fixture
def start(subject: Subject, view_k_inv: Tensor) -> Registration:
    """8 mm, 5 mm, 6 mm and some degrees off."""
    pose = make_rt_inv(torch.tensor([[2.0, -3.0, 2.0]]), torch.tensor([[8.0, 535.0, -6.0]]), "AP", subject.isocenter)
    return Registration(subject, pose, view_k_inv, torch.tensor([SDD_MM]), SIDE, SIDE)


def outside(shape: str) -> Tensor:
    """Pixels [H, W] outside a field."""
    v, u = torch.meshgrid(*[torch.linspace(-1.0, 1.0, SIDE)] * 2, indexing="ij")
    if shape == "disc":
        return u**2 + v**2 > 0.9
    if shape == "one blade":
        return u + 0.4 * v < -0.6
    turn = 0.35 if shape == "turned" else 0.0
    across, down = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
    return (across.abs() > 0.74) | (down.abs() > 0.8)


GREYS: dict[str, Grey] = {
    "black": lambda image: image.min(),
    "white": lambda image: image.max(),
    "beyond black": lambda image: image.min() - 0.5 * image.std(),
    "shutter": lambda image: (
        image.max() + 3 * image.std() + torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    ),
}


class TestMask:
    @pytest.mark.parametrize("shape", ["rectangle", "turned", "disc", "one blade"])
    @pytest.mark.parametrize("grey", GREYS)
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_borders(self, clean: Tensor, shape: str, grey: str, sign: float) -> None:
        image = sign * torch.where(outside(shape), GREYS[grey](clean), clean)
        mask, left_out = comparable_pixels(image)
        kept = mask[0, 0] > 0
        assert not bool((kept & outside(shape)).any())
        # A margin of one or two pixels is left out with the border, and marks there may be.
        assert float((~kept & ~outside(shape)).float().mean()) < 0.09
        assert left_out[0].what == "border"
        assert left_out[0].share == pytest.approx(float(outside(shape).float().mean()), abs=0.09)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("grey", ["black", "white"])
    def test_marks(self, clean: Tensor, grey: str, sign: float) -> None:
        image = clean.clone()
        image[..., 5:15, 62:74] = GREYS[grey](clean)
        image[..., 60:70, 8:10] = image[..., 68:70, 8:14] = GREYS[grey](clean)  # an L
        mask, left_out = comparable_pixels(sign * image)
        assert float(mask[..., 5:15, 62:74].max()) == 0.0
        assert [part.what for part in left_out] == ["marks"]
        assert 0.019 < left_out[0].share < 0.05

    def test_nothing_is_left_out_of_a_radiograph(self, clean: Tensor, xrays: Tensor) -> None:
        noise = torch.rand(1, 1, 60, 60, generator=torch.Generator().manual_seed(1))
        for image in (clean, -clean, xrays, -xrays, noise):
            mask, left_out = comparable_pixels(image)
            assert left_out == ()
            assert bool((mask == 1).all())

    def test_a_large_image(self, clean: Tensor) -> None:
        large = torch.nn.functional.interpolate(clean, (900, 700), mode="bilinear")
        large[..., :100, :] = 0.0
        mask, _ = comparable_pixels(large)
        assert mask.shape == large.shape
        assert float(mask[..., :100, :].max()) == 0.0
        assert float(mask[..., 112:, :].min()) == 1.0  # two of 256 pixels further in

    def test_filling_takes_the_nearest(self) -> None:
        mask = torch.tensor([[[[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]]])
        assert nearest_kept(mask).reshape(2, 4).tolist() == [[1, 1, 2, 2], [5, 5, 6, 6]]


class TestRegistration:
    def error_mm(self, pose: Tensor, true_pose: Tensor, subject: Subject) -> float:
        corners = subject.isocenter + 50.0 * torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
        return float(mean_target_registration_error(pose, true_pose, corners))

    @pytest.mark.parametrize("change", ["none", "marker", "disc", "rectangle", "reversed", "reversed in a white disc"])
    def test_the_right_place(self, start: Registration, clean: Tensor, true_pose: Tensor, change: str) -> None:
        image = clean.clone()
        if change == "marker":
            image[..., 5:15, 62:74] = clean.max()
        elif "disc" in change or change == "rectangle":
            image[..., outside("disc" if "disc" in change else change)] = clean.min()
        if "reversed" in change:
            image = -image
        result = register(start, image)
        assert self.error_mm(result.pose, true_pose, start.subject) < 0.1  # the same renderer, without noise
        assert result.quality.is_good
        assert result.target.is_reversed == ("reversed" in change,)
        assert bool(result.left_out) == (change not in ("none", "reversed"))

    def test_polarity_on_request(self, start: Registration, clean: Tensor, true_pose: Tensor) -> None:
        result = register(start, -clean, polarity="reversed")
        assert self.error_mm(result.pose, true_pose, start.subject) < 0.1
        with pytest.raises(ValueError, match="polarity must be 'auto', 'as_given' or 'reversed', got 'negative'"):
            register(start, clean, polarity="negative")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change",
        [
            lambda image: -image,
            lambda image: torch.randn(image.shape, generator=torch.Generator().manual_seed(3)),
        ],
        ids=["reversed, taken as given", "noise"],
    )
    def test_a_bad_one_is_told(self, start: Registration, clean: Tensor, change: Grey) -> None:
        with pytest.warns(DoubtfulRegistrationWarning, match="is not to be trusted: the picture agrees"):
            result = register(start, change(clean), polarity="as_given")
        assert not result.quality.is_good
        json.dumps(summary_of(result), allow_nan=False)

    def test_a_mirrored_picture_is_named(self, start: Registration, clean: Tensor) -> None:
        with pytest.warns(DoubtfulRegistrationWarning, match="mirrored from left to right the X-ray fits better"):
            register(start, clean.flip(-1))

    def test_a_wrong_distance_of_the_source(self, start: Registration, clean: Tensor) -> None:
        """The picture agrees, since a shift along the beam makes good for the magnification."""
        wrong = start.k_inv * torch.tensor([[1.25], [1.25], [1.0]])
        other = Registration(start.subject, start.rt_inv, wrong, start.sdd / 1.25, SIDE, SIDE)
        with pytest.warns(DoubtfulRegistrationWarning, match="are the source-to-detector distance and the size of a"):
            result = register(other, clean)
        assert abs(result.shift_mm[1]) > 52.5

    def test_no_contrast_but_for_the_border(self, start: Registration, clean: Tensor) -> None:
        blank = torch.where(outside("disc"), 0.0, torch.ones_like(clean))
        with pytest.raises(ValueError, match="target must have contrast, view 0 is 1 everywhere that is not left out"):
            register(start, blank)


class TestSight:
    @pytest.mark.parametrize("shift", [(300.0, 0.0, 0.0), (0.0, 0.0, 900.0)])
    def test_how_far_the_ct_is_from_the_beam(self, view_k_inv: Tensor, shift: tuple[float, ...]) -> None:
        """A box of 100 mm about the isocenter; its nearest edge is the far one, where the beam is widest."""
        box = Subject(torch.zeros(1, 1, 25, 25, 25), torch.diag(torch.tensor([4.0, 4.0, 4.0, 1.0])))
        pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 530.0, 0.0]]), "AP", box.isocenter)
        pose[:, :3, 3] += torch.tensor(shift)
        registration = Registration(box, pose, view_k_inv, torch.tensor([SDD_MM]), SIDE, SIDE)
        target = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        slope = SIDE / 2 * 3.7 / SDD_MM
        side = max(abs(shift[0]), abs(shift[2])) - 50.0
        exact = (side - slope * 580.0) / math.hypot(1.0, slope)
        with pytest.raises(
            ValueError, match="every camera must see the CT at the start: that of view 1 is at"
        ) as refusal:
            register(registration, target)
        told = float(str(refusal.value).split(" lies ")[1].split(" mm")[0])
        assert told == pytest.approx(exact, abs=0.6)  # whole millimetres

    def test_only_air_in_sight(self, view_k_inv: Tensor) -> None:
        hu = torch.full((1, 1, 25, 25, 25), -1000.0)
        hu[..., 0, 0, 0] = 0.0
        box = Subject(hu, torch.diag(torch.tensor([20.0, 20.0, 20.0, 1.0])))
        pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 530.0, 0.0]]), "AP", box.isocenter)
        registration = Registration(box, pose, view_k_inv, torch.tensor([SDD_MM]), SIDE, SIDE)
        target = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        with pytest.raises(ValueError, match="shows nothing but air there"):
            register(registration, target)
