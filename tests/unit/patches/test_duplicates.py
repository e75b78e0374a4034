import numpy as np
from worlds.films import texture

from tracklearn.patches.duplicates import change, difference_hash, repeats, thumbnail


def test_the_hash_by_hand():
    """Eight rows of nine cells: a row that gets brighter to the right gives ones, a row that gets darker zeros."""
    thumb = np.repeat(np.repeat(np.arange(9, dtype=np.uint8)[None] * 20, 8, 0), 8, 0)
    thumb = np.repeat(thumb, 8, 1)  # (64, 72): each cell 8 x 8
    assert difference_hash(thumb) == 2**64 - 1
    assert difference_hash(thumb[:, ::-1].copy()) == 0
    half = np.vstack([thumb[:32], thumb[32:, ::-1]])
    assert difference_hash(half) == (2**32 - 1) << 32


def test_a_hash_withstands_noise_and_brightness_and_distinguishes_images():
    rng = np.random.default_rng(0)
    patch, other = texture(99, 99, 1), texture(99, 99, 2)
    hashed = difference_hash(thumbnail(patch))
    rough = np.clip(patch * 0.8 + 20 + rng.normal(0, 6, patch.shape), 0, 255).astype(np.uint8)
    assert (hashed ^ difference_hash(thumbnail(rough))).bit_count() <= 4
    assert 16 <= (hashed ^ difference_hash(thumbnail(other))).bit_count() <= 48


def test_a_pair_repeats_another_with_both_halves():
    kept = [(0b1111, 0b0000), (0b0000, 0b1111)]
    assert repeats((0b0111, 0b0001), kept, 1)
    assert not repeats((0b0011, 0b0001), kept, 1)  # the query differs in two bits
    assert not repeats((0b1111, 0b1111), kept, 3)  # each half is of another pair
    assert not repeats((0, 0), [], 64)


def test_coding_noise_is_less_than_a_level_of_change():
    rng = np.random.default_rng(0)
    patch = texture(227, 227, 1)
    noisy = np.clip(patch + rng.normal(0, 3, patch.shape), 0, 255).astype(np.uint8)
    assert change(thumbnail(patch), thumbnail(noisy)) < 1
    assert change(thumbnail(patch), thumbnail(np.roll(patch, 3, axis=1))) > 3
