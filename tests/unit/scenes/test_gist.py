import numpy as np
import pytest
from PIL import Image
from reference.gist import loops_gist

from tracklearn.errors import UserError
from tracklearn.scenes.gist import GistFilters, gabors, gist_features, low_pass

LEAR = {
    "no_arg": ((8, 8, 4), 4),
    "nblocks2": ((8, 8, 4), 2),
    "nblocks4": ((8, 8, 4), 4),
    "ops_4_4_4": ((4, 4, 4), 4),
    "ops_8_8_8": ((8, 8, 8), 4),
}


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def grating(size, cycles, degrees):
    """Stripes of which `cycles` pass while one goes `size` pixels in a direction, measured from x towards y."""
    y, x = np.mgrid[:size, :size] / size
    angle = np.deg2rad(degrees)
    wave = np.cos(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)))
    return np.rint(127 + 100 * wave).astype(np.uint8)[..., None].repeat(3, 2)


def responses(photo, orientations, cells=1):
    """Mean response by filter, over colours and cells."""
    filters = GistFilters(size=len(photo), orientations=orientations, cells=cells)
    return filters(photo).reshape(3, sum(orientations), -1).mean(axis=(0, 2))


@pytest.mark.parametrize("setting", LEAR)
def test_descriptors_are_those_of_lears_program(real_data, setting):
    folder = real_data / "misc/lear_gist/data"
    photo = np.asarray(Image.open(folder / "scene.ppm"))
    orientations, cells = LEAR[setting]
    expected = np.array((folder / f"scene.{setting}.result").read_text().split(), float)
    found = GistFilters(size=len(photo), orientations=orientations, cells=cells)(photo)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4  # it prints four decimals


@pytest.mark.parametrize(("size", "orientations", "cells"), [(16, (4, 3), 2), (13, (2,), 3)])
def test_descriptors_are_those_of_the_loops(size, orientations, cells):
    photo = noise(size)
    found = GistFilters(size=size, orientations=orientations, cells=cells)(photo)
    expected = loops_gist(photo.tolist(), orientations=orientations, cells=cells)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_default_has_960_values():
    assert GistFilters(size=128, orientations=(8, 8, 4), cells=4)(noise(128)).shape == (960,)


@pytest.mark.parametrize("orientation", range(4))
def test_a_grating_excites_its_own_orientation(orientation):
    # 64 pixels x 0.3 cycles a pixel are about 19 cycles: the finest scale. A filter's angle is -pi o / n.
    found = responses(grating(64, 19, -180 * orientation / 4), (4, 4))
    assert found.argmax() == orientation
    assert found[orientation] > 2 * np.delete(found[:4], orientation).max()


def test_a_coarse_grating_excites_the_coarse_scale():
    assert responses(grating(64, 10, 0), (4, 4)).argmax() == 4  # 0.3 / 1.85 cycles a pixel


def test_the_cell_that_holds_the_texture_responds_most():
    photo = np.full((64, 64, 3), 127, np.uint8)
    photo[:32, 32:] = grating(64, 19, 0)[:32, 32:]
    first_filter = GistFilters(size=64, orientations=(4,), cells=2)(photo).reshape(3, 4, 2, 2)[0, 0]
    column, row = 1, 0
    assert first_filter.argmax() == 2 * column + row


def test_a_constant_photo_has_no_texture():
    assert np.abs(GistFilters(size=32, orientations=(8, 4), cells=4)(np.full((32, 32, 3), 90, np.uint8))).max() < 1e-5


def test_equal_colours_give_equal_thirds_and_swapped_colours_swapped_thirds():
    filters = GistFilters(size=32, orientations=(4,), cells=2)
    grey = filters(noise(32)[..., :1].repeat(3, 2)).reshape(3, -1)
    np.testing.assert_allclose(grey[1:], grey[:1].repeat(2, 0), atol=1e-6)
    photo = noise(32)
    np.testing.assert_allclose(filters(photo[..., ::-1]).reshape(3, -1), filters(photo).reshape(3, -1)[::-1], atol=1e-5)


def test_a_mirrored_photo_mirrors_cells_and_orientations():
    # The mirror swaps the orientations 1 and 3 of 4; the other two are symmetrical. A pixel's shift stays.
    filters = GistFilters(size=64, orientations=(4,), cells=2)
    photo = noise(64)
    plain = filters(photo).reshape(3, 4, 2, 2)
    mirrored = filters(photo[:, ::-1]).reshape(3, 4, 2, 2)
    np.testing.assert_allclose(mirrored[:, [2, 3, 1]], plain[:, [2, 1, 3], ::-1], rtol=0.05)


def test_filters_by_hand():
    assert low_pass(32)[0, 0] == 1
    assert low_pass(32)[0, 4] == pytest.approx(0.5)
    (first, second) = gabors(40, (2,))
    assert first[0, 12] == pytest.approx(1)  # 40 x 0.3 cycles along x
    assert first[0, 6] == pytest.approx(np.exp(-3.5 / 4))
    assert second[0, 12] == pytest.approx(np.exp(-2 * np.pi / 16 * (np.pi / 2) ** 2))
    assert second[-12, 0] == pytest.approx(1)


def test_photos_of_any_size_and_number_of_threads(tmp_path):
    files = [tmp_path / f"{index}.png" for index in range(5)]
    for index, file in enumerate(files):
        Image.fromarray(noise(40, index)[: 30 + index]).save(file)
    settings = {"size": 32, "orientations": [4, 2], "cells": 2}
    points = []
    features = gist_features(files, settings=settings, report=lambda step, values: points.append(step))
    assert features.shape == (5, 3 * 6 * 4) and features.dtype == np.float32
    assert points == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(gist_features(files, settings=settings, threads=3), features)
    resized = np.asarray(Image.open(files[2]).resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(GistFilters(size=32, orientations=(4, 2), cells=2)(resized), features[2])


def test_a_photo_that_cannot_be_decoded_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match=r"a\.jpg: cannot be decoded"):
        gist_features([tmp_path / "a.jpg"])
