"""The stand-in device is strict; otherwise the other tests would prove less."""

import pytest
import torch


def test_tensors_of_the_host_among_those_of_the_device(device: str) -> None:
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        torch.ones(3, device=device) + torch.ones(3)
    with pytest.raises(RuntimeError, match="cat got a tensor of the host"):
        torch.cat([torch.ones(3, device=device), torch.ones(3)])
    with pytest.raises(TypeError, match="can't convert standin:0 device type tensor to numpy"):
        torch.ones(3, device=device).numpy()
    assert (torch.ones(3, device=device) + torch.tensor(1.0)).tolist() == [
        2.0,
        2.0,
        2.0,
    ]  # a number may come from there


def test_double_precision(device: str, single: bool) -> None:
    ones = torch.ones(3, device=device)
    if not single:
        assert ones.double().dtype == torch.float64
        return
    for make in (ones.double, lambda: ones.sum(dtype=torch.float64), lambda: torch.zeros(2, device=device).double()):
        with pytest.raises(TypeError, match="has no float64"):
            make()
    with pytest.raises(TypeError, match="has no float64"):
        torch.ones(3, dtype=torch.float64).to(device)


def test_gradients_of_what_torch_does_itself(device: str) -> None:
    """A backward pass through views, copies, a matrix product and a convolution."""
    weight = torch.linspace(-1.0, 1.0, 9).reshape(1, 1, 3, 3)

    def gradient(place: str) -> torch.Tensor:
        x = torch.linspace(0.0, 3.0, 36).reshape(1, 1, 6, 6).to(place).requires_grad_()
        y = torch.nn.functional.conv2d(x, weight.to(place)).flatten(2)[..., ::2]
        (by_x,) = torch.autograd.grad((y @ y.transpose(-1, -2)).sin().sum(), x)
        return by_x

    torch.testing.assert_close(gradient(device).cpu(), gradient("cpu"))
