"""`render` under torch.compile, autocast, torch.func and in worker processes."""

import shutil

import pytest
import torch
from drr_scenes import HEIGHT, SDD, WIDTH, camera, poses, subject
from torch import Tensor
from torch.testing import assert_close

from deepdrr.data import Subject
from deepdrr.drr import DRR, render
from deepdrr.geometry import convert


def moved(one: Subject, motion: Tensor, n_samples: int | None = 60) -> Tensor:
    pose = poses(1, one.isocenter) @ convert(motion[None, :3], motion[None, 3:], "so3_log")
    return render(one, camera(), pose, SDD, HEIGHT, WIDTH, n_samples)


MOTION = torch.full((6,), 0.01)
JIT = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own, of forward mode
NEEDS_COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler wants a C++ compiler")


class TestCompile:
    """`render` checks values, so it runs as it is, between two graphs: what is around it is compiled."""

    def loss(self, one: Subject, shift: Tensor) -> Tensor:
        pose = poses(1, one.isocenter)
        moved_pose = torch.cat([pose[..., :3], pose[..., 3:] + (2 * shift)[None, :, None]], dim=-1)
        return render(one, camera(), moved_pose, SDD, HEIGHT, WIDTH, 60).square().mean()

    @pytest.mark.filterwarnings("ignore")  # the compilers' remarks on torch itself
    @pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=[pytest.mark.slow, NEEDS_COMPILER])])
    def test_values_gradients_and_changes(self, backend: str, generator: torch.Generator) -> None:
        one = subject(generator)
        torch._dynamo.reset()
        compiled = torch.compile(self.loss, backend=backend)
        shift = torch.tensor([1.0, 2, 3, 0], requires_grad=True)
        for mu_bone in (0.0573, 0.08):
            one.mu_bone = mu_bone
            value, expected = compiled(one, shift), self.loss(one, shift)
            assert_close(value, expected)
            gradient, wanted = (torch.autograd.grad(v, shift)[0] for v in (value, expected))
            assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)  # a compiler may reorder float32 sums

    def test_one_whole_graph_is_refused(self, generator: torch.Generator) -> None:
        one = subject(generator)
        torch._dynamo.reset()
        whole = torch.compile(self.loss, backend="eager", fullgraph=True)
        with pytest.raises(torch._dynamo.exc.Unsupported, match="render checks values, which a traced graph cannot do"):
            whole(one, torch.zeros(4))


class TestAutocast:
    @pytest.mark.parametrize("backend", ["cpu", "reference"])
    def test_positions_and_sums_are_left_alone(self, backend: str, generator: torch.Generator) -> None:
        one, pose = subject(generator), poses(2, torch.zeros(3))
        drr = DRR(camera(), torch.tensor([SDD]), HEIGHT, WIDTH)
        for ends in ({}, {"src": drr.src, "tgt": drr.tgt}):
            how = {"n_samples": 60, "backend": backend, **ends}
            expected = render(one, camera(), pose, SDD, HEIGHT, WIDTH, **how)
            with torch.autocast("cpu", torch.bfloat16):
                picture = render(one, camera(), pose, SDD, HEIGHT, WIDTH, **how)
            assert_close(picture, expected, rtol=0, atol=0)

    def test_a_network_after_it_may_be_in_half(self, generator: torch.Generator) -> None:
        one = subject(generator)
        layer = torch.nn.Conv2d(1, 2, 3)
        motion = MOTION.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            layer(moved(one, motion)).float().sum().backward()
        assert motion.grad is not None
        assert motion.grad.isfinite().all()


