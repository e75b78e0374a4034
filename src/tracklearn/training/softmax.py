"""The softmax objective of supervised pretraining and of fine-tuning."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.seeds import torch_generator

DROPOUT_STREAM = 2  # second number in the seed of dropout; `sampling` uses 0 and 1


@dataclass(frozen=True, kw_only=True)
class SoftmaxObjective:
    """Cross entropy of fc8 on a batch: images uint8 RGB (N, S, S, 3), labels (N,).

    Attributes:
        dropout: of fc6 and fc7; `seed` and the iteration decide which values it drops.
        background: label 0 is the background. The accuracy of the other windows is then measured as well, since a net
            that calls every window background is right most of the time.
    """

    dropout: float
    seed: int
    background: bool = False

    def __call__(self, net: CaffeNet, batch: tuple[Tensor, ...], iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and accuracy of one batch."""
        images, labels = batch
        generator = torch_generator(self.seed, DROPOUT_STREAM, iteration, device=images.device)
        scores = net(to_input(images, net.mean_bgr), "fc8", dropout=self.dropout, generator=generator).float()  # (N, C)
        correct = (scores.argmax(1) == labels).float()  # (N,)
        measurements = {"accuracy": correct.mean()}
        if self.background:
            foreground = labels > 0
            measurements["foreground_accuracy"] = (correct * foreground).sum() / foreground.sum().clamp(min=1)
        return F.cross_entropy(scores, labels), measurements
