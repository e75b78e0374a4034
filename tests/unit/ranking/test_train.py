import csv

import numpy as np
import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import build, load_weights, save_weights
from tracklearn.patches.subset import Subset
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.ranking.loss import cosine_distances, query_hinges
from tracklearn.ranking.negatives import hardest_negatives, other_videos
from tracklearn.ranking.train import PairBatches, RankingObjective, measure, train_ranking
from tracklearn.settings.ranking import Loss
from tracklearn.settings.training import RankingSchedule
from tracklearn.training import job

# Standard deviations at which the signal passes through so narrow a network.
NETWORK = {
    "width": 1 / 8,
    "input_size": 67,
    "ranking_fc7": 64,
    "conv_std": 0.03,
    "fc_std": 0.03,
    "ranking_fc_std": 0.06,
    "bias": 0.0,
}
SCHEDULE = {"lr": 0.003, "random_iterations": 50, "iterations": 10, "batch": 32}
SAVING = {"log_every": 10}


def objective(*, random_iterations=150_000, **loss):
    return RankingObjective(loss_settings=Loss(**loss), random_iterations=random_iterations, seed=1)


def choose(objective, distances, others, iteration):
    """The negatives that an objective chooses with its own draws."""
    draws = objective.draw(None, (None, torch.zeros(len(others))), iteration)
    return objective.choose(distances, others, draws, iteration)


def pattern(seed, size=67):
    colours = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return colours.repeat(9, 0).repeat(9, 1)[:size, :size]


def write_store(path, videos=20, per_video=3, size=67):
    """Each video has its own patterns; the tracked patch is the query in another light."""
    pairs = []
    for video in range(videos):
        for each in range(per_video):
            query = pattern(100 * video + each, size)
            tracked = (0.8 * query).astype(np.uint8)
            pairs.append(Pair(f"v{video}", (0, 30), np.zeros((2, 4)), 1.0, query, tracked))
    write_shard(path, pairs, size=size, quality=95)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("store") / "00000.h5")


def run(folder, store, **changes):
    arguments = {
        "network": NETWORK,
        "loss": {},
        "schedule": SCHEDULE,
        "saving": SAVING,
        "seed": 1,
        "threads": 1,
    } | changes
    return train_ranking(
        stores=[store],
        weights=folder / "weights.safetensors",
        log=folder / "log.csv",
        checkpoints=folder / "checkpoints",
        conv1=folder / "conv1.png",
        **arguments,
    )


