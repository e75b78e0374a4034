import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tracklearn.training.sampling import SpreadOrder, _order, batch_rng, coins, mirrored, shuffled


def test_every_epoch_visits_everything_once_in_a_new_order():
    epochs = np.concatenate([shuffled(i, count=4, total=10, seed=1) for i in range(5)]).reshape(2, 10)
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()


def test_a_batch_may_exceed_the_epoch():
    assert sorted(shuffled(0, count=7, total=3, seed=1)[:6]) == [0, 0, 1, 1, 2, 2]


def test_batches_depend_on_seed_and_iteration_alone():
    later = shuffled(100, count=5, total=1000, seed=3)
    shuffled(0, count=5, total=1000, seed=3)
    assert later.tolist() == shuffled(100, count=5, total=1000, seed=3).tolist()
    assert later.tolist() != shuffled(100, count=5, total=1000, seed=4).tolist()


def test_a_resume_orders_its_own_epoch_only():
    total, count = 4_000_000, 50
    _order.cache_clear()
    batch = shuffled(349_999, count=count, total=total, seed=3)
    assert _order.cache_info().misses == 1
    assert batch.tolist() == _order(total, 3, 4)[-50 - 2_500_000 : -2_500_000].tolist()
    _order.cache_clear()  # 32 MB


