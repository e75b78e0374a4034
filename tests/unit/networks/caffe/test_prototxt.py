import pytest
from google.protobuf import text_format
from reference.caffe import CAFFENET
from reference.caffe_proto import NetParameter

from tracklearn.networks.caffe.prototxt import deploy
from tracklearn.networks.caffenet import CaffeNet


def test_the_prototxt_is_the_released_one_at_another_width():
    net = CaffeNet(width=1 / 8, input_size=99, fc7=64, outputs=5, mean_bgr=(1.5, 102.7501, 3))
    text = deploy(net)
    assert text.startswith("# Input: BGR, 0..255, minus the mean (1.5, 102.7501, 3), 99 x 99 pixels.")
    described = text_format.Parse(text, NetParameter())
    assert (list(described.input), list(described.input_shape[0].dim)) == (["data"], [1, 3, 99, 99])
    assert [(layer.name, layer.type) for layer in described.layer] == [
        *((name, kind) for name, kind, _ in CAFFENET),
        ("fc8", "InnerProduct"),
    ]
    blob = "data"
    for layer, (_, _, released) in zip(described.layer, [*CAFFENET, ("fc8", "", {"num_output": 5})], strict=True):
        assert list(layer.bottom) == [blob], layer.name
        blob = layer.top[0]
        assert blob == (layer.name if layer.type != "ReLU" else layer.bottom[0])
        given = [value for field, value in layer.ListFields() if field.name.endswith("_param")]
        values = {field.name: value for each in given for field, value in each.ListFields()}
        if "num_output" in values:
            assert values.pop("num_output") == net.get_submodule(layer.name).weight.shape[0]
        assert values.pop("pool", 0) == 0  # MAX
        assert values == pytest.approx(
            {key: value for key, value in released.items() if key not in ("num_output", "pool")}
        )
