import json
from pathlib import Path

import pytest

from tracklearn.errors import UserError
from tracklearn.experiment.plan import Plan


def pack(patches):
    """Pack the first shards with so many patches each."""
    Path("results/patches").mkdir(parents=True, exist_ok=True)
    for shard, count in enumerate(patches):
        Path(f"results/patches/{shard:05d}.json").write_text(json.dumps({"patches": count}))


def run(config, *, trained=()):
    """Plan, begin to run, and leave the weights of some models; returns how many shards 5M's and 8M's read."""
    Path("results/videos").mkdir(parents=True, exist_ok=True)
    Path("results/models").mkdir(parents=True, exist_ok=True)
    plan = Plan(config)
    read = [len(plan.subsets.shards(model)) for model in ("unsup-5M", "unsup-8M")]
    plan.mining.record_boundaries()
    plan.subsets.record_counts()
    for model in trained:
        weights = Path(plan.weights(model))
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.touch()
    return read


def test_a_poor_harvest_gives_a_trained_net_no_further_shards(config):
    assert run(config, trained=["unsup-5M"]) == [4, 6]
    pack([50] * 6)
    assert run(config, trained=["unsup-8M"]) == [4, 9]  # the net of 8M had no weights yet
    pack([50] * 9)
    assert run(config) == run(config) == [4, 9]


def test_a_net_that_is_trained_after_a_poor_harvest_keeps_its_further_shards(config):
    pack([50] * 5)  # as `snakemake pairs` leaves them
    assert run(config, trained=["unsup-8M"]) == [7, 9]  # 5M lies inside 8M
    pack([10] * 9)
    assert run(config) == [7, 9]
    Path("results/models/unsup-8M/weights.safetensors").unlink()
    assert run(config) == [10, 10]


def test_a_job_reads_the_shards_that_its_run_planned(config):
    assert run(config) == [4, 6]
    pack([50] * 6)
    assert len(Plan(config, of_job=True).subsets.shards("unsup-8M")) == 6


def test_appended_videos_extend_a_subset_that_has_too_few_shards(config, append_videos):
    config["subsets"]["8M"]["patches"] = 1200
    assert run(config, trained=["unsup-5M", "unsup-8M"]) == [4, 10]
    append_videos(3)
    assert run(config) == [4, 12]


def test_a_strict_subset_with_too_few_patches_stops_the_run_after_the_training_too(config):
    config["subsets"]["8M"]["strict"] = True
    run(config)  # nothing is packed yet
    pack([50] * 6)
    assert run(config) == [7, 9]  # further shards may hold what is missing
    pack([50] * 10)
    message = r"^config: subsets\.8M: only 500 of 600 patches were mined in 10 shards, and `strict` is true; add videos"
    with pytest.raises(UserError, match=message):
        run(config)
    config["subsets"]["8M"]["strict"] = False
    run(config, trained=["unsup-8M"])
    config["subsets"]["8M"]["strict"] = True
    with pytest.raises(UserError, match=r"delete results/models/unsup-8M/weights\.safetensors"):
        run(config)
    assert len(Plan(config, of_job=True).subsets.shards("unsup-8M")) == 10  # the training states the same
    pack([60] * 10)
    assert run(config)[1] == 10


def test_a_control_reads_the_shards_of_its_method_in_the_same_order(config):
    """5M is a part of 8M, and 1.5M has a shard of its own in front."""
    config["ranking"] = {"augment": {"crop": [0.5, 1]}}
    for kind in ("still", "random-box", "any-frame", "one-patch"):
        config["models"][kind] = config["models"]["unsup-8M"] | {"pairs": kind}
    plan = Plan(config)
    assert plan.subsets.kind_of_pairs("still") == "still"
    method, parts = plan.subsets.shards("unsup-8M"), plan.subsets.inner_parts("unsup-8M")
    assert len(method) == 6
    for kind in ("still", "random-box", "any-frame", "one-patch"):
        there = [path.replace("results/patches/", f"results/patches/controls/{kind}/") for path in method]
        assert plan.subsets.shards(kind) == there
        assert [number for _, number in plan.subsets.inner_parts(kind)] == [number for _, number in parts]
        assert {path for paths, _ in plan.subsets.inner_parts(kind) for path in paths} <= {*there}
    pack([50] * 10)
    assert len(Plan(config).subsets.shards("still")) == len(Plan(config).subsets.shards("unsup-8M")) == 10
