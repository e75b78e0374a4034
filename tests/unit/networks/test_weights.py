import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CONV_LAYERS, CaffeNet
from tracklearn.networks.weights import FORMAT, build, load_weights, save_weights, transfer


def small(**options):
    return CaffeNet(**({"width": 1 / 16, "input_size": 67, "fc7": 32, "outputs": 3} | options))


def test_a_built_network_is_the_saved_one(tmp_path):
    net = small(mean_bgr=(1.0, 2.0, 3.0), seed=4)
    save_weights(tmp_path / "net.safetensors", net, metadata={"training": "voc", "classes": ["a", "b"]})
    built = build(tmp_path / "net.safetensors")
    images = torch.randn(2, 3, 67, 67)
    assert torch.equal(built(images, "fc8"), net(images, "fc8"))
    assert built.mean_bgr == (1.0, 2.0, 3.0)
    assert not built.training


def test_metadata_says_how_images_are_prepared(tmp_path):
    save_weights(tmp_path / "net.safetensors", small(), metadata={"seed": 1})
    state, metadata = load_weights(tmp_path / "net.safetensors")
    assert metadata["network"] == {"width": 1 / 16, "input_size": 67, "fc7": 32, "outputs": 3}
    assert metadata["preprocessing"] == {
        "channels": "BGR",
        "values": "0..255 minus mean_bgr",
        "mean_bgr": [96.64, 102.75, 107.99],
        "input_size": 67,
    }
    assert metadata["seed"] == 1
    assert [name for name in state if name.endswith("weight")] == [
        *(f"{layer}.weight" for layer in (*CONV_LAYERS, "fc6", "fc7", "fc8"))
    ]


def test_transfer_copies_only_the_named_layers(tmp_path):
    parent, net, untouched = small(seed=1), small(seed=2, fc7=16), small(seed=2, fc7=16)
    save_weights(tmp_path / "parent.safetensors", parent)
    transfer(net, tmp_path / "parent.safetensors")
    for name, value in net.state_dict().items():
        source = parent if name.startswith("conv") else untouched
        assert torch.equal(value, source.state_dict()[name]), name


def test_the_parents_mean_travels_with_its_layers(tmp_path):
    net = small(seed=2)
    save_weights(tmp_path / "parent.safetensors", small(seed=1, mean_bgr=(104, 117, 123)))
    transfer(net, tmp_path / "parent.safetensors")
    save_weights(tmp_path / "child.safetensors", net)
    assert net.mean_bgr == build(tmp_path / "child.safetensors").mean_bgr == (104, 117, 123)


def test_metadata_can_be_read_without_the_tensors(tmp_path):
    save_weights(tmp_path / "net.safetensors", small(), metadata={"pairs": 7})
    state, metadata = load_weights(tmp_path / "net.safetensors", tensors=False)
    assert (state, metadata["pairs"]) == ({}, 7)


def test_a_parent_of_another_width_is_refused(tmp_path):
    save_weights(tmp_path / "parent.safetensors", small(width=1 / 8))
    with pytest.raises(UserError, match=r"conv1.weight has shape \(12, 3, 11, 11\), expected \(6, 3, 11, 11\)"):
        transfer(small(), tmp_path / "parent.safetensors")


def test_a_parent_without_the_layer_is_refused(tmp_path):
    save_weights(tmp_path / "parent.safetensors", small())
    state, metadata = load_weights(tmp_path / "parent.safetensors")
    del state["fc7.weight"]
    save_file(state, tmp_path / "parent.safetensors", {FORMAT: json.dumps(metadata)})
    with pytest.raises(UserError, match=r"fc7\.weight is missing, expected shape \(32, 256\); a model and its parent"):
        transfer(small(), tmp_path / "parent.safetensors", "fc7")


def test_files_without_weights_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(UserError, match="not a readable weights file"):
        load_weights(path)
    path.write_bytes(b"no weights")
    with pytest.raises(UserError, match="not a readable weights file"):
        load_weights(path)
    save_file({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="not weights of this network"):
        load_weights(path)


def test_truncated_weights_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    save_weights(path, small())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="not a readable weights file"):
        build(path)


SHAPE = {"width": 1 / 16, "input_size": 67, "fc7": 32, "outputs": 3}
DESCRIBED = {"network": SHAPE, "preprocessing": {"mean_bgr": [1, 2, 3]}}


def converted(path, change=lambda state: None, described=DESCRIBED):
    """Weights as another program may write them, with some change to their tensors."""
    save_weights(path, small())
    state = load_file(path)
    change(state)
    save_file(state, path, {FORMAT: described if isinstance(described, str) else json.dumps(described)})
    return path


def test_converted_weights_make_the_same_network(tmp_path):
    built = build(converted(tmp_path / "net.safetensors"))
    assert all(torch.equal(value, small().state_dict()[name]) for name, value in built.state_dict().items())
    assert built.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(parameter.requires_grad for parameter in built.parameters())


def test_weights_of_another_precision_are_taken_and_whole_numbers_are_read(tmp_path):
    path = converted(tmp_path / "net.safetensors", lambda state: state.update({"fc8.bias": torch.ones(3).half()}))
    assert torch.equal(build(path).fc8.bias, torch.ones(3))
    converted(path, lambda state: state.update(count=torch.tensor(7)))
    assert load_weights(path)[0]["count"] == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc6.bias"), "fc6.bias is missing, expected shape (256,), by its metadata"),
        (lambda state: state.update(fc9=torch.zeros(1)), "fc9 is not a tensor of the network, by its metadata"),
        (
            lambda state: state.update({"conv1.weight": torch.zeros(6, 3, 7, 7)}),
            "conv1.weight has shape (6, 3, 7, 7), expected (6, 3, 11, 11), by its metadata",
        ),
        (
            lambda state: state.update({"fc8.bias": torch.zeros(3, dtype=torch.int64)}),
            "fc8.bias holds torch.int64, expected torch.float32, by its metadata",
        ),
        (
            lambda state: state.update({"fc8.bias": torch.zeros(3, dtype=torch.complex64)}),
            "fc8.bias holds torch.complex64, expected torch.float32, by its metadata",
        ),
        (
            lambda state: state.update({"fc8.bias": torch.full((3,), torch.nan)}),
            "fc8.bias holds NaN or infinite numbers; train",
        ),
        (
            lambda state: state.update({"fc8.bias": torch.full((3,), 1e300, dtype=torch.float64)}),
            "fc8.bias holds NaN or infinite numbers; train",
        ),
    ],
)
def test_other_tensors_are_named(tmp_path, change, message):
    path = converted(tmp_path / "net.safetensors", change)
    with pytest.raises(UserError) as raised:
        build(path)
    assert str(raised.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ("{", "JSONDecodeError"),
        ([], "TypeError"),
        ({"network": SHAPE}, "KeyError 'preprocessing'"),
        (DESCRIBED | {"network": {"width": 1, "input_size": 67, "fc7": 32}}, "KeyError 'outputs'"),
        (DESCRIBED | {"network": SHAPE | {"fc7": -5}}, "a network {'width': 0.0625, 'input_size': 67, 'fc7': -5"),
        (DESCRIBED | {"network": SHAPE | {"width": "1"}}, "a network {'width': '1'"),
        (DESCRIBED | {"preprocessing": {"mean_bgr": [1, 2]}}, "mean_bgr [1, 2]; expected three numbers"),
    ],
)
def test_bad_metadata_give_one_line(tmp_path, described, message):
    path = converted(tmp_path / "net.safetensors", described=described)
    with pytest.raises(UserError) as raised:
        build(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