def read_log(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_training_learns_to_rank_and_its_log_shows_so(tmp_path, store):
    metrics = run(tmp_path, store)
    log = read_log(tmp_path)
    columns = ["loss", "lr", "violated", "positive_distance", "negative_distance", "spread", "images_per_s", "waiting"]
    assert list(log[0]) == ["iteration", *columns]
    random_phase = [float(row["loss"]) for row in log[:5]]
    assert random_phase[-1] < 0.6 * random_phase[0]
    assert metrics["negative_distance"] > 3 * metrics["positive_distance"]
    assert metrics["spread"] > 0.3
    state, metadata = load_weights(tmp_path / "weights.safetensors")
    assert state["fc7.weight"].shape == (64, 512)
    assert (metadata["training"], metadata["pairs"]) == ("ranking", 60)
    assert "fc8.weight" not in state


def test_bf16_learns_about_as_well(tmp_path, store):
    losses = {}
    for precision in ("fp32", "bf16"):
        run(
            tmp_path / precision,
            store,
            schedule=SCHEDULE | {"precision": precision, "random_iterations": 60, "stages": "one", "iterations": 60},
        )
        losses[precision] = np.array([float(row["loss"]) for row in read_log(tmp_path / precision)])
    assert not np.array_equal(losses["bf16"], losses["fp32"])
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], atol=0.1)
    assert losses["bf16"][-1] < 0.5 * losses["bf16"][0]
    state, _ = load_weights(tmp_path / "bf16" / "weights.safetensors")
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_the_loss_is_fp32_under_bf16():
    """In bf16 a loss near 0.5 would change in steps of 0.002."""
    patches = torch.randint(0, 256, (4, 2, 67, 67, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        loss, values = objective()(new_network(NETWORK, head="ranking", seed=1), (patches, torch.arange(4)), 0)
    assert {value.dtype for value in (loss, *values.values())} == {torch.float32}


def test_the_fork_s_variant_trains_by_config(tmp_path, store):
    run(
        tmp_path,
        store,
        loss={"form": "fork", "margin": 0.5},
        schedule=SCHEDULE | {"random_iterations": 0, "iterations": 30},
    )
    losses = [float(row["loss"]) for row in read_log(tmp_path)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("form", "sampling"), [("paper", "fork"), ("fork", "paper")])
def test_either_loss_may_be_trained_with_the_other_one_s_negatives(form, sampling):
    distances = torch.rand(12, 12, generator=torch.Generator().manual_seed(1))
    others = other_videos(torch.arange(6))
    objectives = (
        objective(form=form, sampling=sampling, random_iterations=0),
        objective(form=form, random_iterations=0),
        objective(form=sampling, random_iterations=0),
    )
    mixed, own, other = (choose(each, distances, others, 3) for each in objectives)
    assert torch.equal(mixed, other)
    assert not torch.equal(mixed, own)


def test_a_net_trains_on_as_many_patches_as_were_mined_and_its_weights_state_their_number(tmp_path, store):
    run(tmp_path, store, patches=8_000_000, schedule=SCHEDULE | {"iterations": 1})
    assert load_weights(tmp_path / "weights.safetensors")[1]["pairs"] == 60


def test_fewer_pairs_than_a_batch_suffice(tmp_path, store):
    run(tmp_path, store, patches=12, schedule=SCHEDULE | {"iterations": 2, "batch": 100})
    assert load_weights(tmp_path / "weights.safetensors")[1]["pairs"] == 6


def test_no_pairs_at_all_is_a_one_line_error(tmp_path):
    write_shard(tmp_path / "empty.h5", [], size=67, quality=95)
    with pytest.raises(UserError, match=r"^ranking: 0 pairs of 0 videos; negatives need at least 2; add videos$"):
        run(tmp_path, tmp_path / "empty.h5", patches=8_000_000)


def test_a_parent_gives_its_conv_layers_and_nothing_else(tmp_path, store):
    parent = new_network(NETWORK, head="detection", outputs=21, seed=9)
    save_weights(tmp_path / "parent.safetensors", parent)
    run(
        tmp_path,
        store,
        parent=tmp_path / "parent.safetensors",
        schedule=SCHEDULE | {"random_iterations": 0, "iterations": 1, "lr": 1e-12},
    )
    net, fresh = build(tmp_path / "weights.safetensors"), new_network(NETWORK, head="ranking", seed=1)
    torch.testing.assert_close(net.conv3.weight, parent.conv3.weight)
    torch.testing.assert_close(net.fc6.weight, fresh.fc6.weight)


def test_a_batch_depends_on_seed_and_iteration_alone(store):
    batches = PairBatches(Subset([store]), 8, seed=1)
    patches, videos = batches(3)
    batches(0)
    again, same_videos = PairBatches(Subset([store]), 8, seed=1)(3)
    assert torch.equal(patches, again)
    assert torch.equal(videos, same_videos)
    assert patches.shape == (8, 2, 67, 67, 3)
    assert not torch.equal(patches, PairBatches(Subset([store]), 8, seed=2)(3)[0])


def test_batches_are_the_same_whether_decoded_pairs_are_kept_or_not(store, monkeypatch):
    subset = Subset([store])
    kept, decoded_again = PairBatches(subset, 8, seed=1), PairBatches(subset, 8, seed=1, decoded_bytes=0)
    epoch = len(subset) // 8 + 1
    for iteration in range(2 * epoch):
        assert torch.equal(kept(iteration)[0], decoded_again(iteration)[0])
    monkeypatch.setattr(Subset, "pairs", None)  # every pair is decoded by now
    kept(2 * epoch)
    with pytest.raises(TypeError):
        decoded_again(2 * epoch)


def test_each_patch_of_a_pair_is_mirrored_on_its_own(store):
    subset = Subset([store])
    indices = {subset.pairs([i])[0, 0].tobytes(): (i, False) for i in range(60)}
    indices |= {np.ascontiguousarray(subset.pairs([i])[0, 0, :, ::-1]).tobytes(): (i, True) for i in range(60)}
    seen = set()
    for query, tracked in PairBatches(subset, 40, seed=1)(0)[0].numpy():
        index, query_mirrored = indices[query.tobytes()]
        original = subset.pairs([index])[0, 1]
        tracked_mirrored = not np.array_equal(tracked, original)
        np.testing.assert_array_equal(tracked, original[:, ::-1] if tracked_mirrored else original)
        seen.add((query_mirrored, tracked_mirrored))
    assert len(seen) == 4


def test_negatives_are_random_before_the_switch_and_hard_after():
    distances = cosine_distances(torch.randn(24, 5, generator=torch.Generator().manual_seed(1)))
    others = other_videos(torch.arange(12) // 2)
    ranking = objective(random_iterations=5)
    hardest = hardest_negatives(distances, others, negatives_per_pair=4)
    early = [choose(ranking, distances, others, iteration) for iteration in (0, 4, 4)]
    assert not torch.equal(early[0], early[1])
    assert torch.equal(early[1], early[2])
    assert not torch.equal(early[1], hardest)
    assert torch.equal(choose(ranking, distances, others, 5), hardest)
    fork = objective(random_iterations=5, form="fork", margin=0.1)
    assert torch.equal(choose(fork, distances, others, 4), early[1])
    violating = query_hinges(distances, margin=0.1) > 0
    assert not (choose(fork, distances, others, 5) & ~violating).any()
    assert (early[1] & ~violating).any()


@pytest.mark.parametrize("form", ["paper", "fork"])
def test_a_batch_of_one_video_teaches_nothing(store, form):
    net = new_network(NETWORK, head="ranking", seed=1)
    patches, _ = PairBatches(Subset([store]), 4, seed=1)(0)
    loss, values = objective(form=form)(net, (patches, torch.zeros(4, dtype=torch.int64)), 0)
    loss.backward()
    assert loss.item() == 0
    assert values["violated"].item() == 0
    assert all(not parameter.grad.any() for name, parameter in net.named_parameters() if "fc8" not in name)


def test_measurements_show_a_collapse():
    others = other_videos(torch.arange(4))
    collapsed = cosine_distances(torch.ones(8, 4))
    values = measure(collapsed, others, others, margin=0.5)
    assert {name: value.item() for name, value in values.items()} == {
        "violated": 1.0,
        "positive_distance": 0.0,
        "negative_distance": 0.0,
        "spread": 0.0,
    }
    apart = cosine_distances(torch.eye(4).repeat_interleave(2, 0))
    values = measure(apart, others, others, margin=0.5)
    assert values["violated"].item() == 0
    assert values["negative_distance"].item() == 1
    assert values["spread"].item() == pytest.approx(0.75**0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"margn": 1}}, "ranking.margn: unknown key; did you mean margin?"),
        ({"loss": {"form": "triplet"}}, "ranking.form is 'triplet'; expected one of paper, fork"),
        ({"schedule": SCHEDULE | {"lr": "0.001"}}, "schedule.lr is '0.001'; expected a number above 0"),
        ({"schedule": SCHEDULE | {"dropout": 0.5}}, "schedule.dropout: unknown key; known here: lr, iterations, batch"),
        ({"schedule": SCHEDULE | {"batch": 2}}, "schedule.batch is 2; expected an even number of patches, at least 4"),
        ({"schedule": SCHEDULE | {"batch": 7}}, "schedule.batch is 7; expected an even number of patches"),
        ({"saving": {"log_every": 0}}, "saving.log_every is 0; expected a whole number, at least 1"),
        ({"network": NETWORK | {"input_size": 99}}, "ranking: the patches are 67 px and network.input_size is 99"),
        ({"patches": 1000, "strict": True}, "a subset of 1000 patches: only 120 were mined in 1 shards"),
    ],
)
def test_bad_input_is_a_one_line_error(tmp_path, store, changes, message):
    with pytest.raises(UserError) as raised:
        run(tmp_path, store, **changes)
    assert str(raised.value).startswith(message)
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, store, monkeypatch):
    """A direct call, without the workflow, which names a folder by the digest of its job."""

    def killed(*_, **__):
        raise KeyboardInterrupt

    parents = [tmp_path / "parent-1.safetensors", tmp_path / "parent-2.safetensors"]
    for seed, parent in enumerate(parents):
        save_weights(parent, new_network(NETWORK, head="ranking", seed=seed))
    schedule = SCHEDULE | {"random_iterations": 1, "iterations": 1}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(job, "save_weights", killed)
        run(tmp_path, store, schedule=schedule, parent=parents[0])
    other_store = write_store(tmp_path / "00001.h5")
    for changes, difference in (
        ({"schedule": schedule | {"lr": 0.001}}, "schedule.lr 0.003, and this training has 0.001"),
        ({"schedule": schedule | {"batch": 16}}, "schedule.batch 32, and this training has 16"),
        ({"seed": 2}, "seed 1, and this training has 2"),
        ({"loss": {"margin": 1.0}}, "ranking.margin 0.5, and this training has 1.0"),
        ({"network": NETWORK | {"bias": 0.1}}, "network.bias 0.0, and this training has 0.1"),
        ({"parent": parents[1]}, 'parent "[0-9a-f]{64}", and this training has "[0-9a-f]{64}"'),
        ({"parent": None}, 'parent "[0-9a-f]{64}", and this training has null'),
        ({"patches": 100}, "pairs 60, and this training has 50"),
        ({"store": other_store}, r'stores\[0\].name "00000.h5", and this training has "00001.h5"'),
    ):
        remedy = f"set {difference.split()[0]} back to "
        line = f"^{tmp_path / 'checkpoints'}: the checkpoint was made with {difference}; {remedy}"
        with pytest.raises(UserError, match=line):
            run(tmp_path, **{"store": store, "schedule": schedule, "parent": parents[0]} | changes)
    assert not (tmp_path / "weights.safetensors").exists()
    run(tmp_path, store, schedule=schedule | {"lr": 0.003, "warmup": 0}, saving={"log_every": 1}, parent=parents[0])


