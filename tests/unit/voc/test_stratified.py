"""The division of photos puts each class on both sides."""

from collections import Counter

import numpy as np

from tracklearn.voc.stratified import divide


def test_every_class_with_two_photos_is_on_both_sides():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        classes = [set(rng.choice(list("abcdefgh"), rng.integers(0, 4), replace=False)) for _ in range(24)]
        classes += [{"rare"}, {"rare", "a", "b"}, {"once"}]
        for share in (0.2, 0.5, 0.9):
            first = divide(classes, share, seed=seed)
            counts = Counter(name for names in classes for name in names)
            for name in [name for name, count in counts.items() if count > 1]:
                sides = {bool(side) for side, names in zip(first, classes, strict=True) if name in names}
                assert sides == {True, False}, (seed, share, name)
            assert abs(first.sum() - share * len(classes)) <= 6


def test_the_division_of_few_photos():
    assert sorted(divide([{"a"}, {"a"}], 0.9, seed=0).tolist()) == [False, True]
    assert sorted(divide([set(), set()], 0.5, seed=0).tolist()) == [False, True]
    assert divide([], 0.5, seed=0).tolist() == []
    assert divide([{"a"}] * 10, 0.7, seed=3).sum() == 7
    halves = {tuple(divide([{"a"}] * 10, 0.5, seed=seed)) for seed in range(5)}
    assert len(halves) > 1
    assert {sum(half) for half in halves} == {5}
