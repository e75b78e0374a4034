"""Which iterations are recorded, and that a replayed iteration is the computed one, with stand-ins for CUDA."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from tracklearn.networks.caffenet import CaffeNet
from tracklearn.ranking.train import RankingObjective
from tracklearn.settings.ranking import Loss
from tracklearn.training.log import Means
from tracklearn.training.solver import Solver
from tracklearn.training.step import SEEN, RecordedStep, Step, new_step

CPU = torch.device("cpu")
SWITCH, SLOWER = 7, 13  # iterations of the first hard negatives and of the first lower rate


class StandIn(RecordedStep):
    """Records a function instead of a CUDA graph: at each replay it computes from the recorded inputs."""

    def __init__(self, *given, **options):
        super().__init__(*given, **options)
        self.recorded_at, self.replays = [], 0

    def _record(self, batch, iteration, rate):
        self.recorded_at.append(iteration)
        self._inputs = tuple(torch.zeros_like(tensor) for tensor in batch)
        self._outputs = {}

        def replay():
            self.replays += 1
            for name, value in Step.__call__(self, self._inputs, iteration, rate).items():
                self._outputs.setdefault(name, torch.empty(())).copy_(value)  # in the same memory each time

        self._graph = SimpleNamespace(replay=replay)


@pytest.fixture
def cuda(monkeypatch):
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)


def trained(kind, form, iterations=20):
    """Weights and logged losses of a small training."""
    net = CaffeNet(width=1 / 16, input_size=67, fc7=16, conv_std=0.05, fc_std=0.05, bias=0.0, seed=1)
    objective = RankingObjective(
        loss_settings=Loss(form=form), random_iterations=0 if form == "infonce" else SWITCH, seed=1
    )
    options = {"phases": objective} if kind is StandIn else {}
    step = kind(net, Solver(net, momentum=0.9, weight_decay=5e-4), objective, device=CPU, precision="fp32", **options)
    means, losses = Means(), []
    for iteration in range(iterations):
        generator = torch.Generator().manual_seed(iteration)
        patches = torch.randint(0, 256, (6, 2, 67, 67, 3), dtype=torch.uint8, generator=generator)
        batch = patches, torch.arange(6) // 2
        batch = (*batch, *objective.draw(net, batch, iteration))
        means.add(step(batch, iteration, 0.01 if iteration < SLOWER else 0.001))
        if iteration % 4 == 3:
            losses.append(means.take(12, lambda: 0.0)["loss"])
    return step, net.state_dict(), losses


@pytest.mark.parametrize("form", ["paper", "fork"])
def test_replayed_iterations_are_the_computed_ones_through_phases_and_rates(cuda, form):
    step, weights, losses = trained(StandIn, form)
    _, expected, expected_losses = trained(Step, form)
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    assert losses == expected_losses
    # Each phase and each rate is recorded anew, after a few iterations that are computed.
    assert step.recorded_at == [SEEN, SWITCH + SEEN, SLOWER + SEEN]
    assert step.replays == 20 - 3 * SEEN


def test_only_a_gpu_that_trains_alone_records(cuda):
    net = CaffeNet(width=1 / 16, input_size=67, fc7=16)
    objective = RankingObjective(loss_settings=Loss(), random_iterations=1, seed=1)
    solver = Solver(net, momentum=0.9, weight_decay=0.0)

    def kind(device, alone):
        return type(new_step(net, solver, objective, device=torch.device(device), precision="fp32", alone=alone))

    assert kind("cuda", alone=True) is RecordedStep
    assert kind("cuda", alone=False) is kind("cpu", alone=True) is Step


def test_infonce_has_one_phase_and_no_draws(cuda):
    step, weights, losses = trained(StandIn, "infonce")
    _, expected, expected_losses = trained(Step, "infonce")
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    assert losses == expected_losses
    assert step.recorded_at == [SEEN, SLOWER + SEEN]
    objective = RankingObjective(loss_settings=Loss(form="infonce"), random_iterations=0, seed=1)
    assert objective.draw(None, (torch.zeros(6), torch.arange(6)), 0) == ()