class TestFunc:
    def test_gradient_and_jacobian(self, generator: torch.Generator) -> None:
        one = subject(generator)
        motion = MOTION.clone().requires_grad_()
        (expected,) = torch.autograd.grad(moved(one, motion).sum(), motion)
        assert_close(torch.func.grad(lambda m: moved(one, m).sum())(MOTION), expected)
        jacobian = torch.func.jacrev(lambda m: moved(one, m))(MOTION)
        assert jacobian.shape == (1, 1, HEIGHT, WIDTH, 6)
        assert_close(jacobian.sum(dim=(0, 1, 2, 3)), expected, rtol=1e-4, atol=1e-3)  # float32 sums in another order

    @pytest.mark.parametrize("n_samples", [40, None])
    @pytest.mark.parametrize("axis", [0, -1])
    def test_mapping_is_a_batch(
        self, generator: torch.Generator, n_samples: int | None, axis: int, batch_rounding: float
    ) -> None:
        one = subject(generator)
        motions = torch.stack([MOTION, -MOTION, 0 * MOTION], dim=axis)
        mapped = torch.func.vmap(lambda m: moved(one, m, n_samples), in_dims=axis)(motions)
        each = torch.stack([moved(one, m, n_samples) for m in motions.unbind(axis)])
        assert_close(mapped, each, rtol=batch_rounding, atol=batch_rounding)
        gradients = torch.func.vmap(torch.func.grad(lambda m: moved(one, m, n_samples).sum()), in_dims=axis)(motions)
        single = torch.func.grad(lambda m: moved(one, m, n_samples).sum())(MOTION)
        assert_close(gradients[0], single, rtol=1e-5, atol=1e-4)  # float32 sums in another order

    @pytest.mark.parametrize("n_samples", [40, None])
    @pytest.mark.parametrize("classes", [1, 3])
    @JIT
    def test_forward_mode_is_the_jacobian(
        self, generator: torch.Generator, n_samples: int | None, classes: int
    ) -> None:
        one = subject(generator, classes)
        backward = torch.func.jacrev(lambda m: moved(one, m, n_samples))(MOTION)
        scale = float(backward.abs().max())
        # The kernels' derivatives are float32, and each way sums them in its own order.
        forward = torch.func.jacfwd(lambda m: moved(one, m, n_samples))(MOTION)
        assert_close(forward, backward, rtol=0, atol=2e-5 * scale)
        tangent = torch.tensor([0.3, -1.0, 0.5, 2.0, 0.0, -1.0])
        picture, change = torch.func.jvp(lambda m: moved(one, m, n_samples), (MOTION,), (tangent,))
        assert torch.equal(picture, moved(one, MOTION, n_samples))
        assert_close(change, backward @ tangent, rtol=0, atol=2e-5 * scale * float(tangent.abs().sum()))

    @JIT
    def test_a_hessian_points_to_the_reference(self, generator: torch.Generator) -> None:
        one = subject(generator)
        with pytest.raises(NotImplementedError, match='backend="reference", which has derivatives of any order'):
            torch.func.hessian(lambda m: moved(one, m).square().mean())(MOTION)

    def test_second_derivatives_are_the_references(self, generator: torch.Generator) -> None:
        one = subject(generator).double()
        motion = MOTION.double().requires_grad_()

        def loss(backend: str) -> Tensor:
            pose = poses(1, one.isocenter, torch.float64) @ convert(motion[None, :3], motion[None, 3:], "so3_log")
            return render(one, camera(torch.float64), pose, SDD, HEIGHT, WIDTH, 20, backend=backend).square().sum()

        (first,) = torch.autograd.grad(loss("reference"), motion, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), motion)
        assert second.abs().max() > 0


def _picture(seed: int) -> Tensor:
    one = subject(torch.Generator().manual_seed(seed))
    return render(one, camera(), poses(1, one.isocenter), SDD, HEIGHT, WIDTH)


def test_in_the_workers_of_a_data_loader() -> None:
    seeds = [1, 2, 3, 4]
    loader = torch.utils.data.DataLoader(
        seeds, batch_size=2, num_workers=2, collate_fn=lambda batch: [*map(_picture, batch)]
    )
    pictures = torch.cat([picture for batch in loader for picture in batch])
    assert_close(pictures, torch.cat([_picture(seed) for seed in seeds]), rtol=0, atol=0)
