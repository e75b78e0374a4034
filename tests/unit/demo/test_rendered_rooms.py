"""The rooms of the small world: what is rendered, what the Kinect makes of it, and the file in NYUv2's layout."""

import numpy as np
import pytest
from world_generator import furniture, rooms
from world_generator.kinect import BASELINE, STEP
from world_generator.solids import box, turn_about

from tracklearn.normals.angular_errors import angles, evaluate
from tracklearn.normals.axes import AxesCheck
from tracklearn.normals.baselines import mean_cells, words_of_cells
from tracklearn.normals.learned_words import learn_words, sample_normals
from tracklearn.normals.nyuv2 import Nyuv2, read_split
from tracklearn.normals.plane_fits import normals_from_depth
from tracklearn.normals.true_normals import write_truth
from tracklearn.normals.truth import Truth

COUNT = 6  # rooms of each set


@pytest.fixture(scope="module")
def views():
    return list(rooms.draw_views(3, 1, COUNT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("world")
    rooms.write_rooms(out, rooms=COUNT, seed=3)
    return out / "nyuv2"


def look(brightness=200, glass=False):
    """One tone everywhere."""
    return furniture.Look(np.zeros((2, 2), np.uint8), np.full((256, 3), float(brightness)), 1.0, glass)


def seen(*parts, lamp=(0, 0.5, 0)):
    """What a camera at the origin sees of parts in a room of 8 x 8 x 24 m whose far wall is 4 m away."""
    hull = furniture.Part(box((-4, -4, -4), (4, 4, 20), hollow=True), (look(),))
    room = rooms.Room([hull, *parts], np.array([lamp], float), np.zeros(3), np.eye(3))
    return rooms.render(np.random.default_rng(0), room)


def test_depth_and_normals_belong_together(views):
    for view in views:
        error = angles(view.normals, normals_from_depth(view.depth.astype(np.float32), rooms.CAMERA))
        assert np.median(error) < 0.1
        assert error.mean() < 8  # legs of chairs are thinner than the windows of the fits


def test_normals_have_length_1_and_face_the_camera(views):
    for view in views:
        assert np.linalg.norm(view.normals, axis=-1) == pytest.approx(1)
        assert ((view.normals * rooms.CAMERA.rays()).sum(axis=-1) < 0).all()


def test_every_room_shows_its_floor_and_something_else():
    looks = furniture.draw_looks(np.random.default_rng(0))
    for seed in range(6):
        room = rooms.draw_room(np.random.default_rng(seed), looks)
        view = rooms.render(np.random.default_rng(0), room)
        rays = room.rays(rooms.CAMERA).reshape(*view.depth.shape, 3)
        floor = abs(room.place[1] + view.depth * rays[..., 1]) < 1e-6
        assert 0.03 < floor.mean() < 0.95
        assert view.normals[floor] == pytest.approx(np.broadcast_to(room.rotation[1], (floor.sum(), 3)))
        assert 90 < view.photo.mean() < 130


def test_the_kinect_sees_a_wall_ahead_and_nothing_of_glass_dark_or_distant_surfaces():
    assert (seen().raw > 0).mean() > 0.9
    pane = box((-2, -2, -3.1), (2, 2, -3))
    middle = np.s_[50:70, 70:90]
    assert (seen(furniture.Part(pane, (look(),))).raw[middle] > 0).all()
    assert not seen(furniture.Part(pane, (look(glass=True),))).raw[middle].any()
    assert not seen(furniture.Part(pane, (look(brightness=5),))).raw[middle].any()
    near = box((-2, -2, -0.45), (2, 2, -0.4))
    assert not seen(furniture.Part(near, (look(),))).raw[middle].any()
    far = furniture.Part(box((-4, -4, -11), (4, 4, 1), hollow=True), (look(),))
    room = rooms.Room([far], np.zeros((1, 3)), np.zeros(3), np.eye(3))
    assert not rooms.render(np.random.default_rng(0), room).raw[middle].any()


def test_a_slanted_surface_returns_less():
    def shown(angle):
        board = box((-2, -2, -0.05), (2, 2, 0)).moved(turn_about(1, angle), np.array([0, 0, -3.0]))
        return (seen(furniture.Part(board, (look(brightness=20),))).raw[58:62, 78:82] > 0).mean()

    assert shown(0.0) == 1
    assert shown(1.2) == 0


def test_left_of_an_object_the_projectors_light_is_in_its_shadow():
    raw = seen(furniture.Part(box((-0.3, -9, -1.1), (0.3, 9, -1)), (look(),))).raw[60]
    columns = np.arange(160) - rooms.CAMERA.cx
    left, right = -0.3 * rooms.CAMERA.fx, 0.3 * rooms.CAMERA.fx
    width = rooms.CAMERA.fx * BASELINE * (1 - 1 / 4)  # difference of the disparities at 1 m and at 4 m
    hole = (columns > left - width) & (columns < left)
    assert not raw[hole].any()
    assert (raw[(columns > left - width - 10) & (columns < left - width - 1)] > 3).all()
    assert (raw[(columns > left + 1) & (columns < right - 1)] < 1.2).all()
    assert (raw[(columns > right + 1) & (columns < right + 10)] > 3).all()


def test_a_lamp_lights_what_faces_it_and_is_near_and_casts_shadows():
    photo = seen(furniture.Part(box((-0.2, -0.2, -2), (0.2, 0.2, -1.9)), (look(),)), lamp=(1, 0, -1)).photo
    row = photo[60].mean(axis=-1)
    assert row[130] > row[30] + 20  # the lamp is on the right
    shadow = photo[60, 8:30].mean()  # of the box, on the wall to its left
    assert shadow < photo[10, 8:30].mean() - 10


def test_holes_are_kept_in_raw_and_filled_in_depth(views, folder):
    with Nyuv2(folder / "nyu_depth_v2_labeled.mat") as file:
        assert len(file) == 2 * COUNT
        for number, view in enumerate(views, start=COUNT):
            assert (file.photo(number) == view.photo).all()
            assert (file.measured(number) == (view.raw > 0)).all()
            depth, measured = file.depth(number), file.measured(number)
            assert (depth > 0).all()
            assert abs(1 / depth - 1 / view.depth)[measured].max() < 4 * STEP
            assert 0.5 < measured.mean() < 1


def test_sets_are_numbered_and_drawn_apart(folder):
    split = read_split(folder / "splits.mat", 2 * COUNT)
    assert split.train.tolist() == list(range(COUNT))
    assert split.test.tolist() == list(range(COUNT, 2 * COUNT))
    with Nyuv2(folder / "nyu_depth_v2_labeled.mat") as file:
        assert len({file.photo(number).tobytes() for number in range(2 * COUNT)}) == 2 * COUNT


def test_equal_seeds_give_equal_bytes_and_others_others(tmp_path):
    for name, seed in [("first", 3), ("again", 3), ("other", 4)]:
        rooms.write_rooms(tmp_path / name, rooms=1, seed=seed)
    for file, differs in [("nyu_depth_v2_labeled.mat", True), ("splits.mat", False)]:
        first, again, other = ((tmp_path / name / "nyuv2" / file).read_bytes() for name in ("first", "again", "other"))
        assert again == first
        assert (other != first) is differs


def test_truth_is_near_the_rendered_normals_and_the_words_leave_much_to_learn(views, folder, tmp_path):
    write_truth(folder / "nyu_depth_v2_labeled.mat", tmp_path / "truth.h5")
    check = AxesCheck()
    train, test = np.arange(COUNT), np.arange(COUNT, 2 * COUNT)
    with Truth(tmp_path / "truth.h5") as truth:
        assert truth.mask == "measured by the Kinect"
        for number, view in zip(test, views, strict=True):
            check.add(truth[number])
            error = angles(view.normals, truth[number])
            assert np.median(error) < 5
        words = learn_words(sample_normals(truth, train, 200), 20)
        by_words = evaluate(lambda number: words_of_cells(truth[number], words, 20), truth, test).values()
        cells = mean_cells(truth, train, 20)
        by_cells = evaluate(lambda number: cells, truth, test).values()
    assert check.best() == "x y z"
    assert by_words["mean"] < 16
    assert by_cells["mean"] > 1.8 * by_words["mean"]
