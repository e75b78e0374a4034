import numpy as np
import pytest
import torch
from google.protobuf.unknown_fields import UnknownFieldSet
from reference.caffe_proto import NetParameter

from tracklearn.errors import UserError
from tracklearn.networks.caffe.caffemodel import read_caffemodel, write_caffemodel
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.loading import load

MEAN_BGR = (96.64, 102.75, 107.99)  # of the released code


def small(**options):
    return CaffeNet(**({"width": 1 / 16, "input_size": 99, "fc7": 32, "outputs": 3, "seed": 4} | options))


def equal(net, other):
    state = other.state_dict()
    return list(state) == list(net.state_dict()) and all(
        torch.equal(net.state_dict()[name], state[name]) for name in state
    )


RAW = {"raw double": (0, "<f8"), "raw float": (1, "<f4"), "raw half": (2, "<f2")}  # of NVIDIA's fork


def snapshot(net, *, style="LayerParameter", field="data"):
    """A message as Caffe itself writes it: without the input's size and mean, with layers that have no weights."""
    message = NetParameter(name="UnsupNet")
    for name, layer in net.named_children():
        conv = name.startswith("conv")
        if style == "LayerParameter":
            added = message.layer.add(name=name, type="Convolution" if conv else "InnerProduct", top=[name])
            message.layer.add(name=f"relu{name[-1]}", type="ReLU")
        elif style == "V1LayerParameter":
            added = message.layers.add(name=name, type=4 if conv else 14, top=[name])
        else:
            added = message.layers.add(bottom=["x"], top=[name]).layer
            added.name, added.type = name, "conv" if conv else "innerproduct"
        for parameter in layer.parameters():
            values = parameter.detach().numpy()
            blob = added.blobs.add()
            if field in RAW:
                blob.raw_data_type, dtype = RAW[field]
                blob.raw_data = values.astype(dtype).tobytes()
            else:
                getattr(blob, field).extend(values.flatten().tolist())
            if style == "LayerParameter":
                blob.shape.dim.extend(values.shape)
            else:
                padded = (1,) * (4 - values.ndim) + values.shape
                blob.num, blob.channels, blob.height, blob.width = padded
    return message


def write(path, message):
    path.write_bytes(message.SerializeToString())
    return path


def test_the_written_file_agrees_with_caffe_s_messages(tmp_path):
    net = small(mean_bgr=(1.5, 2.0, 96.64))
    write_caffemodel(tmp_path / "net.caffemodel", net)
    message = NetParameter.FromString((tmp_path / "net.caffemodel").read_bytes())
    data, *layers = message.layer
    assert (data.name, data.type, list(data.input_param.shape[0].dim)) == ("data", "Input", [1, 3, 99, 99])
    assert list(data.transform_param.mean_value) == [1.5, 2.0, np.float32(96.64)]
    assert [layer.name for layer in layers] == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    assert [layer.type for layer in layers] == ["Convolution"] * 5 + ["InnerProduct"] * 3
    for layer in layers:
        parameters = list(net.get_submodule(layer.name).parameters())
        assert [tuple(blob.shape.dim) for blob in layer.blobs] == [tuple(parameter.shape) for parameter in parameters]
        for blob, parameter in zip(layer.blobs, parameters, strict=True):
            np.testing.assert_array_equal(blob.data, parameter.detach().flatten())
    assert not any(len(UnknownFieldSet(each)) for each in (message, *layers))


def test_the_released_shapes_survive(tmp_path):
    with torch.device("meta"):
        net = CaffeNet(fc7=1024)
    net = net.to_empty(device="cpu")
    for index, parameter in enumerate(net.parameters()):
        torch.nn.init.constant_(parameter, index)
    write_caffemodel(tmp_path / "net.caffemodel", net)
    read = read_caffemodel(tmp_path / "net.caffemodel").network()
    assert (read.width, read.input_size, read.fc7_units, read.outputs) == (1, 227, 1024, None)
    assert equal(read, net)


@pytest.mark.parametrize("options", [{"outputs": None}, {"width": 0.3}, {"width": 1 / 3, "input_size": 140}])
def test_a_written_network_is_read_again(tmp_path, options):
    net = small(**options)
    write_caffemodel(tmp_path / "net.caffemodel", net)
    read = read_caffemodel(tmp_path / "net.caffemodel").network()
    assert equal(read, net)
    assert (read.width, read.input_size, read.mean_bgr) == (net.width, net.input_size, MEAN_BGR)


