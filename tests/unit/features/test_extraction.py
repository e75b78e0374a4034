"""Features of a small devkit, stored and computed."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.features import computed
from tracklearn.features.computed import ComputedFeatures
from tracklearn.features.extraction import extract_features, open_features
from tracklearn.features.store import StoredFeatures
from tracklearn.features.windows import FLOAT32
from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.networks.weights import save_weights
from tracklearn.voc.annotations import Voc
from tracklearn.voc.proposals import propose
from tracklearn.voc.proposals_file import read_proposals, write_proposals
from tracklearn.voc.warp import warp, warp_placed_on_device


class World:
    """The evaluation images of a devkit, their proposals, and files of networks."""

    def __init__(self, devkit, folder):
        self.voc, self.folder = {"voc": devkit, "year": 2012}, folder
        self.proposals = [folder / "proposals.npz"]
        propose(**self.voc, image_set="val", out=self.proposals[0], proposals={"max_boxes": 9})
        self.nets = {}

    def net(self, name, **changes):
        shape = {"width": 1 / 16, "input_size": 67, "fc7": 64, "conv_std": 0.05, "fc_std": 0.05, "seed": 1}
        self.nets[name] = CaffeNet(**shape | changes).eval()
        path = self.folder / f"{name}.safetensors"
        save_weights(path, self.nets[name])
        return path

    def open(self, *weights, layer="fc7", **changes):
        return open_features(**self.voc | {"proposals": self.proposals, "weights": weights, "layer": layer} | changes)

    def computed(self, *weights, layer="fc7", **changes):
        boxes = read_proposals(self.proposals)
        return ComputedFeatures(Voc(self.voc["voc"]), boxes, weights=weights, layer=layer, **changes)


@pytest.fixture
def world(devkit, tmp_path):
    return World(devkit, tmp_path)


def features(source, rows=None):
    return [windows.features for windows in source.windows(rows)]


def one_float16_step(found, expected):
    """Whether arrays of float16 values differ by at most one step of float16.

    Where large terms cancel, the rounding of sums in single precision exceeds that step.
    """
    high = np.nextafter(expected.astype(np.float16), np.float16(np.inf)).astype(np.float32)
    low = np.nextafter(expected.astype(np.float16), np.float16(-np.inf)).astype(np.float32)
    rounding = 1e-6 * expected.max(initial=0)
    return bool(((low - rounding <= found) & (found <= high + rounding)).all())


def test_ground_truth_comes_before_the_proposals_of_its_image(world, devkit):
    source = world.open(world.net("net"))
    proposals = read_proposals(world.proposals)
    assert source.ids == ["val_0", "val_1", "val_2"]
    for windows in source.windows():
        expected = np.concatenate([Voc(devkit).objects(windows.image_id).boxes, proposals[windows.image_id]])
        assert np.array_equal(windows.boxes, expected)
        assert windows.is_gt.tolist() == [True, True] + [False] * len(proposals[windows.image_id])


@pytest.mark.parametrize("layer", ["fc7", "fc6", "pool5"])
def test_features_are_the_layers_activations_of_the_warped_windows(world, devkit, layer):
    windows = next(world.computed(world.net("net"), layer=layer, batch=4).windows())
    net = world.nets["net"]
    warped = warp(Voc(devkit).image("val_0"), windows.boxes, mean=net.mean_bgr[::-1], size=67)
    with torch.no_grad():
        expected = net(to_input(torch.from_numpy(warped)), layer).numpy()
    assert windows.features == pytest.approx(expected, rel=2e-3, abs=1e-3)


def test_stored_computed_and_computed_by_two_processes_are_one_float16_step_apart(world, monkeypatch):
    nets = [world.net("a"), world.net("b", seed=2)]
    stored = []
    for path in nets:
        stored.append(path.with_suffix(".h5"))
        extract_features(source=world.open(path), out=stored[-1])
    reference = features(StoredFeatures(stored, 2))
    monkeypatch.setattr(computed, "GROUP", 1)  # or the three images would be one group
    for source in (world.computed(*nets), world.computed(*nets, processes=2, batch=8)):
        found = features(source)
        assert [each.shape for each in found] == [each.shape for each in reference]
        assert all(map(one_float16_step, found, reference))
    with torch.no_grad():
        world.nets["a"].fc7.weight.fill_(1e9)
    save_weights(nets[0], world.nets["a"])
    with pytest.raises(UserError, match=r"a\.safetensors: a feature of image val_0 exceeds float16"):
        features(world.computed(*nets, processes=2, batch=8))


def test_stored_features_are_computed_ones_bit_by_bit(world):
    path = world.net("net")
    metrics = extract_features(source=world.open(path), out=world.folder / "net.h5")
    stored, source = StoredFeatures([world.folder / "net.h5"]), world.open(path)
    assert all(map(np.array_equal, features(stored), features(source)))
    assert (stored.ids, stored.ground_truth, stored.widths) == (source.ids, source.ground_truth, source.widths)
    assert all(map(np.array_equal, stored.boxes, source.boxes))
    assert metrics == {"images": 3, "windows": sum(map(len, source.boxes)), "ground_truth": 6}


@pytest.mark.parametrize("kind", ["stored", "computed"])
def test_only_the_chosen_windows_come_and_only_their_photos_are_read(world, devkit, kind):
    path = world.net("net")
    source = world.open(path)
    everything = features(source)
    if kind == "stored":
        extract_features(source=source, out=world.folder / "net.h5")
        source = StoredFeatures([world.folder / "net.h5"])
    (devkit / "VOC2012/JPEGImages/val_1.jpg").unlink()
    rows = [np.array([0, 3, 4]), np.array([], int), np.array([2])]
    found = list(source.windows(rows))
    assert [windows.image_id for windows in found] == source.ids
    for windows, own, expected, boxes in zip(found, rows, everything, source.boxes, strict=True):
        assert one_float16_step(windows.features, expected[own])
        assert np.array_equal(windows.boxes, boxes[own])
        assert np.array_equal(windows.is_gt, own < 2)


def test_models_of_other_means_and_sizes_see_their_own_windows(world):
    # The windows lie over the border, so that they show the mean colour.
    write_proposals(world.folder / "wide.npz", ["val_0"], [np.array([[-30, -20, 60, 80], [50, 40, 119, 89]])])
    world.proposals = [world.folder / "wide.npz"]
    nets = [
        world.net("a"),
        world.net("same-look", seed=2),
        world.net("mean", mean_bgr=(104, 117, 123)),
        world.net("size", input_size=99),
    ]
    together = features(world.computed(*nets))[0]
    alone = np.hstack([features(world.computed(net))[0] for net in nets])
    assert together == pytest.approx(alone, rel=2e-3, abs=1e-3)
    assert not np.allclose(together[:, :64], together[:, 128:192], rtol=1e-2)


def test_each_photo_is_decoded_once_and_each_window_warped_once_for_an_ensemble(world, monkeypatch):
    decoded, warped = [], []
    image = Voc.image
    monkeypatch.setattr(Voc, "image", lambda self, image_id: decoded.append(image_id) or image(self, image_id))
    whole = computed.warp_placed
    monkeypatch.setattr(
        computed, "warp_placed", lambda photo, places, **how: warped.append(len(places)) or whole(photo, places, **how)
    )
    source = world.computed(world.net("a"), world.net("b", seed=2), batch=5)
    features(source)
    assert decoded == ["val_0", "val_1", "val_2"]
    assert sum(warped) == sum(map(len, source.boxes))


def test_windows_warped_as_on_a_gpu_give_nearly_the_same_features(world, monkeypatch):
    source = world.computed(world.net("net"), batch=7)
    expected = np.concatenate(features(source))
    monkeypatch.setattr(
        source.extractor,
        "_warp",
        lambda photo, places, size, colour: warp_placed_on_device(photo, places, mean=colour, size=size),
    )
    assert np.abs(np.concatenate(features(source)) - expected).max() < 0.02 * expected.max()


def test_batches_go_on_across_photos(world):
    source = world.computed(world.net("net"), batch=7)
    sizes = []
    start = source.extractor._start
    source.extractor._start = lambda windows: sizes.append(len(windows[0])) or start(windows)
    features(source)
    assert set(sizes[:-1]) == {7}
    assert sum(sizes) == sum(map(len, source.boxes))


def test_bf16_rounds_the_products_and_fp32_is_the_default(world):
    path = world.net("net")
    fp32, bf16 = (np.concatenate(features(world.open(path, **how))) for how in ({}, {"precision": "bf16"}))
    assert np.array_equal(fp32, np.concatenate(features(world.open(path, precision="fp32"))))
    assert not np.array_equal(fp32, bf16)
    assert np.abs(fp32 - bf16).max() < 0.05 * np.abs(fp32).max()


def test_without_ground_truth_annotations_are_not_read(world, devkit):
    for path in (devkit / "VOC2012/Annotations").iterdir():
        path.unlink()
    source = world.open(world.net("net"), ground_truth=False)
    assert not any(windows.is_gt.any() for windows in source.windows())


def test_a_set_of_images_needs_no_proposals_for_its_ground_truth(world):
    source = world.open(world.net("net"), proposals=[], image_set="val")
    assert [len(each) for each in features(source)] == [2, 2, 2]


def test_images_without_windows_are_kept(world):
    some = np.array([[1, 2, 50, 60]], np.float32)
    write_proposals(world.folder / "few.npz", ["test_0", "test_1"], [np.zeros((0, 4), np.float32), some])
    source = world.open(world.net("net"), proposals=[world.folder / "few.npz"], ground_truth=False)
    extract_features(source=source, out=world.folder / "few.h5")
    for each in (source, StoredFeatures([world.folder / "few.h5"])):
        assert [found.shape for found in features(each)] == [(0, 64), (1, 64)]


def test_every_float16_becomes_the_float32_of_the_same_value():
    bits = np.arange(2**16, dtype=np.uint16)
    expected = torch.from_numpy(bits.view(np.float16)).float().numpy()
    np.testing.assert_array_equal(FLOAT32[bits], expected)


def test_what_works_on_stored_features_starts_without_torch():
    code = (
        "import sys; from tracklearn.features import extraction; "
        "from tracklearn.detection import average_precision, detect, svm; "
        "print({'torch', 'cv2', 'mlflow', 'snakemake'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_unknown_layer_is_named(world):
    with pytest.raises(UserError, match="layer is 'conv9'; expected one of pool5, fc6, fc7"):
        world.open(world.net("net"), layer="conv9")


def test_diverged_weights_are_named_and_leave_no_file(world):
    path = world.net("bad")
    with torch.no_grad():
        world.nets["bad"].fc7.weight.fill_(1e9)
    save_weights(path, world.nets["bad"])
    with pytest.raises(UserError, match=r"bad\.safetensors: a feature of image val_0 exceeds float16"):
        extract_features(source=world.open(path), out=world.folder / "features.h5")
    assert not list(world.folder.glob("*features*"))
