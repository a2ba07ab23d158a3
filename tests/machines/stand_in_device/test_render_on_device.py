"""`render` and `DRR` on a device without a compiled backend: as on the CPU."""

from typing import Any

import pytest
import torch
from device_scenes import same, scene, seeded
from drr_scenes import HEIGHT, SDD, WIDTH, camera, poses, subject
from torch import Tensor

from deepdrr.data import Subject
from deepdrr.detector import Exposure, FlatPanel, PhotonCounter
from deepdrr.drr import DRR, render
from deepdrr.raycast import Field, spline_coefficients, with_kernel_layout
from deepdrr.spectrum import tungsten_spectrum


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"n_samples": None},
        {"orthographic": True},
        {"backend": "reference"},
        {"backend": "torch", "n_samples": 60},
    ],
    ids=["samples", "exact", "parallel", "reference", "torch"],
)
def test_render(how: dict[str, Any], device: str, single: bool) -> None:
    def image(place: str) -> Tensor:
        one, k_inv, rt_inv = scene(place)
        return render(one, k_inv, rt_inv, SDD, HEIGHT, WIDTH, **how)

    # Without double precision rays are rounded to 1e-4 mm, and this subject is noise of a voxel of 2 mm.
    same(image, device, atol=1e-3 if single else 1e-5)


@pytest.mark.parametrize("soft_labels", [True, False])
def test_labels(soft_labels: bool, device: str, single: bool) -> None:
    def image(place: str) -> Tensor:
        one, k_inv, rt_inv = scene(place, classes=3)
        channels = render(one, k_inv, rt_inv, SDD, HEIGHT, WIDTH, soft_labels=soft_labels)
        # A sample at the border of two labels goes to one or the other, by a rounding of its place.
        return channels.sum(1) if single and not soft_labels else channels

    same(image, device, atol=1e-3 if single else 1e-5)


def test_an_attenuation_per_picture_and_several_subjects(device: str, single: bool) -> None:
    def images(place: str) -> tuple[Tensor, Tensor]:
        one, k_inv, rt_inv = scene(place, mu_water=torch.tensor([0.018, 0.022], device=place))
        other, _, _ = scene(place)
        contrasts = render(one, k_inv, rt_inv, SDD, HEIGHT, WIDTH)
        return contrasts, render([other, other], k_inv, rt_inv, SDD, HEIGHT, WIDTH)

    same(images, device, atol=1e-3 if single else 1e-5)


def test_rays_given_by_their_ends(device: str, single: bool) -> None:
    def image(place: str) -> Tensor:
        one, k_inv, rt_inv = scene(place)
        drr = DRR(k_inv, torch.tensor([SDD], device=place), HEIGHT, WIDTH)
        return render(one, k_inv, rt_inv, SDD, HEIGHT, WIDTH, src=drr.src, tgt=drr.tgt)

    same(image, device, atol=1e-3 if single else 1e-5)


@pytest.mark.parametrize("name", ["energy", "panel", "counter"])
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_polychromatic(name: str, backend: str, device: str, single: bool) -> None:
    physics: dict[str, Any] = {
        "energy": {},
        "panel": {"detector": FlatPanel(), "exposure": Exposure(mas=2.0)},
        "counter": {"detector": PhotonCounter(), "exposure": Exposure(mas=2.0)},
    }[name]

    def image(place: str) -> Tensor:
        one, k_inv, rt_inv = scene(place)
        return render(
            one, k_inv, rt_inv, SDD, HEIGHT, WIDTH, backend=backend, spectrum=tungsten_spectrum(80.0), **physics
        )

    # The compiled sum over a spectrum and torch's differ by float32's rounding.
    same(image, device, atol=1e-3 if single else 1e-4)