@pytest.mark.parametrize("style", ["LayerParameter", "V1LayerParameter", "V0LayerParameter"])
@pytest.mark.parametrize("field", ["data", "double_data", "raw float", "raw double"])
def test_a_snapshot_of_caffe_is_the_network(tmp_path, style, field):
    net = small()
    read = read_caffemodel(write(tmp_path / "net.caffemodel", snapshot(net, style=style, field=field))).network()
    assert equal(read, net)
    assert (read.width, read.input_size, read.fc7_units, read.outputs) == (1 / 16, 99, 32, 3)
    assert read.mean_bgr == MEAN_BGR
    assert not read.training
    assert all(parameter.requires_grad for parameter in read.parameters())
    assert read.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 99, 99)
    assert torch.equal(read(images, "fc8"), net(images, "fc8"))


def test_other_layers_are_left_out_and_the_last_of_one_name_counts(tmp_path):
    net, message = small(outputs=None), snapshot(small(seed=9))
    message.layer[-2].name = "fc8_voc"
    message.layer.add(name="loss", type="RankHardLoss")
    message.MergeFrom(snapshot(net))
    assert equal(read_caffemodel(write(tmp_path / "net.caffemodel", message)).network(), net)


def test_arguments_give_what_the_file_does_not_say(tmp_path):
    path = write(tmp_path / "net.caffemodel", snapshot(small(input_size=101)))
    model = read_caffemodel(path)
    assert (model.input_size, model.mean_bgr) == (None, None)
    net = model.network(input_size=101, mean_bgr=(1, 2, 3))
    assert (net.input_size, net.mean_bgr) == (101, (1, 2, 3))


@pytest.mark.parametrize("style", ["LayerParameter", "V1LayerParameter"])
def test_the_mean_is_that_of_the_data_layer(tmp_path, style, caplog):
    message = snapshot(small(), style=style)
    layers = message.layer if style == "LayerParameter" else message.layers
    layers.add(name="grey").transform_param.mean_value.append(7)
    layers.add(name="data").transform_param.mean_value.extend([104, 117, 123])
    assert load(write(tmp_path / "net.caffemodel", message))[1].mean_bgr == (104, 117, 123)
    assert not caplog.records


def test_half_precision_is_read_up_to_its_rounding(tmp_path):
    net = small()
    read = read_caffemodel(write(tmp_path / "net.caffemodel", snapshot(net, field="raw half"))).network()
    for name, values in net.state_dict().items():
        assert torch.equal(read.state_dict()[name], values.half().float())


def test_one_value_is_subtracted_from_all_channels(tmp_path):
    message = snapshot(small())
    message.layer.add(name="data").transform_param.mean_value.append(128)
    assert read_caffemodel(write(tmp_path / "net.caffemodel", message)).network().mean_bgr == (128, 128, 128)


BLOCKS = ("transform_param", "data_param", "image_data_param", "window_data_param")


@pytest.mark.parametrize("style", ["LayerParameter", "V1LayerParameter"])
@pytest.mark.parametrize("block", BLOCKS)
def test_an_input_scale_moves_into_conv1(tmp_path, style, block):
    message, net = snapshot(small(), style=style), small()
    layers = message.layer if style == "LayerParameter" else message.layers
    getattr(layers.add(name="data"), block).scale = 0.25
    read = read_caffemodel(write(tmp_path / "net.caffemodel", message)).network()
    images = torch.randn(2, 3, 99, 99)
    torch.testing.assert_close(read(images, "fc7"), net(images * 0.25, "fc7"))


@pytest.mark.parametrize("field", ["input_dim", "input_shape"])
def test_the_net_itself_may_say_the_input_s_size(tmp_path, field):
    message = snapshot(small(input_size=101))
    dims = [10, 3, 101, 101]
    message.input_dim.extend(dims) if field == "input_dim" else message.input_shape.add(dim=dims)
    assert read_caffemodel(write(tmp_path / "net.caffemodel", message)).network().input_size == 101


