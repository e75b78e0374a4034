"""What a function does when it is told nothing is what the paper's configuration says."""

from inspect import Parameter, signature

import pytest
import yaml

from tracklearn.mining.filtering import Rule, filter_shard
from tracklearn.mining.tracking.kcf import Tracking, track_shard
from tracklearn.patches.packing import pack_shard
from tracklearn.videos.download import download_shard


@pytest.mark.parametrize(
    ("function", "blocks"),
    [
        (download_shard, ["videos"]),
        (filter_shard, ["mining", "mining.frame", "mining.filter"]),
        (Rule, ["mining.filter"]),
        (track_shard, ["mining", "mining.frame", "mining.track"]),
        (Tracking, ["mining.track"]),
        (pack_shard, ["mining.frame", "patches"]),
    ],
)
def test_defaults_are_those_of_the_configuration(repository, function, blocks):
    configured = {}
    for block in blocks:
        values = yaml.safe_load((repository / "config/config.yaml").read_text())
        for key in block.split("."):
            values = values[key]
        configured |= values
    defaults = {
        name: parameter.default
        for name, parameter in signature(function).parameters.items()
        if parameter.default is not Parameter.empty and name in configured
    }
    assert len(defaults) >= 3
    assert defaults == {name: configured[name] for name in defaults}
