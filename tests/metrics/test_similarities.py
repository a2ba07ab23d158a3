"""Similarities of images: definitions, invariances and gradients."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.metrics import (
    GradientNormalizedCrossCorrelation2d,
    MultiscaleNormalizedCrossCorrelation2d,
    MutualInformation2d,
    NormalizedCrossCorrelation2d,
    NormalizedMutualInformation2d,
    gradient_normalized_cross_correlation,
    image_gradients,
    mutual_information,
    normalized_cross_correlation,
)

Similarity = Callable[..., Tensor]
EXACT = {"rtol": 0.0, "atol": 1e-12}  # float64 sums of some hundred terms of order 1

SIMILARITIES: dict[str, Similarity] = {
    "ncc": NormalizedCrossCorrelation2d(),
    "patches": NormalizedCrossCorrelation2d(5),
    "multiscale": MultiscaleNormalizedCrossCorrelation2d([None, 5], [0.3, 0.7]),
    "gradients": GradientNormalizedCrossCorrelation2d(),
    "gradients of patches": GradientNormalizedCrossCorrelation2d(7, sigma=0.0),
    "mutual information": MutualInformation2d(bins=12),
    "normalized mutual information": NormalizedMutualInformation2d(bins=12),
}
every = pytest.mark.parametrize("similarity", SIMILARITIES.values(), ids=SIMILARITIES.keys())


def images(generator: torch.Generator, batch: int = 2, channels: int = 1, size: tuple[int, int] = (14, 17)) -> Tensor:
    """Smooth noise, float64."""
    noise = torch.randn(batch, channels, *size, generator=generator, dtype=torch.float64)
    return image_gradients(noise, sigma=1.0)[:, :channels]


@every
class TestContract:
    def test_one_number_per_pair(self, similarity: Similarity, generator: torch.Generator) -> None:
        x1, x2 = images(generator, 3, 2), images(generator, 3, 2)
        assert similarity(x1, x2).shape == (3,)
        assert_close(similarity(x1, x2)[1], similarity(x1[1:2], x2[1:2])[0], **EXACT)

    def test_one_target_goes_with_a_batch(self, similarity: Similarity, generator: torch.Generator) -> None:
        moving, target = images(generator, 3), images(generator, 1)
        assert_close(similarity(moving, target), similarity(moving, target.expand(3, -1, -1, -1)), **EXACT)

    def test_it_is_symmetric_and_most_for_the_image_itself(
        self, similarity: Similarity, generator: torch.Generator
    ) -> None:
        x1, x2 = images(generator), images(generator)
        assert_close(similarity(x1, x2), similarity(x2, x1), **EXACT)
        assert bool((similarity(x1, x1) > similarity(x1, x2)).all())
        assert bool((similarity(x1, x1) > similarity(x1, x1.roll(3, -1))).all())

    def test_brightness_and_contrast_do_not_matter(self, similarity: Similarity, generator: torch.Generator) -> None:
        x1, x2 = images(generator), images(generator)
        assert_close(similarity(3e4 * x1 + 2e3, 1e-3 * x2 - 5), similarity(x1, x2), rtol=0, atol=1e-8)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_short_numbers(self, similarity: Similarity, generator: torch.Generator, dtype: torch.dtype) -> None:
        x1, x2 = images(generator), images(generator)
        found = similarity(x1.to(dtype), x2.to(dtype))
        assert found.dtype == torch.float32
        # Three digits of the pixels (bfloat16), some hundred pixels; a bin is 1/9 of the range.
        assert_close(found.double(), similarity(x1, x2), rtol=0, atol=3 * torch.finfo(dtype).eps + 1e-6)

    def test_gradients(self, similarity: Similarity, generator: torch.Generator) -> None:
        x1, x2 = images(generator, 1, size=(8, 9)), images(generator, 1, size=(8, 9))
        assert torch.autograd.gradcheck(
            similarity, (x1.requires_grad_(), x2.requires_grad_()), atol=1e-6, fast_mode=True
        )

    def test_a_constant_image_is_like_nothing(self, similarity: Similarity, generator: torch.Generator) -> None:
        x1 = images(generator).requires_grad_()
        for flat in (0.0, 0.3, -7e6):
            found = similarity(x1, torch.full_like(x1, flat))
            nothing = 1.0 if isinstance(similarity, NormalizedMutualInformation2d) else 0.0
            assert_close(found, torch.full_like(found, nothing), **EXACT)
            (gradient,) = torch.autograd.grad(found.sum(), x1)
            assert bool(torch.isfinite(gradient).all())

    def test_a_mask_leaves_out(self, similarity: Similarity, generator: torch.Generator) -> None:
        """What lies under weight 0 does not count; half of the weight everywhere is no change."""
        x1, x2 = images(generator, size=(20, 17)), images(generator, size=(20, 17))
        mask = torch.ones(1, 1, 20, 17)
        assert_close(similarity(x1, x2, 0.5 * mask), similarity(x1, x2), **EXACT)
        mask[..., :, 12:] = 0
        spoiled = x1.clone()
        spoiled[..., :, 16:] = 100.0  # gradients see 3σ + 1 = 4 pixels far, σ at most 1
        assert_close(similarity(spoiled, x2, mask), similarity(x1, x2, mask), **EXACT)
        assert not torch.allclose(similarity(spoiled, x2), similarity(x1, x2), atol=1e-3)

    def test_bad_images(self, similarity: Similarity) -> None:
        x = torch.rand(1, 1, 12, 12)
        with pytest.raises(ValueError, match=r"x1 must be \[B, C, H, W\] with no empty axis, got shape \(12, 12\)"):
            similarity(x[0, 0], x)
        with pytest.raises(ValueError, match=r"same shape, got \(1, 1, 12, 12\) and \(1, 1, 12, 11\)"):
            similarity(x, x[..., 1:])
        with pytest.raises(ValueError, match=r"same shape, got \(2, 1, 12, 12\) and \(3, 1, 12, 12\)"):
            similarity(x.expand(2, -1, -1, -1), x.expand(3, -1, -1, -1))
        with pytest.raises(TypeError, match=r"x2 must be a floating-point tensor, got dtype torch.int64"):
            similarity(x, (x > 0.5).long())
        with pytest.raises(ValueError, match="one device, got cpu and meta"):
            similarity(x, x.to("meta"))
        with pytest.raises(ValueError, match=r"mask must broadcast to \(1, 1, 12, 12\), got shape \(1, 1, 5, 12\)"):
            similarity(x, x, torch.ones(1, 1, 5, 12))
        with pytest.raises(ValueError, match="mask must hold weights of 0 or more"):
            similarity(x, x, torch.zeros(1, 1, 12, 12))


def naive_patches(x1: Tensor, x2: Tensor, size: int) -> Tensor:
    """Pearson's correlation patch by patch, by its definition."""
    scores = []
    for a, b in zip(x1, x2, strict=True):
        found = []
        for row in range(x1.shape[-2] - size + 1):
            for column in range(x1.shape[-1] - size + 1):
                window = (..., slice(row, row + size), slice(column, column + size))
                found.append(float(torch.corrcoef(torch.stack([a[window].flatten(), b[window].flatten()]))[0, 1]))
        scores.append(sum(found) / len(found))
    return torch.tensor(scores, dtype=torch.float64)