def test_gradients(device: str, single: bool) -> None:
    # Smooth HU: the slope of noise jumps from voxel to voxel.
    hu = torch.linspace(-3.0, 3.0, 15).sin() + torch.linspace(0.0, 4.0, 12).cos()[:, None] + torch.ones(9, 1, 1)
    matrix = subject(seeded()).voxel_to_world

    def derivatives(place: str) -> tuple[Tensor, ...]:
        image_hu = (300.0 * hu[None, None]).to(place).requires_grad_()
        mu_water = torch.tensor(0.02, device=place, requires_grad=True)
        one = Subject(image_hu, matrix.to(place), mu_water=mu_water)
        k_inv, rt_inv = camera().to(place), poses(2, one.isocenter.cpu()).to(place)
        leaves = (image_hu, mu_water, k_inv.requires_grad_(), rt_inv.requires_grad_())
        image = render(one, k_inv, rt_inv, SDD, HEIGHT, WIDTH, n_samples=80)
        weights = torch.rand(image.shape, generator=seeded()).to(place)
        return torch.autograd.grad((weights * image).sum(), leaves)

    # Sums over all rays of slopes that cancel in part.
    same(derivatives, device, rtol=0.0, atol=3e-3 if single else 1e-4)


def test_the_module_moves(device: str, single: bool) -> None:
    def image(place: str) -> Tensor:
        one, _, rt_inv = scene(place)
        drr = DRR.from_carm_intrinsics(SDD, 6.0, 7.0, 3.0, -2.0, HEIGHT, WIDTH).to(place)
        other = DRR.from_carm_intrinsics(500.0, 1.0, 1.0, 0.0, 0.0, 3, 3, device=place)
        other.load_state_dict(drr.state_dict())
        return other(one, rt_inv)

    same(image, device, atol=1e-3 if single else 1e-5)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_autocast_leaves_positions_alone(kind: torch.dtype, device: str) -> None:
    one, k_inv, rt_inv = scene(device)
    plain = render(one, k_inv, rt_inv, SDD, HEIGHT, WIDTH)
    with torch.autocast(device, dtype=kind):
        found = render(one, k_inv, rt_inv, SDD, HEIGHT, WIDTH)
    assert torch.equal(found.cpu(), plain.cpu())


def test_what_is_elsewhere_is_named(device: str) -> None:
    one, k_inv, rt_inv = scene(device)
    with pytest.raises(ValueError, match=f"rt_inv must be on the subject's device {device}:0, got .'rt_inv': 'cpu'."):
        render(one, k_inv, rt_inv.cpu(), SDD, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"rt_inv": torch.full((1, 4, 4), torch.nan)}, "rt_inv must be finite"),
        ({"rt_inv": torch.diag(torch.tensor([1.0, 0.0, 1.0, 1.0]))[None]}, "rt_inv must be invertible"),
        ({"k_inv": torch.zeros(1, 3, 3)}, "k_inv must be invertible"),
        ({"sdd": torch.tensor([-5.0])}, "sdd must be a positive distance in mm, got .-5.0."),
    ],
)
def test_refused_as_on_the_cpu(wrong: dict[str, Tensor], sentence: str, device: str) -> None:
    one, k_inv, rt_inv = scene(device)
    good = {"k_inv": k_inv, "rt_inv": rt_inv, "sdd": torch.tensor([SDD], device=device)}
    there = {name: value.to(device) for name, value in wrong.items()}
    with pytest.raises(ValueError, match=sentence):
        render(one, **good | there, height=HEIGHT, width=WIDTH)


# -- fields made beforehand --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", ["float32", "int16"])
def test_laid_out_fields(storage: Any, device: str) -> None:
    def values(place: str) -> Tensor:
        field = Field(torch.rand(1, 5, 6, 7, generator=seeded()).to(place), torch.eye(4, device=place))
        made = with_kernel_layout(field, storage)
        assert made.values is not None
        scale = 1.0 if made.scale is None else made.scale.float()
        return made.values.float() * scale

    same(values, device, atol=2e-5)  # half a step of int16


def test_spline_coefficients(device: str) -> None:
    def coefficients(place: str) -> Tensor:
        field = Field(torch.rand(1, 5, 6, 7, generator=seeded()).to(place), torch.eye(4, device=place))
        made = spline_coefficients(field).values
        assert made is not None
        return made

    same(coefficients, device)
