import pytest
import torch
from reference.caffe import loops_sgd
from torch import nn

from tracklearn.training.solver import Solver

GRADIENTS, RATES = [1.0, -2.0, 0.5, 3.0], [0.1, 0.1, 0.01, 0.01]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc7, self.fc8 = nn.Linear(1, 1).double(), nn.Linear(1, 1).double()
        for parameter in self.parameters():
            nn.init.constant_(parameter, 2.0)


def trained(**options):
    net = Net()
    solver = Solver(net, momentum=0.9, weight_decay=0.05, **options)
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        solver.step(rate)
    return {name: parameter.item() for name, parameter in net.named_parameters()}


def test_weights_and_biases_follow_caffe_with_their_multipliers():
    values = trained(layer_rates={"fc8": 10})
    for name, rate, decay in (
        ("fc7.weight", 1, 0.05),
        ("fc7.bias", 2, 0.0),
        ("fc8.weight", 10, 0.05),
        ("fc8.bias", 20, 0.0),
    ):
        expected = loops_sgd(2.0, GRADIENTS, [rate * each for each in RATES], 0.9, decay)
        assert values[name] == pytest.approx(expected, rel=1e-12), name


def test_a_layer_without_a_gradient_stays():
    net = Net()
    solver = Solver(net, momentum=0.9, weight_decay=0.05)
    net.fc7.weight.grad = torch.ones(1, 1).double()
    solver.step(0.1)
    assert net.fc8.weight.item() == 2.0
    assert net.fc7.weight.item() != 2.0
    assert net.fc7.weight.grad is None
