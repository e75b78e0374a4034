import numpy as np
import pytest
import torch
from reference.ranking import cosine_distance, loops_gradient, loops_infonce, loops_paper_loss

from tracklearn.ranking.loss import (
    cosine_distances,
    fork_loss,
    infonce_loss,
    paper_loss,
    positive_distances,
    query_hinges,
)
from tracklearn.ranking.negatives import fork_negatives, hardest_negatives, other_videos, random_negatives
from tracklearn.seeds import torch_generator


def features(pairs, size=8, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(2 * pairs, size)).astype(np.float32))


def mask(pairs, chosen):
    negatives = torch.zeros(pairs, 2 * pairs, dtype=torch.bool)
    for pair, row in chosen:
        negatives[pair, row] = True
    return negatives


def test_distances_are_those_of_the_loops():
    values = features(3)
    distances, values = cosine_distances(values), values.numpy()
    for a in range(6):
        for b in range(6):
            assert distances[a, b].item() == pytest.approx(cosine_distance(values[a], values[b]), abs=1e-6)


def test_distances_ignore_length_and_know_opposites_and_zeros():
    rows = torch.tensor([[1.0, 0], [5, 0], [-2, 0], [0, 3], [0, 0], [0, 0]])
    assert cosine_distances(rows)[0].tolist() == [0, 0, 2, 1, 1, 1]


def test_distances_are_exact_under_autocast():
    values = features(4, size=256)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(cosine_distances(values), cosine_distances(values.clone()))
        assert cosine_distances(values).dtype == torch.float32
    torch.testing.assert_close(cosine_distances(values)[0, 0].item(), 0.0, atol=1e-6, rtol=0)


def test_positives_are_the_pairs():
    distances = torch.arange(36.0).reshape(6, 6)
    assert positive_distances(distances).tolist() == [1, 15, 29]


def test_the_paper_s_loss_is_the_loop_over_triplets():
    values, chosen = features(4), [(0, 2), (0, 7), (1, 0), (2, 5), (3, 1), (3, 4)]
    loss = paper_loss(cosine_distances(values), mask(4, chosen), margin=0.5)
    assert loss.item() == pytest.approx(loops_paper_loss(values.double().numpy(), chosen, 0.5), rel=1e-5)


def test_hinges_by_hand():
    query, tracked = [1.0, 0], [0.6, 0.8]  # D = 0.4
    negative, opposite = [0.8, 0.6], [-1.0, 0]  # D(q, n) = 0.2 and 2
    distances = cosine_distances(torch.tensor([query, tracked, negative, opposite]))
    assert query_hinges(distances, margin=0.5)[0, 2:].tolist() == pytest.approx([0.7, 0.0])
    assert paper_loss(distances, mask(2, [(0, 2), (0, 3)]), margin=0.5).item() == pytest.approx(0.35)
    # the tracked patch's side: D(t, n) = 0.04 and 1.6; normaliser 4 negatives x 2 pairs x 2
    expected = (0.7 + 0.86 + 0.0 + 0.0) / 16
    assert fork_loss(distances, mask(2, [(0, 2), (0, 3)]), margin=0.5, negatives_per_pair=4).item() == pytest.approx(
        expected
    )


def test_equal_features_cost_the_margin():
    distances = cosine_distances(torch.ones(6, 4))
    assert paper_loss(distances, mask(3, [(0, 2), (1, 5)]), margin=0.5).item() == pytest.approx(0.5)


def test_no_negative_costs_nothing():
    assert paper_loss(cosine_distances(features(2)), mask(2, []), margin=0.5).item() == 0


@pytest.mark.parametrize("form", ["paper", "fork"])
def test_gradients_are_the_numerical_ones(form):
    values = features(3, size=4).double().requires_grad_()
    negatives = mask(3, [(0, 2), (0, 5), (1, 4), (2, 0)])

    def loss(rows):
        unit = torch.nn.functional.normalize(rows)
        distances = 1 - unit @ unit.T  # in float64, which finite differences need
        if form == "fork":
            return fork_loss(distances, negatives, margin=0.5, negatives_per_pair=4)
        return paper_loss(distances, negatives, margin=0.5)

    assert torch.autograd.gradcheck(loss, values)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("sampling", ["random", "hardest", "fork"])