class TestNcc:
    def test_it_is_pearsons_correlation(self, generator: torch.Generator) -> None:
        x1, x2 = images(generator), images(generator)
        pairs = zip(x1.flatten(1), x2.flatten(1), strict=True)
        expected = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs]
        assert_close(
            normalized_cross_correlation(x1, x2, eps=1e-14), torch.tensor(expected, dtype=x1.dtype), rtol=0, atol=1e-9
        )

    @pytest.mark.parametrize("size", [2, 5, 14])
    def test_patches_by_box_sums(self, generator: torch.Generator, size: int) -> None:
        x1, x2 = images(generator), images(generator)
        found = normalized_cross_correlation(x1, x2, patch_size=size, eps=1e-14)
        # ε is 1e-14 of the image's variance, a patch of four pixels has 1e-5 of it at least.
        assert_close(found, naive_patches(x1, x2, size), rtol=0, atol=1e-7)

    def test_patches_do_not_mind_shading(self, generator: torch.Generator) -> None:
        """A slope ten times as strong as the image: the whole-image correlation drowns, that of patches does not."""
        x = images(generator, 1, size=(60, 60))
        shaded = x + 10 * x.std() * torch.linspace(-1, 1, 60, dtype=torch.float64)
        assert float(normalized_cross_correlation(x, shaded)) < 0.3
        assert float(normalized_cross_correlation(x, shaded, patch_size=5)) > 0.8

    def test_flat_patches_of_bright_images_are_flat(self) -> None:
        """Moments are differences of large numbers: float32 would make noise of them."""
        x = torch.full((1, 1, 30, 30), 1e5)
        x[..., :5, :5] += torch.arange(25.0).reshape(5, 5)
        mirrored = x.flip(-1)  # where one has contrast the other has none
        assert abs(float(normalized_cross_correlation(x, mirrored, patch_size=5))) < 1e-6

    def test_multiscale_is_the_weighted_sum(self, generator: torch.Generator) -> None:
        x1, x2 = images(generator), images(generator)
        sizes, weights = [None, 4, 9], [0.5, 2.0, -1.0]
        parts = [
            w * normalized_cross_correlation(x1, x2, patch_size=s, eps=1e-4)
            for s, w in zip(sizes, weights, strict=True)
        ]
        assert_close(MultiscaleNormalizedCrossCorrelation2d(sizes, weights)(x1, x2), sum(parts), **EXACT)

    def test_bad_settings(self) -> None:
        x = torch.rand(1, 1, 8, 9)
        for size in (1, 9, -3):
            with pytest.raises(ValueError, match=rf"patch_size must be 2 to 8 pixels or None, got {size}"):
                normalized_cross_correlation(x, x, patch_size=size)
        with pytest.raises(ValueError, match="eps must be positive and finite, got 0"):
            NormalizedCrossCorrelation2d(eps=0.0)
        with pytest.raises(ValueError, match=r"of one length, got \[None, 5\] and \[1.0\]"):
            MultiscaleNormalizedCrossCorrelation2d([None, 5], [1.0])


