import pytest
import torch

from tracklearn.networks.caffenet import CaffeNet
from tracklearn.training.softmax import SoftmaxObjective

SCORES = torch.tensor([[5.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 3.0], [9.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 1, 2, 0])


class FixedScores(CaffeNet):
    def forward(self, images, layer="fc7", **options):
        assert layer == "fc8"
        assert options["dropout"].share == 0.5
        return SCORES


def test_loss_and_accuracies_by_hand():
    net = FixedScores(width=1 / 16, input_size=67)
    batch = (torch.zeros(4, 67, 67, 3, dtype=torch.uint8), LABELS)
    loss, values = SoftmaxObjective(dropout=0.5, seed=1, background=True)(net, batch, 0)
    chances = [SCORES[row].softmax(0)[label] for row, label in enumerate(LABELS)]
    assert loss.item() == pytest.approx(-torch.stack(chances).log().mean().item())
    assert values["accuracy"].item() == 0.75
    assert values["foreground_accuracy"].item() == 0.5


def test_dropout_follows_the_iteration():
    net = CaffeNet(width=1 / 16, input_size=67, fc7=32, outputs=3, conv_std=0.05, fc_std=0.05)
    images = torch.randint(0, 256, (4, 67, 67, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    objective = SoftmaxObjective(dropout=0.5, seed=1)
    losses = [objective(net, (images, LABELS), iteration)[0].item() for iteration in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]
    assert "foreground_accuracy" not in objective(net, (images, LABELS), 0)[1]
