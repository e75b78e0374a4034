import csv
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import simplejpeg
import torch

from tracklearn.detection import finetune
from tracklearn.detection.finetune import TrainingWindows, WindowBatches, collect_windows, finetune_voc, window_labels
from tracklearn.errors import UserError
from tracklearn.features.computed import ComputedFeatures
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import build, load_weights, save_weights
from tracklearn.training import job
from tracklearn.training.sampling import batch_rng
from tracklearn.voc.annotations import Voc
from tracklearn.voc.proposals_file import read_proposals, write_proposals
from tracklearn.voc.warp import warp, warp_each

NETWORK = {"width": 1 / 8, "input_size": 67, "detection_fc7": 64, "conv_std": 0.05, "fc_std": 0.05, "bias": 0.0}
SCHEDULE = {"lr": 0.003, "iterations": 200, "batch": 16}
SAVING = {"log_every": 10}
CLASSES = ["red", "green"]
OBJECT = """<annotation><size><width>120</width><height>90</height><depth>3</depth></size><object><name>{}</name>
<difficult>{}</difficult><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>50</xmax><ymax>60</ymax></bndbox></object></annotation>"""
BOX = [10.0, 20, 49, 59]


@pytest.fixture(scope="module")
def devkit(tmp_path_factory):
    """Six grey photos with one coloured square each, the last one difficult, and proposals for them."""
    root = tmp_path_factory.mktemp("devkit")
    folder = root / "VOC2012"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    ids = [f"image{index}" for index in range(6)]
    rng = np.random.default_rng(0)
    for index, image_id in enumerate(ids):
        photo = rng.integers(100, 140, (90, 120, 3)).astype(np.uint8)
        photo[20:60, 10:50] = ((220, 20, 20), (20, 220, 20))[index % 2]
        (folder / "JPEGImages" / f"{image_id}.jpg").write_bytes(simplejpeg.encode_jpeg(photo, 95))
        text = OBJECT.format(CLASSES[index % 2], int(index == 5))
        (folder / "Annotations" / f"{image_id}.xml").write_text(text)
    (folder / "ImageSets/Main/train.txt").write_text("\n".join(ids))
    boxes = np.array([[12, 22, 51, 61], [60, 10, 110, 70], [55, 5, 119, 40], [0, 0, 119, 89]], np.float32)
    write_proposals(root / "0.npz", ids[:4], [boxes] * 4)
    write_proposals(root / "1.npz", ids[4:], [boxes] * 2)
    return root


def run(folder, devkit, **changes):
    arguments = {
        "network": NETWORK,
        "schedule": SCHEDULE,
        "saving": SAVING,
        "seed": 1,
        "threads": 1,
        "classes": CLASSES,
    } | changes
    return finetune_voc(
        voc=devkit,
        image_set="train",
        proposals=[devkit / "0.npz", devkit / "1.npz"],
        weights=folder / "weights.safetensors",
        log=folder / "log.csv",
        checkpoints=folder / "checkpoints",
        conv1=folder / "conv1.png",
        **arguments,
    )


def test_it_learns_to_distinguish_squares_from_background(tmp_path, devkit):
    metrics = run(tmp_path, devkit)
    assert metrics["accuracy"] > 0.9
    assert metrics["foreground_accuracy"] > 0.8
    _, metadata = load_weights(tmp_path / "weights.safetensors")
    assert metadata["classes"] == ["background", "red", "green"]
    with (tmp_path / "log.csv").open() as file:
        columns = list(next(csv.DictReader(file)))
    assert columns == ["iteration", "loss", "lr", "accuracy", "foreground_accuracy", "images_per_s", "waiting"]


def test_a_memory_limit_and_how_often_to_save_change_nothing(tmp_path, devkit, monkeypatch):
    for name, limit, saving in (("cached", 8e9, SAVING), ("decoded", 0, {"checkpoint_every": 2})):
        (tmp_path / name).mkdir()
        monkeypatch.setattr("tracklearn.detection.finetune.DECODED_IMAGES_BYTES", limit)
        run(tmp_path / name, devkit, schedule=SCHEDULE | {"iterations": 5}, saving=saving)
    cached, decoded = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("cached", "decoded"))
    assert cached == decoded


