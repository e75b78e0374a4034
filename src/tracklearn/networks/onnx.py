"""Export a network to ONNX, with the preparation of its input inside.

python -m tracklearn.networks.onnx results/models/unsup-8M/weights.safetensors unsup-8M.onnx --layer pool5

The input `images` is float32 RGB (N, 3, S, S) with values from 0 to 255, for any N: an image needs nothing but the size
S x S. The graph subtracts the mean, and its conv1 has weights for RGB in place of the network's BGR. The output has the
name of its layer and holds what `CaffeNet.forward` returns, float32 (N, D); fc7 of a network of surface normals has no
ReLU and holds the scores of the words, cell after cell.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from torch import Tensor, nn

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.networks import lrn
from tracklearn.networks.caffenet import CaffeNet, Layer
from tracklearn.networks.loading import find_model, load
from tracklearn.networks.weights import load_weights

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR_VERSION = 17, 8  # both of 2022, so that runtimes of that year read the file
LAYERS: tuple[Layer, ...] = get_args(Layer)


def export(net: CaffeNet, layer: Layer = "fc7", *, linear: str = "fc8") -> "ModelProto":
    """The network up to a layer as an ONNX model.

    Args:
        layer: the layer whose activations are the output; only some networks have fc8.
        linear: the layer that no ReLU follows.

    Raises:
        UserError: the library onnx is not installed, or the network does not have the layer.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper  # noqa: PLC0415 (optional)
    except ModuleNotFoundError as error:
        raise UserError("onnx is not installed; `pip install onnx` installs it, as does the extra `export`") from error
    if layer == "fc8" and net.outputs is None:
        raise UserError("the network has no fc8; give --layer pool5, fc6 or fc7")
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, values: Tensor) -> str:
        constants.append(numpy_helper.from_array(values.detach().contiguous().numpy(), name))
        return name

    def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    mean_rgb = net.conv1.weight.new_tensor(net.mean_bgr[::-1]).view(1, 3, 1, 1)
    last = node("Sub", ["images", constant("mean_rgb", mean_rgb)], "images_minus_mean")
    for name, part in net.named_children():
        weight, bias = part.parameters()
        swapped = weight.flip(1) if name == "conv1" else weight  # (outputs, RGB, 11, 11)
        inputs = [last, constant(f"{name}_weight", swapped), constant(f"{name}_bias", bias)]
        output = name if name == linear else f"{name}_linear"
        if isinstance(part, nn.Conv2d):
            shape = {"kernel_shape": part.kernel_size, "strides": part.stride, "pads": 2 * part.padding}
            last = node("Conv", inputs, output, group=part.groups, **shape)
        else:
            last = node("Gemm", inputs, output, transB=1)
        if name != linear:
            last = node("Relu", [last], name)
        if name in ("conv1", "conv2", "conv5"):
            pooled = f"pool{name[-1]}" + ("_maps" if name == "conv5" else "")
            last = node("MaxPool", [last], pooled, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        if name in ("conv1", "conv2"):
            norm = f"norm{name[-1]}"
            last = node("LRN", [last], norm, size=lrn.SIZE, alpha=lrn.ALPHA, beta=lrn.BETA, bias=1.0)
        if name == "conv5":
            last = node("Flatten", [last], "pool5", axis=1)  # (N, C * H * W)
        if last == layer:
            break
    features = net.fc6.in_features if layer == "pool5" else getattr(net, layer).out_features
    size = net.input_size
    graph = helper.make_graph(
        nodes,
        "CaffeNet",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, size, size])],
        [helper.make_tensor_value_info(layer, TensorProto.FLOAT, ["N", features])],
        constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tracklearn",
        doc_string=f"images: RGB, 0..255, {size} x {size} pixels; the mean is subtracted inside. {layer}: activations.",
    )
    checker.check_model(model, full_check=True)
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one network and say what was written; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tracklearn.networks.onnx", description="Export a network to ONNX.")
    parser.add_argument("model", help="a .safetensors or .caffemodel file, or the name of a model in results/models")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--layer", choices=LAYERS, default="fc7", help="the output (default: fc7)")
    given = parser.parse_args(arguments)
    try:
        net, _ = load(given.model)
        if not isinstance(net, CaffeNet):
            raise UserError(f"{given.model}: a {net.backbone}; only a caffenet can be exported to ONNX so far")
        path = find_model(given.model)
        metadata = load_weights(path, tensors=False)[1] if path.suffix == ".safetensors" else {}
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