def mean_file_in(message, block):
    """Name a mean image in this block of a data layer, in the layer format of the message."""
    data = message.layer.add(name="data") if message.layer else message.layers.add(name="data")
    if block == "meanfile":
        data.layer.meanfile = "data/video_mean.binaryproto"
    else:
        getattr(data, block).mean_file = "data/video_mean.binaryproto"


@pytest.mark.parametrize(
    ("style", "block"),
    [
        *((style, block) for style in ("LayerParameter", "V1LayerParameter") for block in BLOCKS),
        ("V0LayerParameter", "meanfile"),
    ],
)
def test_a_mean_image_gives_a_warning(tmp_path, style, block, caplog):
    message = snapshot(small(), style=style)
    mean_file_in(message, block)
    path = write(tmp_path / "net.caffemodel", message)
    assert read_caffemodel(path).network(mean_bgr=(1, 2, 3)).mean_bgr == (1, 2, 3)
    assert not caplog.records
    assert load(path)[1].mean_bgr == MEAN_BGR
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        f"{path}: training subtracted the mean image data/video_mean.binaryproto, which is not in the file; the colour "
        "(96.64, 102.75, 107.99) is subtracted instead; if it is not the mean of that image, convert the file to "
        ".safetensors with --mean B G R"
    )


@pytest.mark.real
def test_the_reported_files_hold_one_network(real_data, caplog):
    names = ("nvcaffe_fp32", "v0", "v1_data_param_mean")
    first, *others = (read_caffemodel(real_data / f"cases/caffe/{name}.caffemodel").network() for name in names)
    assert all(equal(first, other) for other in others)
    assert (first.width, first.input_size, first.fc7_units, first.outputs) == (1 / 16, 99, 32, None)
    assert first.conv1.bias[0].item() == pytest.approx(0.01151064)
    (record,) = caplog.records
    assert record.message.startswith(f"{real_data}/cases/caffe/v1_data_param_mean.caffemodel: training subtracted")
    assert "../../data/ilsvrc12/imagenet_mean.binaryproto" in record.message


ONE, TWO, THREE = (np.float32(value).tobytes() for value in (1, 2, 3))


@pytest.mark.parametrize(
    "values",
    [
        b"\x2a\x0c" + ONE + TWO + THREE,  # field 5 (data), packed
        b"\x2d" + ONE + b"\x2d" + TWO + b"\x2d" + THREE,  # one field a number
        b"\x2a\x04" + ONE + b"\x2a\x08" + TWO + THREE,  # packed in two pieces
        b"".join(b"\x41" + np.float64(value).tobytes() for value in (1, 2, 3)),  # field 8 (double_data)
    ],
)
def test_numbers_are_read_in_every_form_that_protobuf_allows(tmp_path, values):
    blob = b"\x3a\x04\x08\x01\x08\x03" + values  # shape (1, 3)
    layer = b"\x0a\x03fc7" + b"\x3a" + bytes([len(blob)]) + blob
    (tmp_path / "net.caffemodel").write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    (array,) = read_caffemodel(tmp_path / "net.caffemodel").blobs["fc7"]
    assert array.tolist() == [[1, 2, 3]]


def test_numbers_that_are_cut_are_refused(tmp_path):
    layer = b"\x0a\x03fc7\x3a\x0d\x3a\x04\x08\x01\x08\x01\x2a\x05" + ONE + b"\x00"  # 5 bytes of data
    (tmp_path / "net.caffemodel").write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    with pytest.raises(
        UserError, match=r"layer fc7: 1\.25 values for a blob of shape \(1, 1\); expected at most 4 axes of"
    ):
        read_caffemodel(tmp_path / "net.caffemodel")


def drop(name):
    def change(message):
        kept = [layer for layer in message.layer if layer.name != name]
        del message.layer[:]
        message.layer.extend(kept)

    return change


def layer_of(message, name):
    return next(layer for layer in message.layer if layer.name == name)


def ungrouped(message):
    blob = layer_of(message, "conv2").blobs[0]
    blob.data.extend(list(blob.data))
    blob.shape.dim[:] = [16, 6, 5, 5]


def other_units(message):
    blob = layer_of(message, "conv3").blobs[1]
    blob.shape.dim[:] = [2, 12]


def cut_data(message):
    del layer_of(message, "fc6").blobs[0].data[5:]