class TestGradients:
    def test_of_a_plane(self) -> None:
        rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(15.0), indexing="ij")
        found = image_gradients((3 * columns - 2 * rows)[None, None].double(), sigma=1.0)
        inside = found[..., 4:-4, 4:-4]
        assert_close(inside[:, 0], torch.full_like(inside[:, 0], 3.0), **EXACT)
        assert_close(inside[:, 1], torch.full_like(inside[:, 1], -2.0), **EXACT)

    def test_the_border_is_no_edge(self) -> None:
        assert image_gradients(torch.full((1, 1, 6, 6), 5.0), sigma=1.0).abs().max() < 1e-6  # 5 in float32

    def test_channels_keep_their_order(self, generator: torch.Generator) -> None:
        x = images(generator, 2, 3)
        found = image_gradients(x)
        assert found.shape == (2, 6, 14, 17)
        for channel in range(3):
            assert_close(found[:, 2 * channel : 2 * channel + 2], image_gradients(x[:, channel : channel + 1]), **EXACT)

    def test_blur_reaches_farther(self, generator: torch.Generator) -> None:
        """Two pixels off, white noise has nothing in common; blurred, it has."""
        x = torch.randn(1, 1, 60, 60, generator=generator)
        sharp, blurred = (gradient_normalized_cross_correlation(x, x.roll(3, -1), sigma=s) for s in (0.0, 3.0))
        assert float(sharp) < 0.05 < 0.3 < float(blurred)

    def test_bad_sigma(self) -> None:
        for sigma in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match="sigma must be 0 or more pixels, got"):
                image_gradients(torch.rand(1, 1, 5, 5), sigma)


class TestMutualInformation:
    def test_of_two_values_it_is_that_of_the_table(self) -> None:
        """Pixels of two values sit in two bins each way: I is that of a 2×2 table, blurred alike on both sides."""
        x1 = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64).reshape(1, 1, 2, 4)
        x2 = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0], dtype=torch.float64).reshape(1, 1, 2, 4)
        table = torch.tensor([[2, 1], [2, 3]], dtype=torch.float64) / 8
        expected = (table * (table / (table.sum(1, keepdim=True) * table.sum(0))).log()).sum()
        # A value on a bin's centre fills three bins (1, 4, 1)/6; with the two values far apart that loses nothing.
        assert_close(mutual_information(x1, x2, bins=16)[0], expected, **EXACT)

    def test_it_is_the_entropy_for_the_image_itself(self, generator: torch.Generator) -> None:
        x = (torch.rand(1, 1, 8, 8, generator=generator, dtype=torch.float64) > 0.4).double()
        p = x.mean()
        entropy = -(p * p.log() + (1 - p) * (1 - p).log())
        assert_close(mutual_information(x, x, bins=16)[0], entropy, **EXACT)
        assert_close(mutual_information(x, -x, bins=16)[0], entropy, **EXACT)

    def test_it_sees_what_correlation_does_not(self, generator: torch.Generator) -> None:
        x = images(generator, 1, size=(40, 40))
        assert abs(float(normalized_cross_correlation(x, x.square()))) < 0.2
        other = images(generator, 1, size=(40, 40))
        assert float(mutual_information(x, x.square())) > 3 * float(mutual_information(x, other.square()))

    def test_independent_images_share_little(self, generator: torch.Generator) -> None:
        x1, x2 = (torch.rand(1, 1, 200, 200, generator=generator) for _ in range(2))
        # Bias of a histogram of n pixels: at most (bins − 1)² / 2n nats.
        assert 0 <= float(mutual_information(x1, x2, bins=16)) < 15**2 / 2 / 200**2

    def test_bad_bins(self) -> None:
        x = torch.rand(1, 1, 5, 5)
        for bins in (4, 257):
            with pytest.raises(ValueError, match=f"bins must be 5 to 256, got {bins}"):
                mutual_information(x, x, bins=bins)