def test_groups_are_spread_over_every_epoch():
    sizes = np.random.default_rng(0).integers(1, 20, 200)
    groups = np.random.default_rng(1).permutation(np.repeat(np.arange(200), sizes))
    order = SpreadOrder(groups, seed=1, count=50)
    batches = np.array([order.batch(iteration) for iteration in range(len(groups) // 50)])
    for batch in batches:
        assert len(set(groups[batch])) == 50
    assert len(set(batches.ravel())) == batches.size
    again = SpreadOrder(groups, seed=1, count=50)
    assert again.batch(7).tolist() == batches[7].tolist()
    assert SpreadOrder(groups, seed=2, count=50).batch(7).tolist() != batches[7].tolist()
    following = np.concatenate([order.batch(iteration) for iteration in range(2 * len(groups) // 50 + 1)])
    first, second = following[: len(groups)], following[len(groups) : 2 * len(groups)]
    assert sorted(first) == sorted(second) == list(range(len(groups)))
    assert (first != second).mean() > 0.9


def test_in_every_epoch_a_video_meets_many_others_and_not_the_same_ones():
    """2,000 videos of 40 pairs in batches of 50; a random order would have a video meet about 1,250 others."""
    videos, epoch = np.repeat(np.arange(2000), 40), 1600
    order = SpreadOrder(videos, seed=1, count=50)
    met = np.zeros((2, 2000, 2000), bool)
    for iteration in range(2 * epoch):
        members = videos[order.batch(iteration)]
        assert len(set(members)) == 50
        met[iteration // epoch][np.ix_(members, members)] = True
    assert (met.sum(2) - 1).min() >= 1000
    assert (met[0] & met[1]).sum(1).max() < 0.75 * met[0].sum(1).min()
    later = SpreadOrder(videos, seed=1, count=50)
    assert later.batch(2399).tolist() == order.batch(2399).tolist()


@pytest.mark.parametrize("count", [20, 50, 64])
def test_a_group_of_one_batch_th_of_the_examples_is_never_twice_in_a_batch(count):
    """Groups of the largest size that fits, and small ones; in later epochs the batches begin within the epoch."""
    largest, total = 30, 31 * count + 7
    sizes = [largest] * (count // 2)
    sizes += np.random.default_rng(1).multinomial(total - sum(sizes), np.ones(200) / 200).tolist()
    groups = np.random.default_rng(2).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order = SpreadOrder(groups, seed=3, count=count)
    for epoch in range(5):
        for iteration in range(-(-epoch * total // count), (epoch + 1) * total // count):
            assert len(set(groups[order.batch(iteration)])) == count


@pytest.mark.parametrize(("videos", "pairs", "count"), [(60, 13, 50), (30, 7, 16), (150, 5, 100), (400, 1, 64)])
def test_a_batch_across_two_epochs_holds_distinct_groups(videos, pairs, count):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(videos), pairs))
    batches = 6 * len(groups) // count
    order = SpreadOrder(groups, seed=5, count=count)
    drawn = np.array([order.batch(iteration) for iteration in range(batches)])
    assert [len(set(groups[batch])) for batch in drawn] == [count] * batches
    epochs = drawn.ravel()[: 5 * len(groups)].reshape(5, -1)
    assert [sorted(epoch) for epoch in epochs] == [list(range(len(groups)))] * 5
    # Alone, the orders of the epochs have batches with two examples of a group.
    spread = np.concatenate([order._spread(epoch) for epoch in range(6)])[: drawn.size].reshape(drawn.shape)
    assert any(len(set(groups[batch])) < count for batch in spread)
    changed = (spread != drawn).any(axis=1)
    assert changed.sum() <= 2 * sum(len(set(groups[batch])) < count for batch in spread) * count
    resumed = SpreadOrder(groups, seed=5, count=count)
    for iteration in reversed(range(batches)):
        assert resumed.batch(iteration).tolist() == drawn[iteration].tolist()


def test_a_group_with_more_examples_than_batches_is_shared_out_evenly():
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(61), [67] + [4] * 60))
    for seed in range(10):
        order = SpreadOrder(groups, seed=seed, count=10)
        counts = [int((groups[order.batch(iteration)] == 0).sum()) for iteration in range(30)]
        assert set(counts) <= {2, 3}


def test_threads_that_need_an_epoch_at_the_same_time_compute_it_once(monkeypatch):
    computed_epochs = []
    spread = SpreadOrder._spread
    monkeypatch.setattr(
        SpreadOrder, "_spread", lambda order, epoch: computed_epochs.append(epoch) or spread(order, epoch)
    )
    order = SpreadOrder(np.repeat(np.arange(20_000), 5), seed=1, count=50)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(order.batch, [*range(8), *range(1996, 2004)]))
    assert sorted(computed_epochs) == [0, 1]


def test_a_group_of_most_examples_is_spread_as_well():
    groups = np.repeat([0, 1], [90, 10])
    order = SpreadOrder(groups, seed=1, count=20)
    counts = [int((groups[order.batch(iteration)] == 1).sum()) for iteration in range(5)]
    assert counts == [2, 2, 2, 2, 2]


def test_members_of_a_group_come_in_every_order():
    groups = np.repeat(np.arange(50), 2)
    firsts = [np.argsort(SpreadOrder(groups, seed, count=100).batch(0)).reshape(50, 2) for seed in range(20)]
    assert 0.4 < np.mean([first[:, 0] < first[:, 1] for first in firsts]) < 0.6


def test_each_image_is_mirrored_on_its_own():
    images = np.random.default_rng(0).permutation(100 * 2 * 3 * 3).reshape(100, 2, 3, 3).astype(np.uint8)
    result = mirrored(images.copy(), coins(batch_rng(0, 5), len(images)))
    flipped = (result == images[:, :, ::-1]).all((1, 2, 3))
    kept = (result == images).all((1, 2, 3))
    assert (flipped ^ kept).all()
    assert 35 < flipped.sum() < 65


def test_images_of_the_network_s_size_are_mirrored_whole():
    images = np.random.default_rng(1).integers(0, 256, (6, 227, 227, 3), np.uint8)
    result = mirrored(images.copy(), coins(batch_rng(0, 1), len(images)))
    kept = [(after == before).all() for after, before in zip(result, images, strict=True)]
    assert 0 < sum(kept) < 6
    for after, before, same in zip(result, images, kept, strict=True):
        np.testing.assert_array_equal(after, before if same else before[:, ::-1])


def test_mirroring_starts_no_threads():
    program = (
        "import os, numpy, torch\n"
        "from tracklearn.training.sampling import batch_rng, mirrored\n"
        "torch.set_num_threads(4)\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "mirrored(numpy.zeros((4, 227, 227, 3), numpy.uint8), numpy.ones(4, bool))\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
