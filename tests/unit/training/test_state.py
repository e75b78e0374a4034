import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.training.solver import Solver
from tracklearn.training.state import TrainingState


def new_state(seed):
    net = CaffeNet(width=1 / 16, input_size=67, fc7=8, seed=seed)
    return TrainingState(net, Solver(net, momentum=0.9, weight_decay=5e-4))


def step(state, loss, rate=0.01):
    """One iteration whose gradients are ones."""
    for parameter in state.net.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.solver.step(rate)
    state.finish_iteration({"loss": torch.tensor(loss), "accuracy": torch.tensor(loss / 2)}, rate)


def row(state):
    taken = state.take_row(batch_size=4, waited=lambda: 0.0)
    return {name: taken[name] for name in ("loss", "lr", "accuracy")}


def test_a_restored_state_continues_like_the_saved_one():
    saved, restored = new_state(seed=1), new_state(seed=2)
    step(saved, 3.0)
    saved.log_bytes = 17
    restored.restore(saved.checkpoint({"seed": 1}))
    assert (restored.iteration, restored.log_bytes) == (1, 17)
    for state in (saved, restored):
        step(state, 1.0, rate=0.002)
    for name, tensor in saved.net.state_dict().items():
        assert torch.equal(restored.net.state_dict()[name], tensor), name
    assert row(saved) == row(restored) == {"loss": 2.0, "lr": 0.002, "accuracy": 1.0}


def test_a_checkpoint_holds_everything_and_its_identity():
    state = new_state(seed=1)
    step(state, 3.0)
    checkpoint = state.checkpoint({"seed": 1})
    assert checkpoint.identity == {"seed": 1}
    assert checkpoint.numbers == {"iteration": 1, "summed": 1, "log": 0}
    assert set(checkpoint.tensors["net"]) == set(checkpoint.tensors["velocity"])
    assert {name: value.item() for name, value in checkpoint.tensors["sums"].items()} == {"loss": 3.0, "accuracy": 1.5}


def test_neither_a_row_nor_a_checkpoint_is_made_of_a_loss_that_is_not_finite():
    state = new_state(seed=1)
    step(state, 3.0)
    step(state, float("inf"))
    line = (
        r"^training: the loss is inf within the 2 iterations before 2 at learning rate 0.01; expected a finite number"
    )
    with pytest.raises(UserError, match=line):
        row(state)
    with pytest.raises(UserError, match=line):
        state.checkpoint({})