def test_a_single_video_is_refused(tmp_path):
    lone = write_store(tmp_path / "lone.h5", videos=1)
    with pytest.raises(UserError, match="ranking: 3 pairs of 1 videos; negatives need at least 2; add videos"):
        run(tmp_path, lone)


INFONCE = {"form": "infonce", "temperature": 0.1}
INFONCE_SCHEDULE = SCHEDULE | {"lr": 0.001, "warmup": 20, "random_iterations": 0, "iterations": 80}


def test_infonce_learns_to_rank_and_its_measurements_mean_what_they_mean_elsewhere(tmp_path, store):
    metrics = run(tmp_path, store, loss=INFONCE, schedule=INFONCE_SCHEDULE)
    log = read_log(tmp_path)
    assert len(log) == 8
    assert float(log[-1]["loss"]) < 0.5 * float(log[0]["loss"])
    assert metrics["negative_distance"] > 3 * metrics["positive_distance"]
    assert metrics["violated"] < 0.7 * float(log[0]["violated"])


def test_infonce_compares_with_all_patches_of_other_videos():
    distances = cosine_distances(torch.randn(24, 5, generator=torch.Generator().manual_seed(1)))
    others = other_videos(torch.arange(12) // 2)
    for iteration in (0, 10):
        assert torch.equal(choose(objective(**INFONCE), distances, others, iteration), others)


def test_infonce_takes_a_schedule_without_random_negatives(tmp_path, store):
    expected = r"^schedule.random_iterations is 50; expected 0, since a loss of the form infonce chooses no"
    with pytest.raises(UserError, match=expected):
        run(tmp_path, store, loss=INFONCE)


@pytest.mark.parametrize("stages", ["one", "two"])
def test_stages_mean_the_same_without_random_negatives(stages):
    schedule = RankingSchedule.read(INFONCE_SCHEDULE | {"stages": stages})
    assert (schedule.restart, schedule.total) == (0, 80)


AUGMENT = {"crop": [0.5, 1], "colour": 0.4, "grey": 0.2, "blur": 0.2}


def test_a_stopped_training_with_augmented_patches_goes_on_to_the_same_bits(tmp_path, store):
    arguments = {
        "loss": INFONCE | {"augment": AUGMENT},
        "schedule": INFONCE_SCHEDULE | {"iterations": 6},
        "saving": {"log_every": 2, "checkpoint_every": 3},
    }

    def stop(iteration, row):
        if iteration == 4:
            raise KeyboardInterrupt

    run(tmp_path / "whole", store, **arguments)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", store, report=stop, **arguments)
    run(tmp_path / "stopped", store, **arguments)
    run(tmp_path / "plain", store, **arguments | {"loss": INFONCE})
    whole, stopped, plain = (
        load_weights(tmp_path / name / "weights.safetensors")[0] for name in ("whole", "stopped", "plain")
    )
    assert all(torch.equal(stopped[name], value) for name, value in whole.items())
    assert not torch.equal(plain["conv1.weight"], whole["conv1.weight"])


def test_augmented_patches_still_teach_to_rank(tmp_path, store):
    metrics = run(
        tmp_path, store, loss=INFONCE | {"augment": {"crop": [0.7, 1], "colour": 0.2}}, schedule=INFONCE_SCHEDULE
    )
    assert metrics["negative_distance"] > 3 * metrics["positive_distance"]
