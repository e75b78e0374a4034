"""The exported graph, computed by onnxruntime, against the network in torch."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.networks import lrn
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.caffe.caffemodel import write_caffemodel
from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.networks.onnx import LAYERS, export, main
from tracklearn.networks.weights import save_weights

SIZE = 83


@pytest.fixture
def net():
    """A network whose activations are so large that the normalisation matters."""
    shape = {"width": 1 / 16, "input_size": SIZE, "fc7": 32, "outputs": 3, "mean_bgr": (90.0, 100.5, 120.25)}
    return CaffeNet(**shape, conv_std=0.15, fc_std=0.05, seed=1).eval()


@pytest.fixture
def photos():
    """uint8 RGB (3, S, S, 3)."""
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def computed(model, photos):
    """The output of a model for photos uint8 RGB (N, S, S, 3)."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": photos.transpose(0, 3, 1, 2).astype(np.float32)})[0]


def expected(net, photos, layer):
    with torch.inference_mode():
        return net(to_input(torch.from_numpy(photos), net.mean_bgr), layer).numpy()


def difference(values, others):
    """The largest difference, relative to the largest value."""
    assert values.shape == others.shape
    return np.abs(values - others).max() / np.abs(others).max()


@pytest.mark.parametrize("layer", LAYERS)
def test_onnxruntime_computes_every_layer(net, photos, layer):
    model = export(net, layer)
    assert difference(computed(model, photos), expected(net, photos, layer)) < 1e-5
    assert [output.name for output in model.graph.output] == [layer]


@pytest.mark.parametrize("count", [1, 2])
def test_a_batch_may_have_any_number_of_images(net, photos, count):
    assert difference(computed(export(net), photos[:count]), expected(net, photos[:count], "fc7")) < 1e-5


@pytest.mark.parametrize("size", range(67, 83, 3))
def test_poolings_keep_the_last_incomplete_window_at_every_size(size):
    net = CaffeNet(width=1 / 16, input_size=size, fc7=8, conv_std=0.15).eval()
    photos = np.random.default_rng(size).integers(0, 256, (1, size, size, 3), np.uint8)
    assert difference(computed(export(net, "pool5"), photos), expected(net, photos, "pool5")) < 1e-5


def test_colours_the_mean_and_the_normalisation_matter_here(net, photos):
    """What the tests above would miss otherwise: each mistake moves the output by more than their tolerance."""
    model = export(net, "pool5")
    right = computed(model, photos)
    assert difference(computed(model, photos[..., ::-1]), right) > 1e-2
    undivided = export(net, "pool5")
    for node in undivided.graph.node:
        for attribute in node.attribute:
            if node.op_type == "LRN" and attribute.name == "alpha":
                attribute.f *= lrn.SIZE
    assert difference(computed(undivided, photos), right) > 1e-2
    net.mean_bgr = net.mean_bgr[::-1]
    assert difference(computed(export(net, "pool5"), photos), right) > 1e-2


def test_the_graph_has_one_operator_for_each_layer(net):
    operators = [node.op_type for node in export(net, "fc8").graph.node]
    convolution = ["Conv", "Relu"]
    assert operators == [
        "Sub",
        *[*convolution, "MaxPool", "LRN"] * 2,
        *convolution * 3,
        *["MaxPool", "Flatten"],
        *["Gemm", "Relu"] * 2,
        "Gemm",
    ]


def test_layers_after_the_output_are_left_out(net):
    stored = {tensor.name.partition("_")[0] for tensor in export(net, "pool5").graph.initializer}
    assert stored == {"mean", "conv1", "conv2", "conv3", "conv4", "conv5"}


def test_equal_networks_give_equal_files(net):
    assert export(net).SerializeToString() == export(net).SerializeToString()


def test_the_command_takes_both_kinds_of_weights(net, photos, tmp_path, capsys):
    save_weights(tmp_path / "w.safetensors", net)
    write_caffemodel(tmp_path / "w.caffemodel", net)
    for source in ("w.safetensors", "w.caffemodel"):
        assert main([str(tmp_path / source), str(tmp_path / "w.onnx"), "--layer", "fc8"]) == 0
        said = f"images, float32 RGB (N, 3, {SIZE}, {SIZE}), 0..255 -> fc8, float32 (N, 3)"
        assert capsys.readouterr().out == f"{tmp_path / 'w.onnx'}: {said}\n"
        model = onnx.load(tmp_path / "w.onnx")
        assert difference(computed(model, photos), expected(net, photos, "fc8")) < 1e-5


def test_fc7_of_a_network_of_surface_normals_has_no_relu(photos, tmp_path):
    net = CaffeNet(width=1 / 16, input_size=SIZE, fc7=40, conv_std=0.15, fc_std=0.05).eval()
    save_weights(tmp_path / "w.safetensors", net, metadata={"training": "normals"})
    assert main([str(tmp_path / "w.safetensors"), str(tmp_path / "w.onnx")]) == 0
    with torch.inference_mode():
        scores = net.fc7(torch.from_numpy(expected(net, photos, "fc6"))).numpy()
    assert scores.min() < -0.1
    assert difference(computed(onnx.load(tmp_path / "w.onnx"), photos), scores) < 1e-5


def test_what_cannot_be_exported_is_said_in_a_line(tmp_path, capsys, monkeypatch):
    weights, out = str(tmp_path / "w.safetensors"), str(tmp_path / "w.onnx")
    assert main([weights, out]) == 1
    assert "the file does not exist" in capsys.readouterr().err
    save_weights(weights, CaffeNet(width=1 / 16, input_size=67, fc7=8))
    assert main([weights, out, "--layer", "fc8"]) == 1
    assert capsys.readouterr().err == "the network has no fc8; give --layer pool5, fc6 or fc7\n"
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main([weights, out]) == 1
    assert "onnx is not installed; `pip install onnx`" in capsys.readouterr().err
    assert not (tmp_path / "w.onnx").exists()


@pytest.mark.parametrize(("backbone", "size", "layer"), [("resnet18", SIZE, "fc8"), ("alexnet", 224, "pool5")])
def test_backbones_of_torchvision_are_traced(backbone, size, layer):
    net = BACKBONES[backbone](input_size=size, fc7=4, outputs=3, seed=1)
    photos = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    with torch.inference_mode():
        if backbone == "resnet18":
            net.train()(
                net.to_input(torch.from_numpy(photos))
            )  # gives batch normalisation other statistics than 0 and 1
        values = net.eval().features(torch.from_numpy(photos), layer).numpy()
    model = export(net, layer)
    assert difference(computed(model, photos), values) < 1e-4
    assert [output.name for output in model.graph.output] == [layer]
    assert difference(computed(model, photos[..., ::-1]), values) > 1e-3


def test_what_cannot_be_exported_is_refused():
    net = BACKBONES["alexnet"](input_size=67, fc7=4)
    with pytest.raises(
        UserError, match="alexnet at input size 67 pools 1 x 1 values to 6 x 6, which ONNX cannot; give"
    ):
        export(net, "pool5")
    with pytest.raises(UserError, match=r"the network has no fc8; give --layer pool5, fc6 or fc7"):
        export(net, "fc8")
    with pytest.raises(UserError, match="surface normals with the backbone alexnet is not exported; a CaffeNet is"):
        export(net, "fc7", linear="fc7")