def no_data(message):
    layer_of(message, "conv4").blobs[0].Clear()


def raw_integers(message):
    layer_of(message, "fc6").blobs[0].MergeFrom(type(layer_of(message, "fc6").blobs[0])(raw_data_type=3, raw_data=b"1"))


def no_bias(message):
    del layer_of(message, "conv5").blobs[1]


def norm_first(message):
    message.layer.add(name="norm1", type="LRN")
    message.layer.add(name="pool1", type="Pooling")


def tiny_input(message):
    message.layer.add(name="data", type="Input").input_param.shape.add(dim=[1, 3, 67, 67])


def many_axes(message):
    layer_of(message, "conv1").blobs[0].shape.dim[:] = [1] * 40


def negative_axes(message):
    layer_of(message, "conv3").blobs[1].shape.dim[:] = [-2, -12]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            drop("fc7"),
            "layer fc7 is missing; expected conv1, conv2, conv3, conv4, conv5, fc6, fc7 of a CaffeNet, found",
        ),
        (NetParameter.Clear, "layer conv1 is missing; expected conv1, conv2, conv3, conv4, conv5, fc6, fc7 of a Ca"),
        (ungrouped, "layer conv2: its weight has shape (16, 6, 5, 5), expected (16, 3, 5, 5); convert"),
        (other_units, "layer conv3: its bias has shape (2, 12), expected (24,); convert"),
        (cut_data, "layer fc6: 5 values for a blob of shape (256, 64); expected at most 4 axes of"),
        (no_data, "layer conv4: 0 values for a blob of shape (0, 0, 0, 0); expected at most 4"),
        (raw_integers, "layer fc6: its raw values are of type 3; expected 0, 1 or 2 (double, float, half); save the"),
        (no_bias, "layer conv5 has 1 blobs; expected 2, its weight and its bias"),
        (norm_first, "norm1 comes before pool1, as in Caffe's bvlc_alexnet; expected CaffeNet, which pools first"),
        (
            tiny_input,
            "layer fc6 has 64 inputs, so it needs a pool5 of 2 x 2; an input of 67 pixels gives another pool5; "
            "expected 99 or near it",
        ),
        (many_axes, "layer conv1: 2178 values for a blob of shape (1, 1, 1, 1, 1, 1,"),
        (negative_axes, "layer conv3: 24 values for a blob of shape (-2, -12); expected at most 4 axes of length"),
    ],
)
def test_other_networks_give_one_line(tmp_path, change, message):
    described = snapshot(small())
    change(described)
    path = write(tmp_path / "net.caffemodel", described)
    with pytest.raises(UserError) as raised:
        read_caffemodel(path).network()
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "not a whole .caffemodel (15 bytes); fetch or write it again"),
        (b"version https://git-lfs.github.com/spec/v1", "not a whole .caffemodel (42 bytes); fetch"),
        (b"\xa2\x06\x05\x0a\x03", "not a whole .caffemodel (5 bytes); fetch"),  # layer of 5 bytes, of which 2 are there
        (
            b"\x89HDF\r\n\x1a\n" + b"\xff" * 20,
            "a snapshot in HDF5; expected a binary .caffemodel; load it in Caffe and",
        ),
        (b"\xff" * 20, "not a whole .caffemodel (20 bytes); fetch"),
        (b"\xa0\x06\x05", "layer conv1 is missing"),  # field 100 is a number, not a layer
        (b"\xa2\x06\x03\x0a\x01\xff", "layer conv1 is missing"),  # a name that is not UTF-8
        (None, "not a readable file (No such file or directory); expected a .caffemodel"),
    ],
)
def test_other_files_give_one_line(tmp_path, content, message):
    path = tmp_path / "net.caffemodel"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_caffemodel(path).network()
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_cut_or_damaged_anywhere_gives_a_user_error(tmp_path):
    path = tmp_path / "net.caffemodel"
    write_caffemodel(path, small(input_size=67, fc7=2, outputs=2))
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for cut in [*range(200), *random.integers(0, len(whole), 100)]:
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError):
            read_caffemodel(path).network()
    refused = 0
    for position in range(200):
        damaged = bytearray(whole)
        damaged[position] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read_caffemodel(path).network()  # a changed weight goes unnoticed
        except UserError:
            refused += 1
    assert refused > 20