def test_a_checkpoint_of_other_windows_or_settings_is_refused(tmp_path, devkit, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    schedule = SCHEDULE | {"iterations": 2}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(job, "save_weights", killed)
        run(tmp_path, devkit, schedule=schedule)
    made_with = f"^{tmp_path / 'checkpoints'}: the checkpoint was made with "
    with pytest.raises(
        UserError, match=made_with + "seed 1, and this training has 2; set seed back to 1, remove the folder, "
    ):
        run(tmp_path, devkit, schedule=schedule, seed=2)
    proposals = read_proposals([devkit / "0.npz"])
    moved = tmp_path / "moved"
    shutil.copytree(devkit, moved)
    write_proposals(moved / "0.npz", list(proposals), [boxes + 1 for boxes in proposals.values()])
    with pytest.raises(UserError, match=made_with + 'windows "[0-9a-f]{64}", and this training has "'):
        run(tmp_path, moved, schedule=schedule)
    run(tmp_path, devkit, schedule=schedule)


@pytest.mark.parametrize(
    ("transfer", "taken"),
    [("conv", {"conv1", "conv5"}), ("fc7", {"conv1", "conv5", "fc6", "fc7"})],
)
def test_transfer_takes_its_layers(tmp_path, devkit, transfer, taken):
    parent = new_network(NETWORK, head="detection", outputs=10, seed=9)
    save_weights(tmp_path / "parent.safetensors", parent)
    barely = SCHEDULE | {"iterations": 1, "lr": 1e-12}
    run(tmp_path, devkit, parent=tmp_path / "parent.safetensors", transfer=transfer, schedule=barely)
    net = build(tmp_path / "weights.safetensors")
    same = {name for name in ("conv1", "conv5", "fc6", "fc7") if close(getattr(net, name), getattr(parent, name))}
    assert same == taken


def test_windows_are_prepared_with_the_mean_of_the_given_parent(tmp_path, devkit, monkeypatch):
    means = []

    def recorded_warp(*given, mean, **options):
        means.append(tuple(mean))
        return warp_each(*given, mean=mean, **options)

    monkeypatch.setattr(finetune, "warp_each", recorded_warp)
    parent = new_network(NETWORK | {"mean_bgr": (104, 117, 123)}, head="detection", seed=9)
    save_weights(tmp_path / "parent.safetensors", parent)
    run(tmp_path, devkit, parent=tmp_path / "parent.safetensors", schedule=SCHEDULE | {"iterations": 1})
    assert set(means) == {(123, 117, 104)}  # red first
    assert build(tmp_path / "weights.safetensors").mean_bgr == (104, 117, 123)


def close(one, other):
    return torch.allclose(one.weight, other.weight, atol=1e-6)


def test_fc8_learns_faster_by_its_factor(tmp_path, devkit):
    start = new_network(NETWORK, head="detection", outputs=3, seed=1)
    moved = {}
    for factor in (1, 10):
        run(tmp_path, devkit, schedule=SCHEDULE | {"iterations": 1, "fc8_lr": factor})
        net = build(tmp_path / "weights.safetensors")
        moved[factor] = {name: (getattr(net, name).weight - getattr(start, name).weight) for name in ("fc7", "fc8")}
    torch.testing.assert_close(moved[10]["fc8"], 10 * moved[1]["fc8"], rtol=1e-2, atol=1e-6)
    torch.testing.assert_close(moved[10]["fc7"], moved[1]["fc7"])


def test_labels_follow_the_best_overlap():
    objects = np.array([[0, 0, 9, 9], [0, 0, 9, 19]], np.float32)
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 18], [0, 0, 9, 4], [0, 0, 9, 3], [50, 50, 60, 60]], np.float32)
    # The third box covers exactly half of the first object, the fourth box covers less.
    assert window_labels(boxes, objects, np.array([4, 7])).tolist() == [5, 8, 5, 0, 0]
    assert window_labels(boxes, np.zeros((0, 4), np.float32), np.zeros(0, np.int64)).tolist() == [0] * 5


def test_windows_are_proposals_and_annotated_boxes_including_difficult_ones(devkit):
    photos = Voc(devkit, 2012, classes=CLASSES)
    proposals = {"image5": np.array([[60, 10, 110, 70]], np.float32)}
    windows = collect_windows(photos, ["image5"], proposals)
    assert windows.labels.tolist() == [2, 0]
    assert windows.boxes.tolist() == [BOX, [60, 10, 110, 70]]


def batches(batch=128, seed=1):
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 50, (300, 2))
    boxes = np.hstack([corners, corners + 20]).astype(np.float32)
    labels = np.where(np.arange(300) < 10, 3, 0)
    windows = TrainingWindows(["a", "b", "c"], rng.integers(0, 3, 300).astype(np.int32), boxes, labels)
    photos = {name: rng.integers(0, 255, (80, 80, 3)).astype(np.uint8) for name in windows.ids}
    return WindowBatches(windows, photos.__getitem__, batch=batch, size=67, mean_rgb=(1, 2, 3), seed=seed)


def test_a_batch_is_a_quarter_foreground_with_replacement():
    images, labels = batches()(0)
    assert images.shape == (128, 67, 67, 3)
    assert labels.tolist() == [3] * 32 + [0] * 96
    chosen = batches().choose(np.random.default_rng(1))
    assert len(chosen) == 128
    assert (chosen[:32] < 10).all()  # 32 draws of 10 windows
    assert (chosen[32:] >= 10).all()


