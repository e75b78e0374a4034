import importlib
import struct
import sys

import numpy as np
import pytest
from reference.retrieval import loops_covariance, loops_mean, loops_template_covariance

from tracklearn.errors import UserError
from tracklearn.retrieval import statistics as room
from tracklearn.retrieval.statistics import Autocorrelation, Statistics, hog_statistics, read_statistics
from tracklearn.retrieval.templates import Shape

REACH = Shape(3, 4)
OFFSETS = [(dy, dx) for dy in range(-2, 3) for dx in range(-3, 4)]


def found_in(maps, reach=REACH, at_once=2):
    sums = Autocorrelation(len(maps[0]), reach)
    for start in range(0, len(maps), at_once):
        sums.add(maps[start : start + at_once])
    return sums.statistics()


def test_statistics_are_those_of_loops():
    rng = np.random.default_rng(0)
    sizes = [(5, 7), (2, 9), (6, 3)]
    maps = [(0.3 + rng.normal(size=(3, *size))).astype(np.float32) for size in sizes]
    statistics = found_in(maps)
    np.testing.assert_allclose(statistics.mean, loops_mean(maps), rtol=1e-5)
    assert statistics.cells == 5 * 7 + 2 * 9 + 6 * 3
    for dy, dx in OFFSETS:
        found = statistics.at(np.array(dy), np.array(dx))
        np.testing.assert_allclose(found, loops_covariance(maps, dy, dx), atol=1e-5)


def test_large_maps_are_cut_into_tiles(monkeypatch):
    monkeypatch.setattr(room, "TILE", 4)
    rng = np.random.default_rng(1)
    large = rng.normal(size=(2, 6, 9)).astype(np.float32)
    tiles = [large[:, y : y + 4, x : x + 4] for y in (0, 4) for x in (0, 4, 8)]
    statistics = found_in([large])
    for dy, dx in OFFSETS:
        found = statistics.at(np.array(dy), np.array(dx))
        np.testing.assert_allclose(found, loops_covariance(tiles, dy, dx), atol=1e-5)


def test_offsets_that_no_map_holds_have_no_covariance():
    statistics = found_in([np.ones((2, 2, 2), np.float32)])
    assert not statistics.at(np.array(0), np.array(3)).any()
    assert np.isfinite(statistics.covariance).all()


def test_white_noise_has_the_covariance_of_its_channels_and_no_other():
    rng = np.random.default_rng(2)
    mixing = np.array([[1.0, 0.0], [0.5, 2.0]])
    maps = [(mixing @ rng.normal(size=(2, 3600))).reshape(2, 60, 60).astype(np.float32) + 5 for _ in range(40)]
    statistics = found_in(maps, at_once=10)
    np.testing.assert_allclose(statistics.mean, 5, atol=0.02)
    np.testing.assert_allclose(statistics.at(np.array(0), np.array(0)), mixing @ mixing.T, atol=0.05)
    for dy, dx in OFFSETS:
        if (dy, dx) != (0, 0):
            np.testing.assert_allclose(statistics.at(np.array(dy), np.array(dx)), 0, atol=0.05)


def test_autoregressive_noise_decays_as_its_model_says():
    rng = np.random.default_rng(3)
    down, across = 0.5, 0.8
    maps = []
    for _ in range(60):
        noise = rng.normal(size=(1, 160, 160))
        for y in range(1, 160):
            noise[:, y] += down * noise[:, y - 1]
        for x in range(1, 160):
            noise[:, :, x] += across * noise[:, :, x - 1]
        maps.append(noise[:, 100:, 100:].astype(np.float32))  # far from the first cells, where it is stationary
    statistics = found_in(maps, at_once=20)
    variance = 1 / ((1 - down**2) * (1 - across**2))
    for dy, dx in OFFSETS:
        expected = variance * down ** abs(dy) * across ** abs(dx)
        assert statistics.at(np.array(dy), np.array(dx))[0, 0] == pytest.approx(expected, abs=0.15), (dy, dx)


