"""The softmax objective of supervised pretraining and of fine-tuning."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from tracklearn.networks.backbone import Backbone, Dropout, draw_kept
from tracklearn.seeds import torch_generator
from tracklearn.training.feed import Batch

DROPOUT_STREAM = 2  # second number in the seed of dropout; `sampling` uses 0 and 1


@dataclass(frozen=True, kw_only=True)
class SoftmaxObjective:
    """Cross entropy of fc8 on a batch: images uint8 RGB (N, S, S, 3), labels (N,), and the random numbers of `draw`.

    Attributes:
        dropout: of fc6 and fc7; `seed` and the iteration decide which values it drops.
        background: label 0 is the background. The accuracy of the other windows is then measured as well, since a net
            that calls every window background is right most of the time.
    """

    dropout: float
    seed: int
    background: bool = False

    def draw(self, net: Backbone, batch: Batch, iteration: int) -> Batch:
        """The units of fc6 and fc7 that an iteration keeps, on the CPU."""
        generator = torch_generator(self.seed, DROPOUT_STREAM, iteration)
        return draw_kept(self.dropout, len(batch[0]), net.dropped, generator)

    def phase(self, iteration: int) -> None:
        """All iterations do the same operations."""

    def __call__(self, net: Backbone, batch: Batch, iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and accuracy of one batch. Random numbers that the batch lacks are drawn here."""
        images, labels, *kept = batch
        dropout = Dropout(self.dropout, kept or self.draw(net, batch, iteration)) if self.dropout else None
        scores = net(net.to_input(images), "fc8", dropout=dropout).float()  # (N, C)
        correct = (scores.argmax(1) == labels).float()  # (N,)
        measurements = {"accuracy": correct.mean()}
        if self.background:
            foreground = labels > 0
            measurements["foreground_accuracy"] = (correct * foreground).sum() / foreground.sum().clamp(min=1)
        return F.cross_entropy(scores, labels), measurements
