import numpy as np
import pytest
import torch
from reference.ranking import fork_layer, loops_hardest

from tracklearn.ranking.loss import cosine_distances, fork_loss
from tracklearn.ranking.negatives import fork_negatives, hardest_negatives, other_videos, random_negatives
from tracklearn.seeds import torch_generator

VIDEOS = [0, 0, 1, 2, 2, 2, 3]


def features(seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(2 * len(VIDEOS), 6)).astype(np.float32))


def draws(seed, shape=(7, 14)):
    generator = torch_generator(seed)
    return [torch.rand(shape, generator=generator) for _ in range(2)]


def as_set(mask):
    return {(int(pair), int(row)) for pair, row in mask.nonzero()}


def others():
    return other_videos(torch.tensor(VIDEOS))


def test_others_are_the_rows_of_other_videos():
    expected = {(pair, row) for pair, video in enumerate(VIDEOS) for row in range(14) if VIDEOS[row // 2] != video}
    assert as_set(others()) == expected


def test_random_negatives_are_distinct_rows_of_other_videos():
    chosen = random_negatives(others(), draws(1)[0], negatives_per_pair=4)
    assert chosen.sum(1).tolist() == [4] * 7
    assert as_set(chosen) <= as_set(others())
    assert torch.equal(chosen, random_negatives(others(), draws(1)[0], negatives_per_pair=4))


def test_random_negatives_are_drawn_evenly():
    drawn = sum(random_negatives(others(), draws(i)[0], negatives_per_pair=4).float() for i in range(600)) / 600
    expected = 4 * others().float() / others().sum(1, keepdim=True)
    assert (drawn - expected).abs().max().item() < 0.08


def test_hardest_negatives_are_those_of_the_loop():
    values = features()
    chosen = hardest_negatives(cosine_distances(values), others(), negatives_per_pair=4)
    assert as_set(chosen) == set(loops_hardest(values.double().numpy(), VIDEOS, 4))


def test_few_others_are_all_taken_and_a_lone_video_has_none():
    distances = cosine_distances(features()[:4])
    two_videos = other_videos(torch.tensor([0, 1]))
    assert hardest_negatives(distances, two_videos, negatives_per_pair=4).sum(1).tolist() == [2, 2]
    assert random_negatives(two_videos, draws(1, (2, 4))[0], negatives_per_pair=4).sum(1).tolist() == [2, 2]
    single_video = other_videos(torch.tensor([5, 5]))
    assert not hardest_negatives(distances, single_video, negatives_per_pair=4).any()


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_fork_s_choice_and_loss_are_those_of_its_layer(margin, seed):
    values = features(seed)
    distances = cosine_distances(values)
    chosen = fork_negatives(distances, others(), draws(seed), negatives_per_pair=4, margin=margin)
    loss = fork_loss(distances, chosen, margin=margin, negatives_per_pair=4).item()

    drawn = as_set(chosen)

    def same_draw(pair, candidates):
        """Where the layer shuffles, put the rows first that `fork_negatives` drew."""
        candidates.sort(key=lambda violator: (pair, violator[1]) not in drawn)

    expected, triplets = fork_layer(values.double().numpy(), np.repeat(VIDEOS, 2), margin, 4, same_draw)
    assert drawn == set(triplets)
    assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("count", [3, 4, 6])
def test_the_fork_draws_half_of_its_negatives_from_the_nearest(count):
    """All rows of other videos violate a margin of 2; how often each is chosen follows from the two draws."""
    distances = cosine_distances(features())
    choices = torch.stack(
        [fork_negatives(distances, others(), draws(i), negatives_per_pair=count, margin=2.0) for i in range(600)]
    )
    nearest = hardest_negatives(distances, others(), negatives_per_pair=count)
    assert ((choices & nearest).sum(2) >= count // 2).all()
    first_draw = nearest * (count // 2 / count)
    left = others().sum(1, keepdim=True) - count // 2
    expected = first_draw + (others() * 1.0 - first_draw) * (count - count // 2) / left
    assert (choices.float().mean(0) - expected).abs().max().item() < 0.08
