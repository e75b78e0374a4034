import numpy as np
import pytest
import torch
from reference.caffe import loops_sgd, loops_solver
from torch import nn

from tracklearn.settings.training import Schedule
from tracklearn.training.schedule import learning_rate
from tracklearn.training.solver import Solver

GRADIENTS, RATES = [1.0, -2.0, 0.5, 3.0], [0.1, 0.1, 0.01, 0.01]
FUSED = pytest.mark.parametrize("fused", [False, True])  # parameter by parameter, or as on a GPU


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


@FUSED
def test_weights_and_biases_follow_caffe_with_their_multipliers(fused):
    values = trained(layer_rates={"fc8": 10}, fused=fused)
    for name, rate, decay in (
        ("fc7.weight", 1, 0.05),
        ("fc7.bias", 2, 0.0),
        ("fc8.weight", 10, 0.05),
        ("fc8.bias", 20, 0.0),
    ):
        expected = loops_sgd(2.0, GRADIENTS, [rate * each for each in RATES], 0.9, decay)
        assert values[name] == pytest.approx(expected, rel=1e-12), name


@FUSED
def test_a_layer_without_a_gradient_does_not_change(fused):
    net = Net()
    solver = Solver(net, momentum=0.9, weight_decay=0.05, fused=fused)
    net.fc7.weight.grad = torch.ones(1, 1).double()
    solver.step(0.1)
    assert net.fc8.weight.item() == 2.0
    assert net.fc7.weight.item() != 2.0
    assert net.fc7.weight.grad is None


def test_fused_updates_differ_by_rounding_alone_at_a_small_rate_in_single_precision():
    def stepped(fused):
        torch.manual_seed(0)
        net = nn.Sequential()
        net.conv1 = nn.Conv2d(3, 8, 5).to(memory_format=torch.channels_last)
        solver = Solver(net, momentum=0.9, weight_decay=0.05, fused=fused)
        for _ in range(10):
            net.conv1(torch.randn(2, 3, 9, 9)).square().sum().backward()
            solver.step(1e-5)
        return net.conv1.weight.detach(), solver.velocities["conv1.weight"]

    for fused, separate in zip(stepped(True), stepped(False), strict=True):
        torch.testing.assert_close(fused, separate, rtol=1e-5, atol=1e-8)


@FUSED
def test_without_momentum_it_is_plain_descent(fused):
    net = Net()
    net.fc7.weight.grad = torch.full((1, 1), 3.0).double()
    Solver(net, momentum=0.0, weight_decay=0.05, fused=fused).step(0.1)
    assert net.fc7.weight.item() == pytest.approx(2.0 - 0.1 * (3.0 + 0.05 * 2.0), rel=1e-12)


class TwoLayers(nn.Module):
    """fc8 (ReLU (fc7 (x))) in float64."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.fc7, self.fc8 = nn.Linear(3, 4).double(), nn.Linear(4, 2).double()
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def forward(self, values):
        return self.fc8(torch.relu(self.fc7(values)))


def two_layers_gradient(inputs, targets):
    """Of sum((prediction - target)^2) / 2, propagated back by hand."""

    def gradient(weights):
        hidden = inputs @ weights["fc7.weight"].T + weights["fc7.bias"]
        active = np.maximum(hidden, 0)
        error = active @ weights["fc8.weight"].T + weights["fc8.bias"] - targets
        back = (error @ weights["fc8.weight"]) * (hidden > 0)
        return {
            "fc7.weight": back.T @ inputs,
            "fc7.bias": back.sum(0),
            "fc8.weight": error.T @ active,
            "fc8.bias": error.sum(0),
        }

    return gradient


@FUSED
def test_a_training_is_caffe_s_across_two_cuts_of_the_rate(fused):
    schedule = Schedule(lr=0.01, iterations=20, batch=5, step=7, gamma=0.1, weight_decay=0.05)
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(5, 3)), random.normal(size=(5, 2))
    net = TwoLayers()
    multipliers = {"fc7.weight": (1, 1), "fc7.bias": (2, 0), "fc8.weight": (10, 1), "fc8.bias": (20, 0)}
    start = {name: (value.detach().numpy().copy(), *multipliers[name]) for name, value in net.named_parameters()}

    options = {"momentum": schedule.momentum, "weight_decay": schedule.weight_decay}
    solver = Solver(net, **options, layer_rates={"fc8": 10}, fused=fused)
    for iteration in range(schedule.iterations):
        error = net(torch.from_numpy(inputs)) - torch.from_numpy(targets)
        (error.square().sum() / 2).backward()
        solver.step(learning_rate(schedule, iteration))

    expected = loops_solver(
        start,
        two_layers_gradient(inputs, targets),
        base_lr=0.01,
        gamma=0.1,
        stepsize=7,
        momentum=0.9,
        weight_decay=0.05,
        iterations=20,
    )
    for name, value in net.named_parameters():
        np.testing.assert_allclose(value.detach().numpy(), expected[name], rtol=1e-10, err_msg=name)
        assert np.abs(expected[name] - start[name][0]).max() > 0.01
