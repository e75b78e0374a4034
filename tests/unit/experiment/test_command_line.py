import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm import Executor, ExecutorSettings

from tracklearn.errors import UserError
from tracklearn.experiment.command_line import check_executor, command_line_settings


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


@pytest.mark.parametrize("settings", [None, object(), ExecutorSettings(status_command="squeue")])
def test_jobs_without_arrays_pass(settings):
    check_executor(settings)


def test_arrays_of_slurm_jobs_are_refused_in_one_line():
    with pytest.raises(UserError) as raised:
        check_executor(ExecutorSettings(array_jobs="mining_track", status_command="squeue"))
    assert str(raised.value) == (
        "slurm-array-jobs: mining_track: the plugin for SLURM never submits some of these jobs, and the run hangs "
        "(snakemake-executor-plugin-slurm, issue 473); leave this option out"
    )


def test_the_plugin_still_drops_jobs_of_arrays():
    """Where this fails, the plugin is mended: arrays need not be refused any more."""
    jobs = [
        SimpleNamespace(rule=SimpleNamespace(name="mining_track"), is_group=lambda: False, needrun=True)
        for _ in range(5)
    ]
    submitted = []
    plugin = object.__new__(Executor)
    plugin._main_event_loop, plugin.logger = None, logging.getLogger("plugin")
    plugin.array_jobs, plugin.max_array_size = {"mining_track"}, 1000
    plugin.workflow = SimpleNamespace(dag=SimpleNamespace(ready_jobs=jobs))
    plugin._submit_job, plugin._submit_array_jobs = submitted.append, submitted.extend
    plugin.run_jobs(jobs[:2])
    assert submitted == []
    plugin.run_jobs(jobs)
    assert submitted == jobs


def test_slurm_starts_a_job_again_whose_node_failed_and_snakemake_does_not():
    from snakemake.cli import parse_args  # noqa: PLC0415
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry  # noqa: PLC0415

    profile = Path(__file__).parents[3] / "profiles/slurm"
    _, arguments = parse_args(["--workflow-profile", str(profile)])
    settings = ExecutorPluginRegistry().get_plugin("slurm").get_settings(arguments)
    assert (settings.requeue, settings.no_requeue) == (True, False)
