"""The softmax objective of supervised pretraining and of fine-tuning."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.seeds import torch_generator


@dataclass(frozen=True, kw_only=True)
class SoftmaxObjective:
    """Cross entropy of fc8 on a batch: images uint8 RGB (N, S, S, 3), labels (N,).

    Attributes:
        dropout: of fc6 and fc7, drawn anew in each iteration from `seed`.
        background: label 0 is the background; accuracy is then also given for the other windows alone, since a net
            that calls everything background is right most of the time.
    """

    dropout: float
    seed: int
    background: bool = False

    def __call__(self, net: CaffeNet, batch: tuple[Tensor, ...], iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, accuracy."""
        images, labels = batch
        generator = torch_generator(self.seed, 2, iteration, device=images.device)
        scores = net(to_input(images, net.mean_bgr), "fc8", dropout=self.dropout, generator=generator).float()
        right = (scores.argmax(1) == labels).float()
        values = {"accuracy": right.mean()}
        if self.background:
            foreground = labels > 0
            values["foreground_accuracy"] = (right * foreground).sum() / foreground.sum().clamp(min=1)
        return F.cross_entropy(scores, labels), values
