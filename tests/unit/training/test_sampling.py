import numpy as np

from tracklearn.training.sampling import batch_rng, coins, mirrored, shuffled


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


def test_each_image_is_mirrored_on_its_own():
    images = np.arange(100 * 2 * 3 * 3, dtype=np.int64).reshape(100, 2, 3, 3)
    result = mirrored(images.copy(), coins(batch_rng(0, 5), len(images)))
    flipped = (result == images[:, :, ::-1]).all((1, 2, 3))
    kept = (result == images).all((1, 2, 3))
    assert (flipped ^ kept).all()
    assert 35 < flipped.sum() < 65
