"""Caffe's description of a CaffeNet: Caffe cannot use a .caffemodel without one."""

from typing import Any

from google.protobuf import text_format
from torch import nn

from tracklearn.networks import lrn
from tracklearn.networks.caffe.schema import NetParameter
from tracklearn.networks.caffenet import CaffeNet


def deploy(net: CaffeNet) -> str:
    """A deploy.prototxt: the input `data` is one image (1, 3, S, S), activations have the names of their layers.

    Every ReLU works in place, so that the blobs conv1..conv5, fc6 and fc7 hold what `CaffeNet.forward` returns.
    """
    size, mean = net.input_size, ", ".join(map(str, net.mean_bgr))
    described = NetParameter(name="CaffeNet", input=["data"], input_shape=[{"dim": [1, 3, size, size]}])
    for name, layer in net.named_children():
        number = name[-1]
        if isinstance(layer, nn.Conv2d):
            _append(described, name, "Convolution", convolution_param=_convolution(layer))
        else:
            _append(described, name, "InnerProduct", inner_product_param={"num_output": layer.out_features})
        if name != "fc8":
            _append(described, f"relu{number}", "ReLU")
        if name in ("conv1", "conv2", "conv5"):
            _append(described, f"pool{number}", "Pooling", pooling_param={"pool": "MAX", "kernel_size": 3, "stride": 2})
        if name in ("conv1", "conv2"):
            normalisation = {"local_size": lrn.SIZE, "alpha": lrn.ALPHA, "beta": lrn.BETA}
            _append(described, f"norm{number}", "LRN", lrn_param=normalisation)
    comment = f"# Input: BGR, 0..255, minus the mean ({mean}), {size} x {size} pixels.\n"
    return comment + text_format.MessageToString(described)


def _append(described: Any, name: str, kind: str, **parameters: Any) -> None:
    """Add a layer that reads what the layer before it writes."""
    bottom = described.layer[-1].top[0] if described.layer else "data"
    top = bottom if kind == "ReLU" else name
    described.layer.add(name=name, type=kind, bottom=[bottom], top=[top], **parameters)


def _convolution(layer: nn.Conv2d) -> dict[str, Any]:
    return {
        "num_output": layer.out_channels,
        "kernel_size": layer.kernel_size[:1],
        "stride": layer.stride[:1],
        "pad": layer.padding[:1],
        "group": layer.groups,
    }
