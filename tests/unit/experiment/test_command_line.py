import pytest

from tracklearn.errors import UserError
from tracklearn.experiment.command_line import command_line_settings


@pytest.mark.parametrize(
    ("entry", "settings"),
    [
        ("videos={shard_size: 10}", {"videos": {"shard_size": 10}}),
        # Snakemake hands the words of `--config` to the processes of jobs, and what Python prints to those of a module.
        ("videos={'shard_size': 10}", {"videos": {"shard_size": 10}}),
        ("subsets={all: {share: [0, 0.5], patches: 10}}", {"subsets": {"all": {"share": [0, 0.5], "patches": 10}}}),
        ("scenes={download: false, lists: null}", {"scenes": {"download": False, "lists": None}}),
        ("section6=null", {"section6": None}),
        ("section6=", {"section6": None}),
        ("table2=[]", {"table2": []}),
        ("gpus_per_training=2", {"gpus_per_training": 2}),
        ("voc={root: a=b}", {"voc": {"root": "a=b"}}),
        ('voc={root: "2012"}', {"voc": {"root": "2012"}}),
    ],
)
def test_values_are_yaml(entry, settings):
    assert command_line_settings([entry]) == [settings]


def test_a_value_that_is_not_yaml_is_one_line():
    with pytest.raises(UserError) as raised:
        command_line_settings(["videos={shard_size: [10}"])
    assert str(raised.value) == (
        "--config videos={shard_size: [10}: expected ',' or ']', but got '}'; expected YAML in quotes, such as "
        "--config 'videos={shard_size: 10}'"
    )
