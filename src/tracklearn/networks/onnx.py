"""Export a network to ONNX, with the preparation of its input inside.

python -m tracklearn.networks.onnx results/models/unsup-8M/weights.safetensors unsup-8M.onnx --layer pool5

The input `images` is float32 RGB (N, 3, S, S) with values from 0 to 255, for any N: an image needs nothing but the size
S x S. The graph subtracts the mean, and scales where the network does; the conv1 of a CaffeNet has weights for RGB in
place of the network's BGR. The output has the name of its layer and holds what `Backbone.forward` returns, float32
(N, D); fc7 of a network of surface normals has no ReLU and holds the scores of the words, cell after cell.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor, nn
from torch.fx import symbolic_trace

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.networks import lrn
from tracklearn.networks.backbone import Backbone, Layer
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.loading import find_model, load
from tracklearn.networks.of_torchvision import AlexNet, OfTorchvision
from tracklearn.networks.torchvision_weights import is_torchvisions
from tracklearn.networks.weights import load_weights

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR_VERSION = 17, 8  # both of 2022, so that runtimes of that year read the file
LAYERS: tuple[Layer, ...] = get_args(Layer)


def export(net: Backbone, layer: Layer = "fc7", *, linear: str = "fc8") -> "ModelProto":
    """The network up to a layer as an ONNX model.

    Args:
        layer: the layer whose activations are the output; only some networks have fc8.
        linear: the layer that no ReLU follows.

    Raises:
        UserError: the library onnx is not installed, the network does not have the layer, or it is a network of
            surface normals of another backbone than CaffeNet.
    """
    try:
        from onnx import TensorProto, checker, helper  # noqa: PLC0415 (optional)
    except ModuleNotFoundError as error:
        raise UserError("onnx is not installed; `pip install onnx` installs it, as does the extra `export`") from error
    if layer not in net.layer_widths():
        raise UserError(f"the network has no {layer}; give --layer {_either(list(net.layer_widths()))}")
    graph = _Graph()
    if isinstance(net, CaffeNet):
        _add_caffenet(graph, net, layer, linear)
    elif linear == layer == "fc7":
        raise UserError(f"a network of surface normals with the backbone {net.backbone} is not exported; a CaffeNet is")
    else:
        assert isinstance(net, OfTorchvision)
        _add_traced(graph, net, layer)
    size = net.input_size
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            net.title,
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, size, size])],
            [helper.make_tensor_value_info(layer, TensorProto.FLOAT, ["N", net.layer_widths()[layer]])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tracklearn",
        doc_string=f"images: RGB, 0..255, {size} x {size} pixels; the mean is subtracted inside. {layer}: activations.",
    )
    checker.check_model(model, full_check=True)
    return model


def _either(layers: Sequence[str]) -> str:
    return f"{', '.join(layers[:-1])} or {layers[-1]}" if len(layers) > 1 else layers[0]


class _Graph:
    """Nodes of an ONNX graph and the constants that they read."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: Tensor) -> str:
        """Add a constant; returns its name."""
        from onnx import numpy_helper  # noqa: PLC0415 (optional)

        self.constants.append(numpy_helper.from_array(values.detach().contiguous().numpy(), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        from onnx import helper  # noqa: PLC0415 (optional)

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def linear(self, layer: nn.Module, name: str, last: str, output: str, weight: Tensor | None = None) -> str:
        """Add a convolution or a product with the weights of a layer, or with others in their place."""
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        inputs = [last, self.constant(f"{name}_weight", layer.weight if weight is None else weight)]
        if layer.bias is not None:
            inputs.append(self.constant(f"{name}_bias", layer.bias))
        if isinstance(layer, nn.Linear):
            return self.node("Gemm", inputs, output, transB=1)
        shape = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": 2 * tuple(layer.padding)}
        return self.node("Conv", inputs, output, group=layer.groups, **shape)


def _add_caffenet(graph: _Graph, net: CaffeNet, layer: str, linear: str) -> None:
    mean_rgb = net.conv1.weight.new_tensor(net.mean_bgr[::-1]).view(1, 3, 1, 1)
    last = graph.node("Sub", ["images", graph.constant("mean_rgb", mean_rgb)], "images_minus_mean")
    for name, part in net.named_children():
        swapped = net.conv1.weight.flip(1) if name == "conv1" else None  # (outputs, RGB, 11, 11)
        last = graph.linear(part, name, last, name if name == linear else f"{name}_linear", swapped)
        if name != linear:
            last = graph.node("Relu", [last], name)
        if name in ("conv1", "conv2", "conv5"):
            pooled = f"pool{name[-1]}" + ("_maps" if name == "conv5" else "")
            last = graph.node("MaxPool", [last], pooled, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        if name in ("conv1", "conv2"):
            norm = f"norm{name[-1]}"
            last = graph.node("LRN", [last], norm, size=lrn.SIZE, alpha=lrn.ALPHA, beta=lrn.BETA, bias=1.0)
        if name == "conv5":
            last = graph.node("Flatten", [last], "pool5", axis=1)  # (N, C * H * W)
        if last == layer:
            break


def _add_traced(graph: _Graph, net: OfTorchvision, layer: str) -> None:
    """The operations that torch's tracer meets when the network computes a layer."""
    prepared = (("Sub", "mean_rgb", net.mean_bgr[::-1]), ("Mul", "scale_rgb", net.scale_rgb))
    last = "images"
    for operator, name, colour in prepared:
        values = torch.tensor(colour).view(1, 3, 1, 1)
        last = graph.node(operator, [last, graph.constant(name, values)], f"images_{operator.lower()}")
    traced = symbolic_trace(net, concrete_args={"layer": layer, "dropout": None})
    names: dict[Any, str] = {}
    for node in traced.graph.nodes:
        inputs = [names[each] for each in node.all_input_nodes if each in names]
        if node.target == "images":
            names[node] = last
        elif not inputs:
            continue  # the tracer checks the other arguments
        elif node.op == "call_module":
            names[node] = _add_module(graph, traced.get_submodule(node.target), node.name, *inputs)
        elif node.op == "output":
            graph.node("Identity", inputs, layer)
        else:
            names[node] = _add_function(graph, net, node, inputs)


def _add_module(graph: _Graph, part: nn.Module, name: str, last: str) -> str:
    if isinstance(part, nn.BatchNorm2d):
        of = {"scale": part.weight, "bias": part.bias, "mean": part.running_mean, "var": part.running_var}
        constants = [graph.constant(f"{name}_{kind}", values) for kind, values in of.items() if values is not None]
        return graph.node("BatchNormalization", [last, *constants], f"{name}_out", epsilon=part.eps)
    if isinstance(part, nn.ReLU):
        return graph.node("Relu", [last], f"{name}_out")
    return graph.linear(part, name, last, f"{name}_out")


def _add_function(graph: _Graph, net: Backbone, node: Any, inputs: Sequence[str]) -> str:
    name = node.target if isinstance(node.target, str) else node.target.__name__
    output = f"{node.name}_out"
    if name == "relu":
        return graph.node("Relu", inputs, output)
    if name in ("add", "iadd"):
        return graph.node("Add", inputs, output)
    if name == "mean":
        return graph.node("ReduceMean", inputs, output, axes=[2, 3], keepdims=0)
    if name == "flatten":
        return graph.node("Flatten", inputs, output, axis=1)
    if name == "max_pool2d":
        given = dict(zip(("kernel_size", "stride", "padding"), node.args[1:], strict=False)) | node.kwargs
        sides = {"kernel_shape": 2 * [given["kernel_size"]], "strides": 2 * [given["stride"]]}
        return graph.node("MaxPool", inputs, output, pads=4 * [given.get("padding", 0)], **sides)
    assert name == "adaptive_avg_pool2d" and isinstance(net, AlexNet), name
    whole, rest = divmod(net.cells_side, net.pool5_side)
    if rest:
        raise UserError(
            f"{net.backbone} at input size {net.input_size} pools {net.cells_side} x {net.cells_side} values to "
            f"{net.pool5_side} x {net.pool5_side}, which ONNX cannot; give a network whose input has 227 pixels"
        )
    return graph.node("AveragePool", inputs, output, kernel_shape=2 * [whole], strides=2 * [whole])


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one network and say what was written; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tracklearn.networks.onnx", description="Export a network to ONNX.")
    parser.add_argument("model", help="a file of weights, or the name of a model in results/models")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--layer", choices=LAYERS, default="fc7", help="the output (default: fc7)")
    parser.add_argument("--backbone", help="of weights in torchvision's own format")
    given = parser.parse_args(arguments)
    try:
        net, _ = load(given.model, backbone=given.backbone)
        path = find_model(given.model)
        is_ours = path.suffix == ".safetensors" and not is_torchvisions(path)
        metadata = load_weights(path, tensors=False)[1] if is_ours else {}
        model = export(net, given.layer, linear="fc7" if metadata.get("training") == "normals" else "fc8")
        with atomic(given.out) as temporary:
            temporary.write_bytes(model.SerializeToString())
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    size, (output,) = net.input_size, model.graph.output
    features = output.type.tensor_type.shape.dim[1].dim_value
    print(f"{given.out}: images, float32 RGB (N, 3, {size}, {size}), 0..255 -> {output.name}, float32 (N, {features})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
