import re

import h5py
import numpy as np
import pytest
from reference.detection import loops_detections, loops_iou, loops_mining

from tracklearn.detection.detect import detect, read_detections
from tracklearn.detection.svm import Miner, model_scales, sample_norms, train_svms
from tracklearn.detection.svm_solver.descent import sparse_rows
from tracklearn.detection.svm_solver.solver import fit
from tracklearn.errors import UserError
from tracklearn.features.store import StoredFeatures, create
from tracklearn.settings.detection import Svm
from tracklearn.voc.annotations import Voc

CLASSES = ["cat", "dog", "bird"]
SIZE = 24
DIRECTIONS = np.random.default_rng(5).normal(size=(3, SIZE))


def write_features(path, devkit, ids, *, seed=0, size=SIZE, windows=40, moved=3, scale=1.0):
    """Write features of noise plus the direction of each object's class times the window's overlap with it."""
    photos = Voc(devkit, classes=CLASSES)
    rng = np.random.default_rng(seed)
    boxes, values = [], []
    for image_id in ids:
        objects = photos.objects(image_id)
        corners = rng.integers(0, [80, 50, 40, 30], (windows, 4))
        corners[:, 2:] += corners[:, :2] + 9
        near = np.repeat(objects.boxes, moved, axis=0) + rng.integers(0, 9, (moved * len(objects.boxes), 4))
        each = np.concatenate([objects.boxes, near, corners]).astype(np.float32)
        feature = rng.random((len(each), SIZE)) * 2
        for row, box in enumerate(each):
            for other, label in zip(objects.boxes, objects.labels, strict=True):
                feature[row] += 2 * loops_iou(box, other) * DIRECTIONS[label]
        boxes.append(each)
        values.append(scale * np.tile(feature, (1, size // SIZE)))
    gt = [len(photos.objects(one).boxes) for one in ids]
    with h5py.File(path, "w") as file:
        create(file, ids=ids, boxes=boxes, ground_truth=gt, width=size, attrs={})[:] = np.concatenate(values)
    return path


@pytest.fixture
def world(devkit, tmp_path):
    """A function that trains on feature files of the training images."""
    ids = Voc(devkit).images("trainval")

    def train(features=None, models=1, svm=None, **changes):
        features = features or [write_features(tmp_path / "whole.h5", devkit, ids)]
        arguments = {"voc": devkit, "year": 2012, "classes": CLASSES, "out": tmp_path / "svms.npz"}
        arguments |= {"source": StoredFeatures(features, models), "svm": {"C": 0.1} | (svm or {})}
        metrics = train_svms(**arguments | changes)
        return dict(np.load(tmp_path / "svms.npz")), metrics

    train.ids, train.folder, train.devkit = ids, tmp_path, devkit
    return train


@pytest.mark.parametrize("retrain_every", [10, 2000])
def test_equals_the_loops_of_rcnn(world, retrain_every):
    found, metrics = world(svm={"retrain_every": retrain_every, "evict": -1.05}, tolerance=1e-10)
    photos = Voc(world.devkit, classes=CLASSES)
    scale = found["scales"][0]
    windows = list(StoredFeatures([world.folder / "whole.h5"]).windows(scales=np.array([scale])))
    trainings = 0
    for label in (0, 1):
        positives, images = [], []
        for each in windows:
            objects = photos.objects(each.image_id)
            own = [box for box, other in zip(objects.boxes, objects.labels, strict=True) if other == label]
            positives += [each.features[row] for row in range(len(objects.labels)) if objects.labels[row] == label]
            images.append(
                [
                    feature
                    for feature, box in zip(each.features, each.boxes, strict=True)
                    if all(loops_iou(box, other) < 0.3 for other in own)
                ]
            )
        weights, bias, given = loops_mining(
            images,
            np.array(positives),
            lambda p, n: fit(
                sparse_rows(np.concatenate([p, n])), len(p), C=0.1, positive_weight=2, bias_feature=10, tolerance=1e-10
            )[:2],
            hard=-1.0001,
            evict=-1.05,
            retrain_every=retrain_every,
        )
        assert found["weights"][label] == pytest.approx(weights, abs=1e-4)
        assert found["biases"][label] == pytest.approx(bias, abs=1e-3)
        trainings += len(given)
    assert metrics["fits"] == trainings > 2
    assert metrics["fits"] > 4 or retrain_every == 2000


def test_class_without_positives_has_no_svm_and_says_why(world):
    found, metrics = world()
    assert found["reasons"].tolist() == ["", "", "no training object of class bird; expected at least 2"]
    assert np.isnan(found["weights"][2]).all()
    assert np.isnan(found["biases"][2])
    assert np.isfinite(found["weights"][:2]).all()
    assert found["positives"].tolist() == [7, 7, 0]  # difficult ones are positives too
    assert metrics.pop("duality_gap") <= 1e-4
    assert metrics == {"classes": 2, "fits": metrics["fits"], "positives": 14}


def test_one_object_makes_no_class(world):
    for image_id in world.ids[1:]:
        path = world.devkit / f"VOC2012/Annotations/{image_id}.xml"
        text = path.read_text()
        path.write_text(text[: text.index("<object><name>dog")] + "</annotation>")
    found, _ = world()
    assert found["positives"].tolist() == [7, 1, 0]
    assert np.isnan(found["weights"][1]).all()
    assert found["reasons"][1] == "1 training object of class dog; expected at least 2"


def test_parts_give_the_same_detectors_as_one_file(world):
    whole, _ = world()
    parts = []
    with h5py.File(world.folder / "whole.h5") as file:
        offsets = file["offsets"][:]
        for number, images in enumerate((slice(0, 3), slice(3, 7))):
            rows = [slice(offsets[i], offsets[i + 1]) for i in range(images.start, images.stop)]
            with h5py.File(world.folder / f"{number}.h5", "w") as part:
                features = create(
                    part,
                    ids=world.ids[images],
                    boxes=[file["boxes"][each] for each in rows],
                    ground_truth=[int(file["is_gt"][each].sum()) for each in rows],
                    width=SIZE,
                    attrs={},
                )
                features[:] = file["features"][rows[0].start : rows[-1].stop]
            parts.append(world.folder / f"{number}.h5")
    again, _ = world(features=parts)
    assert np.array_equal(whole["weights"], again["weights"], equal_nan=True)
    assert whole["scales"] == again["scales"]


def test_threads_do_not_change_a_bit(world):
    one, _ = world(threads=1)
    two, _ = world(threads=2)
    assert np.array_equal(one["weights"], two["weights"], equal_nan=True)
    assert np.array_equal(one["biases"], two["biases"], equal_nan=True)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_whole_vector_of_an_ensemble_has_a_mean_norm_of_twenty_in_equal_shares(world, count):
    widths = [SIZE, 2 * SIZE, 3 * SIZE][:count]
    paths = [
        write_features(world.folder / f"{width}.h5", world.devkit, world.ids, seed=7, size=width, scale=width)
        for width in widths
    ]
    found, _ = world(features=paths, models=count)
    assert found["weights"].shape == (3, sum(widths))
    windows = list(StoredFeatures(paths, count).windows(scales=found["scales"]))
    features = np.concatenate([each.features for each in windows])
    assert np.linalg.norm(features, axis=1).mean() == pytest.approx(20, rel=1e-3)
    for model in np.split(features, np.cumsum(widths)[:-1], axis=1):
        assert np.linalg.norm(model, axis=1).mean() == pytest.approx(20 / np.sqrt(count), rel=1e-3)


def test_scales_by_hand():
    norms = np.array([[3.0, 40.0], [5.0, 40.0]])  # means 4 and 40; shares 0.75 and 1.25 beside 1 and 1
    assert model_scales(norms, Svm(norm_of="model")) == pytest.approx([5, 0.5])
    whole = (np.hypot(0.75, 1) + np.hypot(1.25, 1)) / 2
    assert model_scales(norms, Svm()) == pytest.approx([5 / whole, 0.5 / whole])
    assert model_scales(norms[:, :1], Svm()) == pytest.approx([5])


def test_an_object_of_another_class_is_a_negative(world):
    # The only windows are the ground-truth boxes.
    found, _ = world(features=[write_features(world.folder / "gt.h5", world.devkit, world.ids, windows=0, moved=0)])
    assert found["reasons"].tolist()[:2] == ["", ""]
    windows = list(StoredFeatures([world.folder / "gt.h5"]).windows(scales=found["scales"]))
    labels = np.concatenate([Voc(world.devkit, classes=CLASSES).objects(each.image_id).labels for each in windows])
    scores = np.concatenate([each.features for each in windows]) @ found["weights"][:2].T + found["biases"][:2]
    assert (scores.argmax(axis=1) == labels).all()


def test_models_of_other_windows_are_refused(world):
    first = write_features(world.folder / "a.h5", world.devkit, world.ids)
    second = write_features(world.folder / "b.h5", world.devkit, world.ids, seed=1)
    with pytest.raises(UserError, match=r"b\.h5: its windows differ from those of .*a\.h5"):
        world(features=[first, second], models=2)
    with pytest.raises(UserError, match="3 feature files for 2 models"):
        world(features=[first, first, first], models=2)


@pytest.mark.parametrize(
    ("edit", "objects"),
    [((r"(</?)object\b", r"\1part", 2), 1), ((r"<xmin>\d+", "<xmin>2", 1), 2)],
    ids=["gone", "moved"],
)
def test_annotations_that_changed_after_the_extraction_are_an_error(world, edit, objects):
    features = write_features(world.folder / "a.h5", world.devkit, world.ids)
    path = world.devkit / "VOC2012/Annotations/train_0.xml"
    path.write_text(re.sub(edit[0], edit[1], path.read_text(), count=edit[2]))

    with pytest.raises(UserError, match=f"the 2 ground-truth windows of image train_0 are not the {objects} objects"):
        world(features=[features])


def test_dead_network_and_broken_file_are_named(world):
    dead = write_features(world.folder / "dead.h5", world.devkit, world.ids, scale=0)
    with pytest.raises(UserError, match=r"dead\.h5: all features are zero; the network is dead"):
        sample_norms(StoredFeatures([dead]))
    (world.folder / "broken.h5").write_bytes(b"half")
    with pytest.raises(UserError, match=r"broken\.h5: not a readable feature file"):
        StoredFeatures([world.folder / "broken.h5"])


def test_images_without_proposals_are_allowed(world):
    with h5py.File(world.folder / "few.h5", "w") as file:
        some = write_features(world.folder / "a.h5", world.devkit, world.ids[:1])
        photos = Voc(world.devkit, classes=CLASSES)
        with h5py.File(some) as first:
            boxes = [first["boxes"][:], photos.objects(world.ids[1]).boxes]
            features = create(file, ids=world.ids[:2], boxes=boxes, ground_truth=[2, 2], width=SIZE, attrs={})
            features[:-2], features[-2:] = first["features"][:], first["features"][:2]
    found, _ = world(features=[world.folder / "few.h5"])
    assert found["positives"].tolist() == [2, 2, 0]


def test_easy_negatives_leave_the_cache_and_hard_ones_stay():
    rng = np.random.default_rng(0)
    positives = rng.random((3, 8)).astype(np.float32) + 1
    miner = Miner(sparse_rows(positives), Svm(C=1.0))
    easy, near = -9 * np.ones((5, 8), np.float32), 0.9 * positives
    miner.add(sparse_rows(np.concatenate([easy, near])), np.zeros(8))
    miner.train(last=False)
    assert np.array_equal(miner.examples.toarray()[3:], near)
    miner.add(sparse_rows(easy), easy @ miner.weights + miner.bias)  # below the threshold, so not added
    miner.add(sparse_rows(near), near @ miner.weights + miner.bias)
    miner.train(last=False)
    assert miner.fits == 1  # three new negatives are too few for a training
    miner.train(last=True)
    assert miner.fits == 2
    assert np.array_equal(miner.examples.toarray()[3:], np.concatenate([near, near]))


@pytest.fixture
def detected(world, devkit, tmp_path):
    def call(ids=None, **changes):
        world()
        ids = ids or Voc(devkit).images("test")
        features = write_features(tmp_path / "test.h5", devkit, ids, seed=9)
        arguments = {"source": StoredFeatures([features]), "svms": tmp_path / "svms.npz", "out": tmp_path / "d.npz"}
        metrics = detect(**arguments | changes)
        return *read_detections(tmp_path / "d.npz"), metrics

    return call


def test_detections_find_the_objects_and_leave_the_ground_truth_boxes_out(detected, devkit, tmp_path):
    ids, found, metrics = detected()
    photos = Voc(devkit, classes=CLASSES)
    assert ids == photos.images("test")
    assert metrics["classes"] == 2
    assert len(found["bird"].scores) == 0
    for label, name in enumerate(("cat", "dog")):
        for image, image_id in enumerate(ids):
            of_image = found[name].image == image
            best = found[name].boxes[of_image][found[name].scores[of_image].argmax()]
            truth = photos.objects(image_id).boxes[label]
            assert loops_iou(best, truth) > 0.5
            assert not (found[name].boxes[of_image] == truth).all(axis=1).any()


def test_no_two_boxes_of_a_class_and_image_overlap(detected):
    _, found, _ = detected(settings={"nms": 0.3})
    for image in range(5):
        boxes = found["cat"].boxes[found["cat"].image == image]
        assert max(loops_iou(a, b) for i, a in enumerate(boxes) for b in boxes[:i]) <= 0.3


def test_only_the_best_boxes_enter_the_suppression(detected):
    _, all_of_them, _ = detected(settings={"nms": 1.0})
    _, found, _ = detected(settings={"nms": 1.0, "top": 4})
    for image in range(5):
        scores = np.sort(all_of_them["cat"].scores[all_of_them["cat"].image == image])
        assert np.allclose(np.sort(found["cat"].scores[found["cat"].image == image]), scores[-4:])


@pytest.mark.parametrize("boxes_per_image", [1, 3, 8, None])
def test_the_limit_over_the_whole_set_equals_the_loops_of_rcnn(detected, world, devkit, boxes_per_image):
    ids, found, metrics = detected(settings={"top": 10, "boxes_per_image": boxes_per_image})
    svms = np.load(world.folder / "svms.npz")
    windows = list(StoredFeatures([world.folder / "test.h5"]).windows(scales=svms["scales"]))
    total = 0
    for label in (0, 1):
        images = []
        for each in windows:
            proposals = ~each.is_gt
            scores = each.features[proposals] @ svms["weights"][label] + svms["biases"][label]
            images.append(list(zip(each.boxes[proposals].tolist(), scores.tolist(), strict=True)))
        cap = None if boxes_per_image is None else boxes_per_image * len(ids)
        expected = loops_detections(images, top=10, cap=cap, overlap=0.3)
        own = found[CLASSES[label]]
        assert sorted(zip(own.image.tolist(), map(tuple, own.boxes.tolist()), strict=True)) == sorted(expected)
        total += len(expected)
    assert metrics["detections"] == total


def test_the_order_of_the_images_does_not_change_the_detections(detected, devkit, tmp_path):
    ids = Voc(devkit).images("test")
    paths = [write_features(tmp_path / f"{each}.h5", devkit, [each], seed=seed) for seed, each in enumerate(ids)]
    forwards, backwards = (
        detected(source=StoredFeatures(order), settings={"boxes_per_image": 2})[1]["cat"]
        for order in (paths, paths[::-1])
    )
    assert 0 < len(forwards.scores) <= 2 * len(ids)
    assert sorted(forwards.scores) == sorted(backwards.scores)


def test_an_evaluation_image_among_the_training_images_is_refused(detected):
    with pytest.raises(UserError, match=r"image val_1 is in the training set .* no evaluation image may be trained on"):
        detected(ids=["test_0", "val_1"])
