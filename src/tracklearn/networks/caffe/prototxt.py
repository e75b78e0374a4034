"""The network as Caffe's own description of it: without one, a .caffemodel is of no use in Caffe."""

from collections.abc import Iterator

from torch import nn

from tracklearn.networks import lrn
from tracklearn.networks.caffenet import CaffeNet

NORMALISED = ("pool1", "pool2")


def deploy(net: CaffeNet) -> str:
    """A deploy.prototxt: input `data`, one image (1, 3, S, S); activations under the names of their layers.

    Every ReLU works in place, so that the blobs conv1..conv5, fc6 and fc7 hold what `CaffeNet.forward` gives.
    """
    size, mean = net.input_size, ", ".join(map(str, net.mean_bgr))
    lines = [
        f"# Input: BGR, 0..255, minus the mean ({mean}), {size} x {size} pixels.",
        'name: "CaffeNet"',
        'input: "data"',
        f"input_shape {{ dim: 1 dim: 3 dim: {size} dim: {size} }}",
    ]
    bottom = "data"
    for name, layer in net.named_children():
        for text, top in _with_what_follows(name, layer, bottom):
            lines.append(text)
            bottom = top
    return "\n".join(lines) + "\n"


def _with_what_follows(name: str, layer: nn.Module, bottom: str) -> Iterator[tuple[str, str]]:
    """Each Caffe layer from `name` to the next one with weights, as text, and the blob that it makes."""
    yield _with_weights(name, layer, bottom), name
    number = name[-1]
    if name != "fc8":
        yield _layer(f"relu{number}", "ReLU", name, name), name
    if name in ("conv1", "conv2", "conv5"):
        pool = f"pool{number}"
        yield _layer(pool, "Pooling", name, pool, "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"), pool
        if pool in NORMALISED:
            norm = f"norm{number}"
            parameters = f"lrn_param {{ local_size: {lrn.SIZE} alpha: {lrn.ALPHA:g} beta: {lrn.BETA:g} }}"
            yield _layer(norm, "LRN", pool, norm, parameters), norm


def _with_weights(name: str, layer: nn.Module, bottom: str) -> str:
    if isinstance(layer, nn.Linear):
        parameters = f"inner_product_param {{ num_output: {layer.out_features} }}"
        return _layer(name, "InnerProduct", bottom, name, parameters)
    assert isinstance(layer, nn.Conv2d)
    values = {
        "num_output": layer.out_channels,
        "kernel_size": layer.kernel_size[0],
        "stride": layer.stride[0],
        "pad": int(layer.padding[0]),
        "group": layer.groups,
    }
    parameters = " ".join(f"{key}: {value}" for key, value in values.items())
    return _layer(name, "Convolution", bottom, name, f"convolution_param {{ {parameters} }}")


def _layer(name: str, kind: str, bottom: str, top: str, parameters: str = "") -> str:
    text = f'name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {parameters}'
    return f"layer {{ {text.strip()} }}"
