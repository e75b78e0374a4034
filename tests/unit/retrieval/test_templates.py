from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.mining.tracking.hog import hog
from tracklearn.retrieval.labelled import LabelledWindows
from tracklearn.retrieval.templates import (
    Shape,
    describe,
    halvings,
    hog_without_margin,
    nearest_shapes,
    template_hog,
    template_shapes,
)
from tracklearn.voc.annotations import Voc


def photo(height=120, width=160, seed=0):
    """A photo of soft blobs."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def test_shapes_have_about_the_same_number_of_cells():
    shapes = template_shapes(144, 11)
    assert len(shapes) == 11 and (shapes[0], shapes[5], shapes[-1]) == ((6, 24), (12, 12), (24, 6))
    assert all(abs(shape.cells - 144) <= 7 for shape in shapes)
    assert template_shapes(9, 11) == list(dict.fromkeys(template_shapes(9, 11)))
    assert template_shapes(144, 1) == [(12, 12)]


def test_a_box_has_the_shape_of_the_nearest_aspect():
    boxes = np.array([[0, 0, 99, 99], [0, 0, 10, 999], [0, 0, 999, 10], [0, 0, 29, 59]], np.float32)
    shapes = [Shape(6, 24), Shape(12, 12), Shape(17, 8), Shape(24, 6)]
    assert nearest_shapes(boxes, shapes).tolist() == [1, 3, 0, 2]


def test_halvings_keep_the_mean_grey_level():
    levels = halvings(photo(64, 96))
    assert [level.shape for level in levels] == [(64, 96), (32, 48), (16, 24), (8, 12), (4, 6)]
    assert all(level.mean() == pytest.approx(levels[0].mean(), abs=0.1) for level in levels)
    assert [level.shape for level in halvings(photo(10, 10)[:3, :5])] == [(3, 5)]


def test_a_window_of_the_templates_size_is_not_resampled():
    levels = halvings(photo())
    shape = Shape(6, 10)
    box = np.array([[30, 40, 30 + 39, 40 + 23]], np.float32)
    cut = np.ascontiguousarray(levels[0][40 - 4 : 64 + 4, 30 - 4 : 70 + 4])
    expected = hog(cut)[:, 1:-1, 1:-1]
    np.testing.assert_allclose(template_hog(levels, box, shape)[0].reshape(31, 6, 10), expected, atol=1e-4)


def test_a_photo_twice_as_large_has_the_same_hog():
    image, shape = photo(), Shape(8, 8)
    box = np.array([[40, 30, 40 + 63, 30 + 63]], np.float32)
    twice = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    double = np.array([[80, 60, 80 + 127, 60 + 127]], np.float32)
    small, large = template_hog(halvings(image), box, shape), template_hog(halvings(twice), double, shape)
    np.testing.assert_allclose(small, large, atol=0.01)


def test_a_mirrored_window_has_mirrored_cells():
    image, shape = photo(), Shape(6, 6)
    box, mirrored = np.array([[40, 30, 63, 53]], np.float32), np.array([[96, 30, 119, 53]], np.float32)
    ours = template_hog(halvings(image), box, shape).reshape(31, 6, 6)
    other = template_hog(halvings(np.ascontiguousarray(image[:, ::-1])), mirrored, shape).reshape(31, 6, 6)
    # The energies of the two left blocks change places with those of the right ones; their sum does not change. A few
    # pixels whose gradient lies between two orientations vote for the other one.
    assert np.abs(ours[27:].sum(axis=0) - other[27:].sum(axis=0)[:, ::-1]).mean() < 0.005
    assert np.abs(ours[27:].sum(axis=0) - other[27:].sum(axis=0)).mean() > 0.05


def test_a_box_beyond_the_photo_and_an_empty_list():
    levels = halvings(photo())
    beyond = template_hog(levels, np.array([[-50, -50, 400, 300]], np.float32), Shape(12, 12))
    assert np.isfinite(beyond).all() and beyond.any()
    assert template_hog(levels, np.zeros((0, 4), np.float32), Shape(2, 3)).shape == (0, 31 * 6)


def test_hog_of_several_images_is_that_of_each():
    images = np.random.default_rng(0).random((3, 24, 32), np.float32) * 255
    several = hog_without_margin(images)
    for image, features in zip(images, several, strict=True):
        np.testing.assert_array_equal(features, hog(image)[:, 1:-1, 1:-1])


def test_describe_keeps_the_order_of_the_windows(devkit):
    photos = Voc(devkit)
    ids = ["train_0", "train_1", "train_2"]
    boxes = np.array([[5, 5, 60, 60], [10, 20, 100, 60], [0, 0, 30, 80], [60, 10, 115, 70]], np.float32)
    windows = LabelledWindows(ids, np.array([0, 0, 2, 2]), np.arange(4), boxes, np.zeros(4, int))
    shapes = [Shape(6, 6), Shape(4, 9)]
    with ThreadPoolExecutor(2) as pool:
        every = describe(photos, windows, shapes, pool)
        own = describe(photos, windows, shapes, pool, chosen=np.array([1, 0, 1, 1]))
    for shape, features in zip(shapes, every, strict=True):
        alone = [
            template_hog(halvings(photos.image(ids[image])), boxes[[row]], shape)[0]
            for row, image in enumerate(windows.images)
        ]
        np.testing.assert_array_equal(features, alone)
    np.testing.assert_array_equal(own[0], every[0][[1]])
    np.testing.assert_array_equal(own[1], every[1][[0, 2, 3]])


def test_an_unreadable_photo_is_named(devkit):
    (devkit / "VOC2012/JPEGImages/train_1.jpg").write_bytes(b"no photo")
    windows = LabelledWindows(
        ["train_1"], np.zeros(1, int), np.zeros(1, int), np.array([[5, 5, 60, 60]], np.float32), np.zeros(1, int)
    )
    with ThreadPoolExecutor(1) as pool, pytest.raises(UserError, match=r"train_1.jpg: cannot be decoded"):
        describe(Voc(devkit), windows, [Shape(6, 6)], pool)
