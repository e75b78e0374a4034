"""The backbones by their names in the configuration."""

from collections.abc import Mapping

from tracklearn.networks.backbone import Backbone
from tracklearn.networks.caffenet import CaffeNet

BACKBONES: Mapping[str, type[Backbone]] = {kind.backbone: kind for kind in (CaffeNet,)}
