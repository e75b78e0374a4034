"""The kernels for a GPU: on it, or interpreted by Triton on a CPU; `test_on_a_gpu` compares whole networks."""

import os
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F

from tracklearn.networks.lrn import ALPHA, BETA, SIZE, local_response_norm
from tracklearn.networks.pooling import pool

pytest.importorskip("triton")

from tracklearn.networks import kernels

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"


def layers(kernels: ModuleType | None, values: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The pooled, rectified and normalised activations."""
    if kernels:
        pooled = kernels.pool_biased(values, bias)
        return kernels.local_response_norm(20 * pooled, alpha=ALPHA, beta=BETA, size=SIZE)
    return local_response_norm(20 * F.relu(pool(values + bias[:, None, None])))


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(2, 6, 13, 13), (2, 3, 12, 9), (1, 24, 7, 55), (1, 6, 3, 4)])
def test_activations_and_gradients_are_those_of_torch(shape, memory):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(shape, generator=generator).to(memory_format=memory)
    bias = torch.randn(shape[1], generator=generator)
    results = []
    for used, device in ((None, "cpu"), (kernels, DEVICE)):
        inputs = [tensor.clone().to(device).requires_grad_() for tensor in (values, bias)]
        output = layers(used, *inputs)
        weights = torch.arange(output.numel(), device=device).sin().view(output.shape)
        results.append([each.cpu() for each in (output, *torch.autograd.grad((output * weights).sum(), inputs))])
    for expected, found in zip(*results, strict=True):
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_of_equal_values_the_first_gets_the_gradient_and_nan_stays():
    values = torch.ones(1, 1, 3, 3, device=DEVICE, requires_grad=True)
    kernels.pool_biased(values, torch.zeros(1, device=DEVICE)).sum().backward()
    assert values.grad.flatten().tolist() == [1] + [0] * 8
    unknown = torch.full((1, 1, 3, 3), torch.nan, device=DEVICE)
    assert kernels.pool_biased(unknown, torch.zeros(1, device=DEVICE)).isnan().all()


def test_below_zero_nothing_passes():
    values = torch.full((1, 2, 5, 5), 1.0, device=DEVICE, requires_grad=True)
    bias = torch.tensor([-1.0, -0.5], device=DEVICE, requires_grad=True)
    pooled = kernels.pool_biased(values, bias)
    assert pooled[0, :, 0, 0].tolist() == [0, 0.5]
    pooled.sum().backward()
    assert bias.grad.tolist() == [0, 4]
    assert not values.grad[0, 0].any()
    assert values.grad[0, 1].sum() == 4
