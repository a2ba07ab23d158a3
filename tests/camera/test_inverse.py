"""`Camera.from_inverse` and back: the same pixels as k_inv and rt_inv, the same tensors again, gradients to all."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera, make_k_inv, make_rt_inv, project_points

HEIGHT, WIDTH, SDD = 30, 40, 1000.0
ROTATIONS = ((0.0, 0.0, 0.0), (30.0, -12.0, 8.0), (171.0, 80.0, -60.0))
# float64 places of order 1000 mm and pixels of order 100, a few dozen operations: some hundred ulp.
EXACT = {"rtol": 0.0, "atol": 1e-9}
SCALED = torch.diag(torch.tensor([1.5, 1.5, 1.5, 1.0], dtype=torch.float64))
SHEARED = torch.tensor([[1.1, 0.2, 0, 3], [-0.1, 0.9, 0.3, 5], [0, 0.1, 1.2, -7], [0, 0, 0, 1]], dtype=torch.float64)


def lens(delx: float = 2.0, dely: float = 2.5, skew: float = 0.0, dtype: torch.dtype = torch.float64) -> Tensor:
    k_inv = make_k_inv(SDD, delx, dely, 3.0, -4.0, HEIGHT, WIDTH, dtype=dtype)
    k_inv[..., 0, 1] = skew
    return k_inv


def poses(orientation: str | None = "AP", dtype: torch.dtype = torch.float64) -> Tensor:
    turns = torch.tensor(ROTATIONS, dtype=dtype)
    places = torch.tensor([[2.0, 650, -3], [0, 700, 5], [-4, 600, 0]], dtype=dtype)
    return make_rt_inv(turns, places, orientation, torch.tensor([10.0, -20, 30], dtype=dtype))


def pixel_centers(k_inv: Tensor, rt_inv: Tensor, sdd: Tensor | float) -> Tensor:
    """World points of pixels [*B, H, W, 3] from the definition: A sdd k_inv (u, v, 1) + c."""
    u, v = torch.arange(WIDTH) + 0.5, torch.arange(HEIGHT)[:, None] + 0.5
    pixels = torch.stack(torch.broadcast_tensors(u, v, torch.ones(())), dim=-1).to(rt_inv.dtype)
    distance = torch.as_tensor(sdd, dtype=rt_inv.dtype)[..., None, None, None]
    points = distance * (pixels @ k_inv.mT[..., None, :, :])
    return points @ rt_inv[..., None, :3, :3].mT + rt_inv[..., None, None, :3, 3]


class TestPixels:
    @pytest.mark.parametrize("orientation", ["AP", "PA", None])
    @pytest.mark.parametrize(("delx", "dely", "skew"), [(2.0, 2.5, 0.0), (-2.0, 2.5, 0.0), (2.0, -2.5, 3e-4)])
    def test_rays_are_those_of_the_tensors(
        self, orientation: str | None, delx: float, dely: float, skew: float
    ) -> None:
        k_inv, rt_inv = lens(delx, dely, skew), poses(orientation)
        source, target = Camera.from_inverse(k_inv, rt_inv, SDD, HEIGHT, WIDTH).pixel_rays()
        assert_close(target, pixel_centers(k_inv, rt_inv, SDD), **EXACT)
        assert_close(source, rt_inv[:, None, None, :3, 3].expand_as(source), **EXACT)

    @pytest.mark.parametrize("motion", [SCALED, SHEARED, SHEARED @ torch.diag(torch.tensor([1.0, 1, -1, 1]).double())])
    def test_an_affine_pose_is_a_camera_too(self, motion: Tensor) -> None:
        k_inv, rt_inv = lens(), motion @ poses()
        source, target = Camera.from_inverse(k_inv, rt_inv, SDD, HEIGHT, WIDTH).pixel_rays()
        assert_close(target, pixel_centers(k_inv, rt_inv, SDD), **EXACT)
        assert_close(source, rt_inv[:, None, None, :3, 3].expand_as(source), **EXACT)

    def test_intrinsics_of_any_scale(self) -> None:
        """Only sdd · k_inv has a meaning."""
        source, target = Camera.from_inverse(-3.0 * lens(), poses(), SDD, HEIGHT, WIDTH).pixel_rays()
        assert_close(target, pixel_centers(-3.0 * lens(), poses(), SDD), **EXACT)
        assert_close(source[:, 0, 0], poses()[:, :3, 3], **EXACT)

    @pytest.mark.parametrize("orthographic", [False, True])
    @pytest.mark.parametrize("orientation", ["AP", "PA", None])
    def test_points_fall_where_project_points_puts_them(
        self, orthographic: bool, orientation: str | None, generator: torch.Generator
    ) -> None:
        k_inv, rt_inv = lens(), poses(orientation)
        axis = rt_inv[:, None, :3, 2]
        points = rt_inv[:, None, :3, 3] + 700 * axis + 40 * torch.randn(3, 5, 3, generator=generator).double()
        camera = Camera.from_inverse(k_inv, rt_inv, SDD, HEIGHT, WIDTH, orthographic=orthographic)
        expected, _ = project_points(points, k_inv, rt_inv, sdd=SDD, orthographic=orthographic)
        assert not expected.isnan().any()
        assert_close(camera.project_points(points), expected, **EXACT)

    @pytest.mark.parametrize("orientation", ["AP", "PA"])
    def test_parallel_rays_run_along_z(self, orientation: str) -> None:
        rt_inv = SCALED @ poses(orientation)
        source, target = Camera.from_inverse(lens(), rt_inv, SDD, HEIGHT, WIDTH, orthographic=True).pixel_rays()
        assert_close(target, pixel_centers(lens(), rt_inv, SDD), **EXACT)
        assert_close(target - source, (SDD * rt_inv[:, None, None, :3, 2]).expand_as(target), **EXACT)

    def test_batches_broadcast(self) -> None:
        k_inv = torch.stack([lens(2.0), lens(1.0)])  # [2, 1, 3, 3]
        sdd = torch.tensor([[SDD], [1200.0]], dtype=torch.float64)
        camera = Camera.from_inverse(k_inv, poses(), sdd, HEIGHT, WIDTH)
        assert camera.batch_shape == (2, 3)
        assert_close(camera.pixel_rays()[1], pixel_centers(k_inv, poses(), sdd), **EXACT)
        assert Camera.from_inverse(lens()[0], poses()[0], SDD, HEIGHT, WIDTH).batch_shape == ()


class TestRoundTrip:
    @pytest.mark.parametrize(("delx", "dely", "skew"), [(2.0, 2.5, 0.0), (-2.0, 2.5, 0.0), (2.0, -2.5, 3e-4)])
    @pytest.mark.parametrize("orthographic", [False, True])
    def test_tensors_come_back(self, delx: float, dely: float, skew: float, orthographic: bool) -> None:
        k_inv, rt_inv = lens(delx, dely, skew).expand(3, 3, 3), poses()
        camera = Camera.from_inverse(k_inv, rt_inv, SDD, HEIGHT, WIDTH, orthographic=orthographic)
        assert_close(camera.k_inv, k_inv, rtol=0, atol=1e-15)  # of order 1, float64
        assert_close(camera.rt_inv, rt_inv, rtol=0, atol=1e-12)  # of order 1000
        assert_close(camera.sdd_mm, torch.full((3,), SDD, dtype=torch.float64), rtol=0, atol=1e-12)
        assert camera.orthographic is orthographic

    def test_cameras_come_back(self) -> None:
        for side in ("detector", "source"):
            camera = Camera.carm(
                sdd_mm=1020, sid_mm=530, height=9, width=11, pixel_mm=0.3, angles_deg=(33, -12, 7), viewed_from=side
            )
            again = Camera.from_inverse(camera.k_inv, camera.rt_inv, camera.sdd_mm, 9, 11)
            assert_close(again.intrinsics, camera.intrinsics, rtol=0, atol=1e-11)  # focal length 3400: some ulp
            assert_close(again.camera_from_world, camera.camera_from_world, rtol=0, atol=1e-12)
            assert_close(again.sdd_mm, camera.sdd_mm, rtol=1e-14, atol=0)

    def test_a_reflection_comes_back_as_mirrored_columns(self) -> None:
        camera = Camera.from_inverse(lens(), poses("PA"), SDD, HEIGHT, WIDTH)
        mirror = torch.diag(torch.tensor([-1.0, 1, 1, 1], dtype=torch.float64))
        assert_close(camera.k_inv, (mirror[:3, :3] @ lens()).expand(3, 3, 3), rtol=0, atol=1e-15)
        assert_close(camera.rt_inv, poses("PA") @ mirror, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
    def test_numbers_are_taken_as_they_come(self, dtype: torch.dtype) -> None:
        """A float32 rotation is orthogonal to 1e-7: 1e-4 mm at a metre, which the camera keeps."""
        k_inv, rt_inv = lens().to(dtype), poses(dtype=torch.float32)
        camera = Camera.from_inverse(k_inv, rt_inv, SDD, HEIGHT, WIDTH)
        assert camera.intrinsics.dtype == torch.float64
        assert_close(camera.pixel_rays()[1], pixel_centers(k_inv.double(), rt_inv.double(), SDD), **EXACT)


class TestGradients:
    def ends(self, orthographic: bool) -> Callable[..., tuple[Tensor, Tensor]]:
        return lambda k_inv, rt_inv, sdd: Camera.from_inverse(
            k_inv, rt_inv, sdd, 2, 3, orthographic=orthographic
        ).pixel_rays()

    @pytest.mark.parametrize("orientation", ["AP", "PA"])
    def test_finite_differences(self, orientation: str) -> None:
        """All entries but the fixed last row, which a small step would make no pose."""
        k_inv, bottom = lens(2.0, 2.5, 3e-4).requires_grad_(), torch.tensor([[[0.0, 0, 0, 1]]] * 3).double()
        top = poses(orientation)[:, :3].clone().requires_grad_()
        sdd = torch.tensor([SDD], dtype=torch.float64, requires_grad=True)
        ends = self.ends(orthographic=False)
        # Steps of 1e-6 of numbers of order 1 that move points of order 1000: rounding of 1e-7 beside 1e3.
        assert torch.autograd.gradcheck(
            lambda k, p, d: ends(k, torch.cat([p, bottom], 1), d), (k_inv, top, sdd), rtol=1e-5, atol=1e-5
        )

    def test_gradients_are_those_of_the_definition(self) -> None:
        """Along every entry of the matrices, not only along rigid motions."""
        given = (lens().expand(3, 3, 3).clone(), poses(), torch.full((3,), SDD, dtype=torch.float64))
        inputs = [tensor.requires_grad_() for tensor in given]
        weights = torch.linspace(-1, 2, 3 * HEIGHT * WIDTH * 3, dtype=torch.float64).reshape(3, HEIGHT, WIDTH, 3)
        source, target = Camera.from_inverse(*inputs, HEIGHT, WIDTH).pixel_rays()  # type: ignore[arg-type]
        found = torch.autograd.grad((weights * target).sum() + (weights * source).sum(), inputs)
        place = inputs[1][:, None, None, :3, 3]
        expected = torch.autograd.grad(
            (weights * pixel_centers(*inputs)).sum() + (weights * place).sum(),
            inputs,
        )
        for ours, theirs in zip(found, expected, strict=True):
            # Sums of 10⁴ terms of order 1000 that cancel: 1e-12 of the largest.
            assert_close(ours, theirs, rtol=0, atol=1e-11 * float(theirs.abs().max()))

    def test_parallel_rays(self) -> None:
        """Motions that keep the rays perpendicular to the detector."""
        k_inv, rt_inv = lens(), poses()

        def ends(shift: Tensor, zoom: Tensor, sdd: Tensor) -> tuple[Tensor, Tensor]:
            moved = torch.cat([rt_inv[..., :3], rt_inv[..., 3:] + torch.cat([shift, shift.new_zeros(1)])[:, None]], -1)
            return self.ends(orthographic=True)(k_inv * zoom, moved, sdd)

        inputs = (torch.zeros(3).double(), torch.tensor([[1.0], [1.0], [1.0]]).double(), torch.tensor([SDD]).double())
        assert torch.autograd.gradcheck(ends, tuple(t.requires_grad_() for t in inputs), rtol=1e-5, atol=1e-5)


BAD: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"k_inv": torch.eye(4)[None]}, ValueError, r"k_inv must be \[B, 3, 3\], got shape \(1, 4, 4\)"),
    ({"k_inv": np.eye(3)}, TypeError, "k_inv must be a floating-point tensor, got float64"),
    ({"k_inv": lens() * torch.tensor([1.0, 0, 1])}, ValueError, "k_inv must be invertible, got the singular"),
    ({"k_inv": lens() * torch.nan}, ValueError, r"k_inv must be finite, got \[nan"),
    ({"rt_inv": torch.eye(3)}, ValueError, r"rt_inv must be \[B, 4, 4\], got shape \(3, 3\)"),
    ({"rt_inv": torch.eye(4, dtype=torch.int64)}, TypeError, r"rt_inv must be .* got torch\.int64"),
    ({"rt_inv": torch.ones(4, 4)}, ValueError, r"rt_inv must end in the row 0 0 0 1, got \[1\.0, 1\.0, 1\.0, 1\.0\]"),
    ({"rt_inv": torch.diag(torch.tensor([1.0, 0, 1, 1]))}, ValueError, "rt_inv must be invertible, got the singular"),
    ({"sdd_mm": -5.0}, ValueError, r"sdd_mm must be a positive distance in mm, got -5\.0"),
    ({"sdd_mm": "far"}, TypeError, "sdd_mm must be a distance in mm, .* got 'far'"),
    ({"sdd_mm": torch.ones(2)}, ValueError, r"batches of k_inv, rt_inv and sdd_mm must broadcast, got .*\(2,\)"),
    ({"height": 0}, ValueError, "height must be at least 1"),
    ({"width": 4.0}, TypeError, "width must be an integer"),
    ({"rt_inv": SHEARED, "orthographic": True}, ValueError, r"at right angles to parallel rays .* got rays .* degrees"),
    ({"sdd_mm": torch.ones(1, device="meta")}, ValueError, "must be on one device, got .*meta"),
]


@pytest.mark.parametrize(
    ("change", "error", "complaint"), BAD, ids=[f"{n}-{next(iter(b[0]))}" for n, b in enumerate(BAD)]
)
def test_bad_input(change: dict[str, object], error: type[Exception], complaint: str) -> None:
    good = {"k_inv": lens(), "rt_inv": poses(), "sdd_mm": SDD, "height": HEIGHT, "width": WIDTH}
    with pytest.raises(error, match=complaint):
        Camera.from_inverse(**(good | change))  # type: ignore[arg-type]