def test_gradients_are_those_of_the_loop_over_triplets(sampling, margin):
    """In float32, with the negatives of each sampling; margin 0.1 leaves some hinges at 0."""
    values = features(8, size=16, seed=2).requires_grad_()
    distances, others = cosine_distances(values), other_videos(torch.arange(8) // 2)
    draws = torch.rand((2, 8, 16), generator=torch_generator(1))
    if sampling == "random":
        negatives = random_negatives(others, draws[0], negatives_per_pair=4)
    elif sampling == "hardest":
        negatives = hardest_negatives(distances, others, negatives_per_pair=4)
    else:
        negatives = fork_negatives(distances, others, draws, negatives_per_pair=4, margin=margin)
    triplets = [(int(pair), int(row)) for pair, row in negatives.nonzero()]
    if sampling == "fork":
        loss, normaliser = fork_loss(distances, negatives, margin=margin, negatives_per_pair=4), 4 * 8 * 2
    else:
        loss, normaliser = paper_loss(distances, negatives, margin=margin), len(triplets)
    loss.backward()
    rows = values.detach().double().numpy()
    expected = loops_gradient(rows, triplets, margin, symmetric=sampling == "fork", normaliser=normaliser)
    np.testing.assert_allclose(values.grad.numpy(), expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_a_step_against_the_gradient_ranks_better():
    values = features(3).requires_grad_()
    negatives = mask(3, [(0, 2), (0, 5), (1, 4), (2, 0)])
    before = paper_loss(cosine_distances(values), negatives, margin=0.5)
    before.backward()
    after = paper_loss(cosine_distances(values - 0.1 * values.grad), negatives, margin=0.5)
    assert after.item() < before.item()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_infonce_is_the_loop_over_queries(temperature, symmetric):
    values, videos = features(6), [0, 0, 1, 2, 2, 3]
    others = other_videos(torch.tensor(videos))
    loss = infonce_loss(cosine_distances(values), others, temperature=temperature, symmetric=symmetric)
    expected = loops_infonce(values.double().numpy(), videos, temperature, symmetric=symmetric)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_infonce_by_hand():
    # Pair 0 has D(q, t) = 0.4 and negatives at 0.2 and 2; pair 1 has D(q, t) = 1.8 and negatives at 0.2 and 0.04.
    distances = cosine_distances(torch.tensor([[1.0, 0], [0.6, 0.8], [0.8, 0.6], [-1.0, 0]]))
    others = other_videos(torch.arange(2))
    queries = np.log(1 + np.exp(1) + np.exp(-8)) + np.log(1 + np.exp(8) + np.exp(8.8))
    assert infonce_loss(distances, others, temperature=0.2).item() == pytest.approx(queries / 2)
    # The tracked patches have their negatives at 0.04 and 1.6, and at 2 and 1.6.
    tracked = np.log(1 + np.exp(1.8) + np.exp(-6)) + np.log(1 + np.exp(-1) + np.exp(1))
    loss = infonce_loss(distances, others, temperature=0.2, symmetric=True)
    assert loss.item() == pytest.approx((queries + tracked) / 4)


def test_infonce_of_equal_features_is_the_logarithm_of_the_number_of_rows_compared():
    others = other_videos(torch.tensor([0, 1, 1]))  # 4, 2 and 2 rows of other videos, and the tracked patch
    for symmetric in (False, True):
        loss = infonce_loss(cosine_distances(torch.ones(6, 4)), others, temperature=0.1, symmetric=symmetric)
        assert loss.item() == pytest.approx((np.log(5) + 2 * np.log(3)) / 3)


def test_infonce_takes_no_negative_of_the_query_s_own_video():
    values, others = features(4, seed=3), other_videos(torch.tensor([0, 0, 0, 0]))
    values.requires_grad_()
    loss = infonce_loss(cosine_distances(values), others, temperature=0.1, symmetric=True)
    loss.backward()
    assert loss.item() == 0
    assert not values.grad.any()


def test_infonce_approaches_the_hardest_hinge_as_the_temperature_falls():
    """T log(1 + sum of exp((D(q, t) - D(q, n)) / T)) tends to max(0, D(q, t) - min D(q, n)), a hinge of margin 0."""
    distances, others = cosine_distances(features(6, seed=4)), other_videos(torch.arange(6))
    hinges = (query_hinges(distances, margin=0.0) * others).amax(1).mean().item()
    errors = [0.1, 0.01, 0.001]
    errors = [abs(t * infonce_loss(distances, others, temperature=t).item() - hinges) for t in errors]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.001 * np.log(11)


@pytest.mark.parametrize("symmetric", [False, True])
def test_infonce_s_gradients_are_the_numerical_ones(symmetric):
    values = features(4, size=4).double().requires_grad_()
    others = other_videos(torch.tensor([0, 0, 1, 2]))

    def loss(rows):
        unit = torch.nn.functional.normalize(rows)
        return infonce_loss(1 - unit @ unit.T, others, temperature=0.3, symmetric=symmetric)

    assert torch.autograd.gradcheck(loss, values)