def test_batches_depend_on_seed_and_iteration_alone():
    one = batches()
    one(0)
    assert torch.equal(one(7)[0], batches()(7)[0])
    assert not torch.equal(one(7)[0], one(8)[0])
    assert not torch.equal(one(7)[0], batches(seed=2)(7)[0])


def test_images_are_the_warped_windows_some_mirrored():
    made = batches()
    chosen = made.choose(batch_rng(1, 4))
    mirrored = 0
    for index, image in zip(chosen, made(4)[0].numpy(), strict=True):
        photo = made.load(made.windows.ids[made.windows.images[index]])
        (expected,) = warp(photo, made.windows.boxes[index : index + 1], mean=(1, 2, 3), size=67)
        if not np.array_equal(image, expected):
            np.testing.assert_array_equal(image, expected[:, ::-1])
            mirrored += 1
    assert 40 < mirrored < 90


def test_a_resnet_is_fine_tuned_from_a_ranked_one_and_gives_features_of_windows(tmp_path, devkit):
    network = {"backbone": "resnet18", "input_size": 67, "ranking_fc7": 8}
    parent = new_network(network, head="ranking", seed=5).train()
    parent(parent.to_input(torch.randint(0, 256, (4, 67, 67, 3), dtype=torch.uint8)))
    save_weights(tmp_path / "parent.safetensors", parent)
    started = {"network": network, "parent": tmp_path / "parent.safetensors"}
    metrics = run(tmp_path, devkit, **started, schedule=SCHEDULE | {"iterations": 2, "batch": 8})
    net = build(tmp_path / "weights.safetensors")
    assert metrics["loss"] > 0 and net.layer_widths() == {"pool5": 512, "fc8": 3}
    assert net.bn1.num_batches_tracked == parent.bn1.num_batches_tracked + 2  # statistics go on in fine-tuning
    distance = (net.layer1[0].conv1.weight - parent.layer1[0].conv1.weight).abs().max()
    assert 0 < distance < 0.1 * parent.layer1[0].conv1.weight.abs().max()
    photos = Voc(devkit, 2012, classes=CLASSES)
    boxes = {"image0": read_proposals([devkit / "0.npz"])["image0"]}
    given = {"weights": [tmp_path / "weights.safetensors"], "ground_truth": False}
    (found,) = ComputedFeatures(photos, boxes, layer="pool5", **given).windows([np.arange(4)])
    windows = warp(photos.image("image0"), boxes["image0"], mean=net.mean_bgr[::-1], size=67)
    with torch.inference_mode():
        expected = net.features(torch.from_numpy(windows), "pool5").numpy()
    np.testing.assert_allclose(found.features, expected, rtol=2e-3, atol=1e-3)
    with pytest.raises(UserError, match=r"the network \(resnet18\) has no layer fc7; choose one of pool5, fc8$"):
        ComputedFeatures(photos, boxes, layer="fc7", **given)
    with pytest.raises(UserError, match="transfer is 'fc7'; expected one of conv"):
        run(tmp_path, devkit, **started, transfer="fc7")


def test_bad_input_is_a_one_line_error(tmp_path, devkit):
    with pytest.raises(UserError, match="transfer is 'fc6'; expected one of conv, fc7"):
        run(tmp_path, devkit, transfer="fc6")
    photos = SimpleNamespace(
        objects=lambda _: SimpleNamespace(boxes=np.zeros((0, 4), np.float32), labels=np.zeros(0, int))
    )
    with pytest.raises(UserError, match="image a is in no file of proposals; make its proposals first"):
        collect_windows(photos, ["a"], {})
    with pytest.raises(UserError, match="0 of 2 windows in 1 images show an object; expected some of both kinds"):
        collect_windows(photos, ["a"], {"a": np.array([[0, 0, 9, 9], [5, 5, 20, 20]], np.float32)})


def test_real_photos_make_batches(real_data):
    photos = Voc(real_data / "voc_mini" / "VOCdevkit", 2012)
    ids = photos.images("train")[:20]
    corners = np.random.default_rng(0).integers(0, 100, (20, 40, 2))
    windows = collect_windows(
        photos, ids, {i: np.hstack([c, c + 90]).astype(np.float32) for i, c in zip(ids, corners, strict=True)}
    )
    made = WindowBatches(windows, photos.image, batch=128, size=99, mean_rgb=(108, 103, 97), seed=0)
    images, labels = made(0)
    assert images.shape == (128, 99, 99, 3)
    assert (labels[:32] > 0).all()
    assert images.float().std((1, 2, 3)).min() > 1  # no blank window
