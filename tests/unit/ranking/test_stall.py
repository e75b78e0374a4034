"""A loss that stays at the margin gives one warning; a loss that is there for a short time gives none."""

from types import SimpleNamespace

import pytest
import torch

from tracklearn.networks.caffenet import CaffeNet
from tracklearn.ranking.stall import ROWS, StallWatch, at_margin
from tracklearn.ranking.train import RankingObjective, RankingTraining
from tracklearn.report import silent
from tracklearn.settings.ranking import Loss

EQUAL = {"loss": 0.5001, "positive_distance": 1e-4, "negative_distance": 1e-4, "spread": 0.01}
ZERO = {"loss": 0.5, "positive_distance": 1.0, "negative_distance": 1.0, "spread": 1.0}
LEARNED = {"loss": 0.12, "positive_distance": 0.2, "negative_distance": 0.7, "spread": 0.8}
HARD = {
    "loss": 0.5,
    "positive_distance": 0.2,
    "negative_distance": 0.7,
    "spread": 0.8,
}  # the hardest negatives are as near as the tracked patch
STARTING = {"loss": 0.48, "positive_distance": 0.02, "negative_distance": 0.04, "spread": 0.2}


@pytest.mark.parametrize(
    ("row", "margin", "stalled"),
    [
        (EQUAL, 0.5, True),
        (ZERO, 0.5, True),
        (EQUAL, 1.0, False),
        (EQUAL | {"loss": 1.0}, 1.0, True),
        (LEARNED, 0.5, False),
        (HARD, 0.5, False),
        (STARTING, 0.5, False),
    ],
)
def test_a_row_at_the_margin_has_its_loss_and_equal_distances(row, margin, stalled):
    assert at_margin(row, margin) is stalled


def test_without_hinges_equal_distances_are_a_stall_whatever_the_loss():
    assert at_margin(EQUAL | {"loss": 4.6}, None)
    assert not at_margin(LEARNED | {"loss": 0.5}, None)
    assert not at_margin(STARTING | {"loss": 4.6}, None)


def test_the_warning_of_infonce_speaks_of_no_margin(caplog):
    caplog.set_level("INFO")
    watch = StallWatch(silent, margin=None)
    for step in range(ROWS):
        watch(step, EQUAL | {"loss": 4.6})
    ((_, line),) = lines(caplog)
    assert line.startswith("ranking: all distances have been equal from iteration 0 to 19: the features do not dist")
    assert line.endswith("if they stay equal, lower schedule.lr, set schedule.warmup, or try another seed")
    assert "margin" not in line
    watch(ROWS, LEARNED)
    assert lines(caplog)[1:] == [("INFO", "ranking: distances differ again at iteration 20 (loss 0.12)")]


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_a_training_is_watched_at_its_margin_and_infonce_without_one(margin):
    def watched(loss):
        return RankingTraining.watched(SimpleNamespace(_loss=loss), silent)

    assert watched(Loss(margin=margin)).margin == margin
    assert watched(Loss(form="infonce", margin=margin)).margin is None


def lines(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_stall_gives_one_warning_and_its_end_one_line(caplog):
    caplog.set_level("INFO")
    passed_on = []
    watch = StallWatch(lambda step, row: passed_on.append((step, row["rows_at_margin"], row["loss"])), margin=0.5)
    for step in range(20, 20 * (ROWS + 5) + 1, 20):
        watch(step, LEARNED if step == 20 else EQUAL)
    assert passed_on[:3] == [(20, 0, 0.12), (40, 1, 0.5001), (60, 2, 0.5001)]
    ((level, line),) = lines(caplog)
    assert level == "WARNING"
    assert line == (
        "ranking: the loss has been at the margin 0.5 from iteration 40 to 420: the features do not distinguish "
        "patches (positive distance 0.0001, negative distance 0.0001, spread 0.01); if the loss stays there, lower "
        "schedule.lr, set schedule.warmup, or try another seed"
    )
    caplog.clear()
    watch(1000, STARTING)
    watch(1020, LEARNED)
    assert lines(caplog) == [("INFO", "ranking: left the margin at iteration 1000 (loss 0.48)")]


def test_a_short_stay_gives_no_warning(caplog):
    watch = StallWatch(silent, margin=0.5)
    for step in range(5 * ROWS):
        watch(step, LEARNED if step % ROWS == 0 else EQUAL)
    assert not caplog.records


def test_the_warning_states_the_measurements_and_a_margin_that_helps(caplog):
    watch = StallWatch(silent, margin=1.0)
    for step in range(ROWS):
        watch(step, ZERO | {"loss": 1.0})
    ((_, line),) = lines(caplog)
    assert "(positive distance 1, negative distance 1, spread 1)" in line
    assert "set schedule.warmup and ranking.margin 0.5, or" in line


@pytest.mark.parametrize("form", ["paper", "fork"])
@pytest.mark.parametrize("bias", [1.0, -1.0])  # of fc7 with no weights: equal features, or zeros after the ReLU
def test_a_net_of_equal_features_is_at_the_margin_in_both_forms(form, bias):
    net = CaffeNet(width=1 / 16, input_size=67, fc7=8)
    torch.nn.init.zeros_(net.fc7.weight)
    torch.nn.init.constant_(net.fc7.bias, bias)
    patches = torch.randint(0, 256, (6, 2, 67, 67, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for margin in (0.5, 1.0):
        objective = RankingObjective(loss_settings=Loss(form=form, margin=margin), random_iterations=1, seed=0)
        loss, values = objective(net, (patches, torch.arange(6)), 0)
        assert loss.item() == pytest.approx(margin, rel=1e-5)
        assert at_margin({"loss": loss.item(), **{name: value.item() for name, value in values.items()}}, margin)
