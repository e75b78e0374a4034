import hashlib
from dataclasses import replace

import pytest
import torch
from reference.caffe_proto import NetParameter
from worlds.web import serving

from tracklearn.errors import UserError
from tracklearn.networks.caffe.caffemodel import write_caffemodel
from tracklearn.networks.caffe.released import RELEASED
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.given import given_network
from tracklearn.networks.loading import load
from tracklearn.networks.weights import build, load_weights, save_weights
from tracklearn.settings.models import RELEASED_NAMES

NETWORK = {"width": 1 / 16, "input_size": 67}


def small(**options):
    return CaffeNet(**({"width": 1 / 16, "input_size": 67, "fc7": 16, "seed": 3} | options))


def take(folder, network=NETWORK):
    save_weights(folder / "given.safetensors", small(), metadata={"training": "x"})
    files = {"weights": folder / "b.safetensors", "conv1": folder / "b.png"}
    given_network(given=folder / "given.safetensors", network=network, **files)


def test_given_weights_keep_their_metadata(tmp_path):
    take(tmp_path)
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "given.safetensors").read_bytes()
    assert load_weights(tmp_path / "b.safetensors")[1]["training"] == "x"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"width": 1 / 8},
            "width is 0.0625; expected network.width 0.125; give other weights or change the configuration",
        ),
        ({"input_size": 99}, "input_size is 67; expected network.input_size 99; give"),
    ],
)
def test_given_weights_of_another_network_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError) as raised:
        take(tmp_path, NETWORK | changes)
    assert str(raised.value).startswith(f"{tmp_path / 'given.safetensors'}: {message}")
    assert not (tmp_path / "b.safetensors").exists()


def take_from_caffe(folder, network=NETWORK, **options):
    net = small(**options)
    write_caffemodel(folder / "given.caffemodel", net)
    files = {"weights": folder / "b.safetensors", "conv1": folder / "b.png"}
    given_network(given=folder / "given.caffemodel", network=network, **files)
    return net, build(folder / "b.safetensors")


def test_a_caffemodel_is_taken_with_its_own_mean(tmp_path):
    written, taken = take_from_caffe(tmp_path, mean_bgr=[1.5, 2.5, 3.5])
    assert torch.equal(taken.fc7.weight, written.fc7.weight)
    assert taken.mean_bgr == (1.5, 2.5, 3.5)
    metadata = load_weights(tmp_path / "b.safetensors")[1]
    assert (metadata["training"], metadata["source"]) == ("caffemodel", "given.caffemodel")


@pytest.fixture
def released(tmp_path, monkeypatch):
    """A released network, served by this machine, whose file states no mean but names a mean image."""
    net = small()
    message = NetParameter(name="CaffeNet")
    message.layers.add(name="data").transform_param.mean_file = "imagenet_mean.binaryproto"
    for name, layer in net.named_children():
        added = message.layers.add(name=name, type=4 if name.startswith("conv") else 14)
        for parameter in layer.parameters():
            blob = added.blobs.add()
            blob.data.extend(parameter.detach().flatten().tolist())
            blob.num, blob.channels, blob.height, blob.width = (1, 1, 1, 1, *parameter.shape)[-4:]
    content = message.SerializeToString()
    monkeypatch.chdir(tmp_path)
    with serving(content) as server:
        known = replace(
            RELEASED["bvlc_reference_caffenet"],
            urls=(server.url("good", "bvlc_reference_caffenet.caffemodel"),),
            digest=hashlib.sha1(content).hexdigest(),
        )
        monkeypatch.setitem(RELEASED, "bvlc_reference_caffenet", known)
        yield net, server


def take_released(folder):
    files = {"weights": folder / "b.safetensors", "conv1": folder / "b.png"}
    given_network(given="bvlc_reference_caffenet", network=NETWORK, **files)
    return build(files["weights"])


def test_a_released_network_is_fetched_once_and_has_its_own_mean(tmp_path, released, caplog):
    net, server = released
    for _ in range(2):
        taken = take_released(tmp_path)
    assert torch.equal(taken.fc7.weight, net.fc7.weight)
    assert taken.mean_bgr == (104, 117, 123)
    assert len(server.asked) == 1
    assert not caplog.records
    assert load(tmp_path / "data/released/bvlc_reference_caffenet.caffemodel")[1].mean_bgr == (104, 117, 123)


def test_a_file_of_another_s_making_is_not_taken_for_the_released_network(tmp_path, released, monkeypatch):
    monkeypatch.setattr("tracklearn.download.RETRIES", 0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setitem(
        RELEASED, "bvlc_reference_caffenet", replace(RELEASED["bvlc_reference_caffenet"], digest="0" * 40)
    )
    with pytest.raises(
        UserError, match=r"bvlc_reference_caffenet\.caffemodel could not be downloaded .*SHA-1 is not 0{40}"
    ):
        take_released(tmp_path)
    assert not (tmp_path / "b.safetensors").exists()
    assert not list((tmp_path / "data/released").iterdir())


def test_the_released_networks_are_those_of_the_configuration():
    assert tuple(RELEASED) == RELEASED_NAMES


def test_a_caffemodel_that_names_a_mean_image_gets_the_configured_mean_with_a_warning(tmp_path, caplog, released):
    folder = tmp_path / "data/released"
    take_released(tmp_path)
    content = NetParameter.FromString((folder / "bvlc_reference_caffenet.caffemodel").read_bytes())
    content.name = "mine"
    (tmp_path / "mine.caffemodel").write_bytes(content.SerializeToString())
    files = {"weights": tmp_path / "c.safetensors", "conv1": tmp_path / "c.png"}
    given_network(given=tmp_path / "mine.caffemodel", network=NETWORK | {"mean_bgr": (1, 2, 3)}, **files)
    assert build(files["weights"]).mean_bgr == (1, 2, 3)
    (line,) = caplog.messages
    assert "the colour (1.0, 2.0, 3.0) is subtracted instead" in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 1 / 8}, "layer conv1: its weight has shape (6, 3, 11, 11), expected (12, 3, 11, 11); convert"),
        ({"input_size": 99}, "input_size is 67; expected network.input_size 99; give"),
    ],
)
def test_a_caffemodel_of_another_network_is_refused(tmp_path, changes, message):
    with pytest.raises(UserError) as raised:
        take_from_caffe(tmp_path, NETWORK | changes)
    assert str(raised.value).startswith(f"{tmp_path / 'given.caffemodel'}: {message}")
    assert not (tmp_path / "b.safetensors").exists()
