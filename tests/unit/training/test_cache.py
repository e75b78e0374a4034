import numpy as np

from tracklearn.training.cache import ImageCache


def test_images_are_loaded_once_while_they_fit():
    loaded_keys = []

    def load(key):
        loaded_keys.append(key)
        return np.full(100, int(key), np.uint8)

    cache = ImageCache(load, limit=250)
    for key in ("1", "2", "3", "1", "2", "3"):
        assert cache(key)[0] == int(key)
    assert loaded_keys == ["1", "2", "3", "3"]
    assert cache.bytes == 200
