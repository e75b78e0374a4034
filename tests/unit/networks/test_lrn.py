import numpy as np
import torch
from reference.caffe import loops_lrn

from tracklearn.networks.lrn import local_response_norm


def activations(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return 100 * torch.randn(shape, generator=generator, dtype=dtype)


def test_it_equals_the_loop_over_channels():
    values = activations(2, 7, 2, 3)
    np.testing.assert_allclose(local_response_norm(values).numpy(), loops_lrn(values.numpy()), rtol=1e-12)


def test_it_equals_torch_s_own_in_both_memory_formats():
    values = activations(2, 24, 5, 5, dtype=torch.float32)
    expected = torch.nn.functional.local_response_norm(values, 5, alpha=1e-4, beta=0.75, k=1)
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.testing.assert_close(local_response_norm(values.to(memory_format=layout)), expected)


def test_its_gradient_is_the_numerical_one():
    values = activations(1, 6, 2, 1).requires_grad_()
    assert torch.autograd.gradcheck(local_response_norm, values, atol=1e-7)


def test_a_single_large_value_is_damped_as_computed_by_hand():
    values = torch.zeros(1, 5, 1, 1, dtype=torch.float64)
    values[0, 2] = 1000
    assert local_response_norm(values)[0, 2].item() == torch.tensor(1000 / 21**0.75, dtype=torch.float64).item()