def test_the_covariance_of_a_template_is_that_of_loops():
    rng = np.random.default_rng(4)
    statistics = Statistics(np.zeros(31), rng.normal(size=(3, 7, 31, 31)).astype(np.float32), 1)
    zero = statistics.covariance[0, 3]
    statistics.covariance[0, 3] = zero + zero.T
    shape = Shape(2, 3)
    expected = loops_template_covariance(lambda dy, dx: statistics.at(np.array(dy), np.array(dx)), *shape, 31)
    np.testing.assert_array_equal(statistics.of_template(shape), expected)


def test_the_covariance_of_a_template_is_symmetric():
    rng = np.random.default_rng(5)
    statistics = found_in([rng.normal(size=(31, 9, 9)).astype(np.float32)], Shape(3, 3))
    matrix = statistics.of_template(Shape(3, 3))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)


def test_statistics_of_photos_are_written_and_read(devkit, tmp_path):
    arguments = {"voc": devkit, "year": 2012, "image_set": "train", "cells": 9, "shapes": 1}
    metrics = hog_statistics(**arguments, out=tmp_path / "one.npz")
    hog_statistics(**arguments, out=tmp_path / "two.npz", threads=2)
    one, two = read_statistics(tmp_path / "one.npz"), read_statistics(tmp_path / "two.npz")
    # 120 x 90 pixels: 15 x 11 cells at 1/2 and 7 x 5 at 1/4, without the cells at the border
    assert metrics == {"photos": 4, "cells": 4 * (13 * 9 + 5 * 3)} and one.cells == metrics["cells"]
    assert one.covariance.shape == (3, 5, 31, 31)
    np.testing.assert_array_equal(one.covariance, two.covariance)
    assert (np.diag(one.at(np.array(0), np.array(0))) > 0).all()


def test_photos_without_a_cell_are_a_one_line_error(devkit, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "LEVELS", (5,))
    with pytest.raises(UserError, match="none of the 4 training photos is large enough for the statistics of HOG"):
        hog_statistics(voc=devkit, year=2012, image_set="train", cells=9, shapes=1, out=tmp_path / "s.npz")


@pytest.fixture(scope="module")
def benchmark(repository):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(repository), *sys.path])
        yield importlib.import_module("benchmarks.retrieval")


def test_the_benchmark_reads_statistics_of_others_by_offset(benchmark, tmp_path):
    covariances = np.arange(8).reshape(2, 2, 2)
    numbers = struct.pack("<3I 2f 8f 4i", 8, 2, 2, 0.25, 0.5, *covariances.ravel(), 0, 0, 3, -1)
    (tmp_path / "bg.dat").write_bytes(numbers)
    mean, found = benchmark.read_others(tmp_path / "bg.dat")
    assert mean.tolist() == [0.25, 0.5]
    assert list(found) == [(0, 0), (3, -1)]
    np.testing.assert_array_equal(found[3, -1], covariances[1])


def test_statistics_of_real_photos_resemble_those_of_others(benchmark, real_data, tmp_path):
    """`who_bg/bg.dat` holds the statistics of other photos, by other code."""
    mean, covariances = benchmark.read_others(real_data / "misc/who_bg/bg.dat")
    devkit = real_data / "voc_mini/VOCdevkit"
    out = tmp_path / "s.npz"
    hog_statistics(voc=devkit, year=2012, image_set="train", cells=144, shapes=11, out=out)
    ours = read_statistics(out)
    assert np.corrcoef(mean, ours.mean)[0, 1] > 0.98
    assert np.trace(ours.at(np.array(0), np.array(0))) == pytest.approx(np.trace(covariances[0, 0]), rel=0.15)
    for (dx, dy), theirs in covariances.items():
        if max(abs(dx), abs(dy)) <= 2:
            alike, turned = (
                np.corrcoef(theirs.ravel(), ours.at(np.array(sign * dy), np.array(sign * dx)).ravel())[0, 1]
                for sign in (1, -1)
            )
            assert alike > 0.9, (dx, dy)
            assert alike >= turned, (dx, dy)
