import h5py
import numpy as np
import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.features.extraction import extract_features
from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.networks.weights import save_weights
from tracklearn.voc.annotations import Voc
from tracklearn.voc.proposals import propose
from tracklearn.voc.proposals_file import read_proposals, write_proposals
from tracklearn.voc.warp import warp


@pytest.fixture
def extract(devkit, tmp_path):
    net = CaffeNet(width=1 / 16, input_size=67, fc7=64, seed=1).eval()
    save_weights(tmp_path / "net.safetensors", net)
    propose(voc=devkit, year=2012, image_set="val", out=tmp_path / "proposals.npz", proposals={"max_boxes": 9})

    def call(**changes):
        arguments = {
            "voc": devkit, "year": 2012, "proposals": tmp_path / "proposals.npz", "layer": "fc7",
            "weights": tmp_path / "net.safetensors", "out": tmp_path / "features.h5",
        }  # fmt: skip
        metrics = extract_features(**arguments | changes)
        with h5py.File(tmp_path / "features.h5") as file:
            return {name: file[name][:] for name in file}, metrics

    call.net, call.folder = net, tmp_path
    return call


def test_ground_truth_comes_before_the_proposals_of_its_image(extract, devkit):
    stored, metrics = extract()
    proposals = read_proposals([extract.folder / "proposals.npz"])
    assert stored["ids"].tolist() == [b"val_0", b"val_1", b"val_2"]
    for image, image_id in enumerate(proposals):
        rows = slice(stored["offsets"][image], stored["offsets"][image + 1])
        expected = np.concatenate([Voc(devkit).objects(image_id).boxes, proposals[image_id]])
        assert np.array_equal(stored["boxes"][rows], expected)
        assert stored["is_gt"][rows].tolist() == [True, True] + [False] * len(proposals[image_id])
    assert metrics == {"images": 3, "windows": len(stored["boxes"]), "ground_truth": 6}


@pytest.mark.parametrize("layer", ["fc7", "fc6", "pool5"])
def test_features_are_the_layers_activations_of_the_warped_windows(extract, devkit, layer):
    stored, _ = extract(layer=layer, batch=4)
    boxes = stored["boxes"][: stored["offsets"][1]]
    windows = warp(Voc(devkit).image("val_0"), boxes, mean=extract.net.mean_bgr[::-1], size=67)
    with torch.no_grad():
        expected = extract.net(to_input(torch.from_numpy(windows)), layer).numpy()
    assert stored["features"].dtype == np.float16
    assert stored["features"][: len(boxes)] == pytest.approx(expected, rel=2e-3, abs=1e-3)


def test_without_ground_truth_annotations_are_not_read(extract, devkit):
    for path in (devkit / "VOC2012/Annotations").iterdir():
        path.unlink()
    stored, metrics = extract(with_ground_truth=False)
    assert not stored["is_gt"].any()
    assert metrics["ground_truth"] == 0


def test_images_without_windows_are_kept(extract):
    none = np.zeros((0, 4), np.float32)
    some = np.array([[1, 2, 50, 60]], np.float32)
    write_proposals(extract.folder / "few.npz", ["test_0", "test_1"], [none, some])
    stored, _ = extract(proposals=extract.folder / "few.npz", with_ground_truth=False)
    assert stored["offsets"].tolist() == [0, 0, 1]
    assert stored["features"].shape == (1, extract.net.fc7.out_features)


def test_unknown_layer_is_named(extract):
    with pytest.raises(UserError, match="layer is 'conv9'; expected one of pool5, fc6, fc7"):
        extract(layer="conv9")


def test_diverged_weights_are_named_and_leave_no_file(extract):
    with torch.no_grad():
        extract.net.fc7.weight.fill_(1e9)
    save_weights(extract.folder / "bad.safetensors", extract.net)
    with pytest.raises(UserError, match=r"bad\.safetensors: fc7 of image val_0 exceeds float16"):
        extract(weights=extract.folder / "bad.safetensors")
    assert not list(extract.folder.glob("*features*"))
