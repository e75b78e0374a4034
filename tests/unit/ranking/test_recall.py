import pytest
import torch

from tracklearn.ranking.loss import cosine_distances
from tracklearn.ranking.negatives import other_videos
from tracklearn.ranking.recall import category_precision, other_pairs, ranks_in_blocks, tracked_ranks

# Directions in degrees, query and tracked patch of five pairs: the distance grows with the angle between them.
DIRECTIONS = [(0, 4), (2, 5), (40, 41), (43, 49), (90, 60)]
VIDEOS = torch.tensor([0, 0, 1, 2, 3])


def on_circle(directions=DIRECTIONS):
    angles = torch.tensor(directions).flatten().deg2rad()
    return cosine_distances(torch.stack([angles.cos(), angles.sin()], dim=1))


def test_ranks_among_all_other_pairs_by_hand():
    # 0: 2 is nearer than 4. 2: 0 and 4 are nearer than 5. 40: 41 is nearest. 43: 40 and 41 are nearer than 49.
    # 90: 60 is nearest.
    assert tracked_ranks(on_circle(), other_pairs(5)).tolist() == [1, 2, 0, 2, 0]


def test_ranks_among_other_videos_by_hand():
    assert tracked_ranks(on_circle(), other_videos(VIDEOS)).tolist() == [0, 0, 0, 2, 0]


def test_features_that_have_collapsed_have_the_last_rank():
    collapsed = cosine_distances(torch.ones(10, 3))
    assert tracked_ranks(collapsed, other_pairs(5)).tolist() == [8] * 5


@pytest.mark.parametrize("block", [1, 3, 64])
def test_ranks_in_blocks_are_those_of_all_distances(block):
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    videos, distances = torch.arange(20) // 3, cosine_distances(features)
    for owners, rivals in ((torch.arange(20), other_pairs(20)), (videos, other_videos(videos))):
        assert ranks_in_blocks(features, owners, block=block).equal(tracked_ranks(distances, rivals))


@pytest.mark.parametrize("block", [1, 3, 64])
def test_rivals_at_the_same_distance_count_in_blocks_too(block):
    assert ranks_in_blocks(torch.ones(10, 3), torch.arange(5), block=block).tolist() == [8] * 5


def test_precision_counts_categories_among_the_nearest_of_other_videos():
    categories = torch.tensor([0, 0, 0, 1, 1])
    # 0 and 2: 40, 41 and 43. 40: 43, 49 and 60. 43: 41, 40 and 60. 90: 49, 43 and 41.
    expected = [2 / 3, 2 / 3, 0, 1 / 3, 2 / 3]
    assert category_precision(on_circle(), VIDEOS, categories, k=3).tolist() == pytest.approx(expected)


def test_pairs_without_a_category_are_neither_queries_nor_counted():
    categories = torch.tensor([0, 0, -1, 1, 0])
    # 0 and 2: 43 and 49. 43: 60 and 5. 90: 49 and 43.
    assert category_precision(on_circle(), VIDEOS, categories, k=2).tolist() == [0, 0, 0, 0]
    # With four: 0 and 2: 43, 49, 60 and 90. 43: 60, 5, 4 and 2. 90: 49, 43, 5 and 4.
    assert category_precision(on_circle(), VIDEOS, categories, k=4).tolist() == [0.5, 0.5, 0, 0.5]


def test_too_few_rows_for_k_are_an_error():
    with pytest.raises(ValueError, match="k is 9, but some query has only 6 rows of other videos"):
        category_precision(on_circle(), VIDEOS, torch.zeros(5, dtype=torch.long), k=9)
