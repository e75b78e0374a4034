import numpy as np
import pytest
import torch
from reference.normals import loops_triangles
from worlds.directions import AROUND, hemisphere

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import to_input
from tracklearn.networks.of_normals import NormalsNet
from tracklearn.normals.cells import unit
from tracklearn.normals.decoding import decode_soft, decode_triangle, predict, triangles
from tracklearn.normals.learned_words import learn_words


def test_a_word_is_decoded_to_itself_by_either_way():
    words = learn_words(hemisphere(2000), 20)
    assert np.allclose(decode_soft(np.eye(20), words), words)
    assert np.allclose(decode_triangle(np.eye(20), words, triangles(words)), words)


def test_soft_decoding_is_the_weighted_mean_of_all_words():
    probabilities = np.array([[[0.5, 0.5, 0, 0, 0], [0, 0.25, 0.25, 0.25, 0.25]]])
    found = decode_soft(probabilities, AROUND)
    assert found.shape == (1, 2, 3)
    assert found[0, 0] == pytest.approx(unit(AROUND[0] + AROUND[1]))
    assert found[0, 1] == pytest.approx(AROUND[0])


def test_the_triangle_with_the_largest_summed_probability_is_decoded_alone():
    """Words 0, 1, 2 sum to 0.8, more than 0, 3, 4; the mass on words 3 and 4 does not count."""
    corners = triangles(AROUND)
    found = decode_triangle(np.array([0.4, 0.2, 0.2, 0.1, 0.1]), AROUND, corners)
    assert found == pytest.approx(unit(2 * AROUND[0] + AROUND[1] + AROUND[2]))


def test_four_words_around_one_make_four_triangles():
    assert sorted(triangles(AROUND).tolist()) == [[0, 1, 2], [0, 1, 4], [0, 2, 3], [0, 3, 4]]


@pytest.mark.parametrize("words", [AROUND[1:], AROUND[:3]])
def test_words_in_one_plane_are_refused(words):
    with pytest.raises(UserError, match=r"normals\.codebook\.words is \d, but these words lie in one plane .*"):
        triangles(words)


def test_triangles_are_those_of_a_search_over_all_triples():
    words = learn_words(hemisphere(1000), 15)
    assert sorted(map(tuple, triangles(words).tolist())) == loops_triangles(words)


def a_net():
    return NormalsNet(cells=3, words=5, width=0.1, input_size=67, conv_std=0.05, fc_std=0.05)


def some_images():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 67, 67, 3), np.uint8))


def test_predictions_are_decoded_probabilities():
    net, images = a_net(), some_images()
    probabilities = net.scores(to_input(images)).softmax(-1).detach().numpy()
    assert predict(net, images, AROUND) == pytest.approx(decode_soft(probabilities, AROUND), abs=1e-6)
    by_triangle = predict(net, images, AROUND, "triangle")
    assert by_triangle.shape == (4, 3, 3, 3)
    assert np.linalg.norm(by_triangle, axis=-1) == pytest.approx(1)


def test_a_sure_network_answers_with_its_word_by_either_decoding():
    net, images = a_net(), some_images()
    with torch.no_grad():
        net.fc7.weight.zero_()
        net.fc7.bias.copy_(torch.tensor([0, 0, 100.0, 0, 0]).repeat(9))
    for decoding in ("soft", "triangle"):
        assert np.allclose(predict(net, images, AROUND, decoding), AROUND[2])
