import numpy as np
import pytest
from worlds.directions import AROUND, hemisphere

from tracklearn.errors import UserError
from tracklearn.normals.cells import unit
from tracklearn.normals.learned_words import learn_words, sample_normals

X, _, Z = np.eye(3)


def test_k_means_finds_well_separated_directions():
    rng = np.random.default_rng(0)
    noisy = unit(np.repeat(AROUND, 50, axis=0) + 0.02 * rng.standard_normal((250, 3)))
    words = learn_words(noisy, 5)
    assert np.linalg.norm(words, axis=1) == pytest.approx(1)
    closest = (words @ AROUND.T).max(axis=0)
    assert np.degrees(np.arccos(closest)).max() < 1


def test_equal_seeds_give_equal_words():
    normals = hemisphere(500)
    assert np.array_equal(learn_words(normals, 20, seed=3), learn_words(normals, 20, seed=3))


def test_too_few_different_normals_are_named():
    with pytest.raises(UserError, match=r"normals\.codebook\.words is 20, but the sample holds 5 different normals"):
        learn_words(np.repeat(AROUND, 9, axis=0), 20)


def test_a_sample_holds_known_normals_of_each_image_and_depends_on_the_seed():
    truth = [np.zeros((6, 6, 3), np.float32) for _ in range(3)]
    truth[0][:2] = X
    truth[2][3:] = Z
    sample = sample_normals(truth, [0, 2], 10)
    assert sample.tolist() == [X.tolist()] * 10 + [Z.tolist()] * 10
    assert len(sample_normals(truth, [0, 2], 100)) == 12 + 18
    truth[1][:] = hemisphere(36).reshape(6, 6, 3)
    assert not np.array_equal(sample_normals(truth, [1], 10, seed=0), sample_normals(truth, [1], 10, seed=1))
