"""The backbones by their names in the configuration."""

from collections.abc import Mapping

from tracklearn.networks.backbone import Backbone
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.of_torchvision import AlexNet, ResNet18, ResNet50

KINDS: tuple[type[Backbone], ...] = (CaffeNet, AlexNet, ResNet18, ResNet50)
BACKBONES: Mapping[str, type[Backbone]] = {kind.backbone: kind for kind in KINDS}
