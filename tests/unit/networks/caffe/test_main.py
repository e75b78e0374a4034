import pytest
import torch
from reference.caffe_proto import NetParameter

from tracklearn.networks.caffe.__main__ import main
from tracklearn.networks.caffe.caffemodel import write_caffemodel
from tracklearn.networks.caffe.prototxt import deploy
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import build, load_weights, save_weights


def test_the_command_converts_both_ways(tmp_path, capsys):
    first, caffe, again = (tmp_path / name for name in ("a.safetensors", "b.caffemodel", "c.safetensors"))
    net = CaffeNet(width=1 / 16, input_size=99, fc7=32, outputs=3, mean_bgr=(1.5, 2.5, 3.5))
    save_weights(first, net)
    assert main([str(first), str(caffe)]) == 0
    assert (tmp_path / "b.prototxt").read_text() == deploy(net)
    assert main([str(caffe), str(again)]) == 0
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in build(again).state_dict().items())
    assert build(again).mean_bgr == (1.5, 2.5, 3.5)
    assert load_weights(again)[1]["source"] == "b.caffemodel"
    assert capsys.readouterr().out.splitlines() == [
        f"{caffe}, {tmp_path / 'b.prototxt'}: CaffeNet of width 0.0625, fc7 of 32, 99 px BGR minus (1.5, 2.5, 3.5)",
        f"{again}: CaffeNet of width 0.0625, fc7 of 32, 99 px BGR minus (1.5, 2.5, 3.5)",
    ]


def test_options_give_what_the_file_does_not_say(tmp_path):
    caffe, out = tmp_path / "b.caffemodel", tmp_path / "c.safetensors"
    write_caffemodel(caffe, CaffeNet(width=1 / 16, input_size=99, fc7=32))
    message = NetParameter.FromString(caffe.read_bytes())
    del message.layer[0]  # the Input layer
    caffe.write_bytes(message.SerializeToString())
    assert main([str(caffe), str(out), "--input-size", "101", "--mean", "104", "117", "123"]) == 0
    net = build(out)
    assert (net.input_size, net.mean_bgr) == (101, (104, 117, 123))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.npz", "b.caffemodel"], ".npz to .caffemodel: expected .caffemodel to .safetensors or the other way round"),
        (["a.safetensors", "b.caffemodel", "--input-size", "99"], "--input-size and --mean are for reading"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_a_network_of_normals_is_refused(tmp_path, capsys):
    net = CaffeNet(width=1 / 16, input_size=99, fc7=32)
    save_weights(tmp_path / "a.safetensors", net, metadata={"training": "normals"})
    assert main([str(tmp_path / "a.safetensors"), str(tmp_path / "b.caffemodel")]) == 1
    assert capsys.readouterr().err == (
        f"{tmp_path}/a.safetensors: a network of surface normals, whose fc7 has no ReLU; export it with "
        "tracklearn.networks.onnx\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_bad_file_gives_one_line_and_no_output_file(tmp_path, capsys):
    (tmp_path / "a.caffemodel").write_bytes(b"<html>")
    assert main([str(tmp_path / "a.caffemodel"), str(tmp_path / "b.safetensors")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "b.safetensors").exists()
