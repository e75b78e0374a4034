"""Reading the .caffemodel files of the authors' fork of Caffe, and writing this package's weights as such files.

A .caffemodel is one NetParameter message (see `schema`). Files from before 2015 hold `layers` (V1LayerParameter), the
oldest of which each wrap a `layer` of the first format (V0LayerParameter); newer files hold `layer` (LayerParameter). A
blob has a `shape`, or in old files num, channels, height and width. Its values are `data`, `double_data` or, in files
of NVIDIA's fork, `raw_data`. Everything that `schema` does not list is skipped.

Caffe lays weights out as torch does: (outputs, inputs / groups, height, width) and (outputs, inputs). In Caffe too, fc6
reads pool5 by channel, row and column. The written files begin with a layer of the type Input, which holds the input's
size and mean colour.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from math import isqrt, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf.message import DecodeError
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.networks.caffe.released import released_mean
from tracklearn.networks.caffe.schema import NetParameter, UnpackedBlobProto
from tracklearn.networks.caffenet import CHANNELS, CONV_LAYERS, DEFAULTS, CaffeNet, channels_at, pool5_side

NEEDED = (*CONV_LAYERS, "fc6", "fc7")
LAYERS = (*NEEDED, "fc8")
MOST_AXES = 4  # of a CaffeNet's blobs
HDF5 = b"\x89HDF\r\n\x1a\n"  # a file of this format begins so
RAW_TYPES = ("<f8", "<f4", "<f2")  # types of `raw_data`: DOUBLE, FLOAT and FLOAT16, numbered from 0
TRANSFORMS = ("data_param", "image_data_param", "window_data_param", "transform_param")
"""Blocks of a layer that say what it does to images. Old files have the mean in the data layer's own block."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaffeModel:
    """The part of a .caffemodel that a CaffeNet needs.

    Attributes:
        path: the file.
        layer_names: names of all its layers.
        blobs: weight and bias of each of conv1..conv5, fc6, fc7, fc8 that the file has, in the file's shapes.
        input_size: side of the input in pixels; None where the file does not say.
        mean_bgr: mean colour that training subtracted; None where the file does not say and is no released one.
        mean_file: name of the mean image that training subtracted; the image itself is not in a .caffemodel.
        input_scale: factor by which training multiplied the input after it had subtracted the mean.
    """

    path: Path
    layer_names: tuple[str, ...]
    blobs: dict[str, list[np.ndarray]]
    input_size: int | None
    mean_bgr: tuple[float, ...] | None
    mean_file: str | None = None
    input_scale: float = 1

    def network(
        self,
        *,
        width: float | None = None,
        input_size: int | None = None,
        mean_bgr: Sequence[float] | None = None,
        assumed_mean: Sequence[float] = DEFAULTS.mean_bgr,
    ) -> CaffeNet:
        """The network with these weights, in evaluation mode; it has an fc8 if the file has one.

        This package's networks do not scale their input, so the weights of conv1 are multiplied by `input_scale`.

        Args:
            width: factor on the channels; by default the one that the file's shapes give.
            input_size: side of the input in pixels; by default the file's, or else the size at which no pooling window
                is cut off: 227 for the 9216 inputs of the released fc6.
            mean_bgr: by default the file's, or else `assumed_mean`.
            assumed_mean: see `mean_bgr`; by default that of the authors' released code.

        Raises:
            UserError: a layer is missing or has another shape.
        """
        for name in NEEDED:
            if name not in self.blobs:
                raise UserError(
                    f"{self.path}: layer {name} is missing; expected {', '.join(NEEDED)} of a CaffeNet, "
                    f"found {', '.join(self.layer_names) or 'no layer'}"
                )
        mean = mean_bgr or self.mean_bgr
        if self.mean_file and not mean:
            log.warning(
                "%s: training subtracted the mean image %s, which is not in the file; the colour %s is subtracted "
                "instead; if it is not the mean of that image, convert the file to .safetensors with --mean B G R",
                self.path, self.mean_file, tuple(assumed_mean),
            )  # fmt: skip
        outputs = {name: _outputs_and_inputs(name, blobs[0])[0] for name, blobs in self.blobs.items()}
        with torch.device("meta"):  # takes no memory and draws no numbers: the weights are in the file
            net = CaffeNet(
                width=_width(outputs) if width is None else width,
                input_size=self._input_size(input_size),
                fc7=outputs["fc7"],
                outputs=outputs.get("fc8"),
                mean_bgr=mean or assumed_mean,
            )
        state = {name: self._tensor(name, tuple(wanted.shape)) for name, wanted in net.state_dict().items()}
        state["conv1.weight"] *= self.input_scale
        net.load_state_dict(state, assign=True)
        return net.to(memory_format=torch.channels_last).eval()

    def _input_size(self, given: int | None) -> int:
        _, inputs = _outputs_and_inputs("fc6", self.blobs["fc6"][0])
        channels, _ = _outputs_and_inputs("conv5", self.blobs["conv5"][0])
        side = max(1, isqrt(inputs // channels))
        whole = 32 * side + 35  # size of the input at which no pooling window is cut off
        size = given or self.input_size or whole
        if pool5_side(size) != side:
            raise UserError(
                f"{self.path}: layer fc6 has {inputs} inputs, so it needs a pool5 of {side} x {side}; an input of "
                f"{size} pixels gives another pool5; expected {whole} or near it"
            )
        return size

    def _tensor(self, name: str, wanted: tuple[int, ...]) -> Tensor:
        layer, parameter = name.split(".")
        blobs = self.blobs[layer]
        if len(blobs) != 2:
            raise UserError(f"{self.path}: layer {layer} has {len(blobs)} blobs; expected 2, its weight and its bias")
        blob = blobs[0 if parameter == "weight" else 1]
        if _four_axes(blob.shape) != _four_axes(wanted):
            raise UserError(
                f"{self.path}: layer {layer}: its {parameter} has shape {blob.shape}, expected {wanted}; "
                "convert a CaffeNet of the released layout"
            )
        with np.errstate(over="ignore"):
            values = torch.from_numpy(blob.astype(np.float32)).reshape(wanted)
        if not torch.isfinite(values).all():
            raise UserError(f"{self.path}: layer {layer}: its {parameter} holds NaN or infinite values; fetch it again")
        return values


def _four_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape as old files have it: four axes, the first ones 1."""
    return (1,) * (4 - len(shape)) + shape


def _outputs_and_inputs(layer: str, weight: np.ndarray) -> tuple[int, int]:
    """Numbers of outputs and inputs; in a convolution, inputs of one group."""
    shape = _four_axes(weight.shape)
    outputs, inputs = shape[:2] if layer in CONV_LAYERS else shape[2:]
    return outputs, inputs


def _width(outputs: dict[str, int]) -> float:
    """The simplest factor that gives a file's numbers of channels. If no factor gives them all, it is that of fc6."""
    share = Fraction(outputs["fc6"], CHANNELS["fc6"])
    for denominator in range(1, CHANNELS["fc6"]):
        width = float(share.limit_denominator(denominator))
        if width > 0 and all(outputs[layer] == channels for layer, channels in channels_at(width).items()):
            return width
    return float(share)


def read_caffemodel(path: str | Path) -> CaffeModel:
    """Read a .caffemodel; layers that a CaffeNet does not have are left out.

    Raises:
        UserError: the file does not exist, is cut short or damaged, or its network normalises before it pools.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        model = _model(path, NetParameter.FromString(content))
    except OSError as error:
        raise UserError(f"{path}: not a readable file ({error.strerror}); expected a .caffemodel") from error
    except DecodeError as error:
        if content.startswith(HDF5):
            raise UserError(
                f"{path}: a snapshot in HDF5; expected a binary .caffemodel; load it in Caffe and write it by "
                "pycaffe's net.save, or train with snapshot_format: BINARYPROTO"
            ) from error
        raise UserError(
            f"{path}: not a whole .caffemodel ({path.stat().st_size} bytes); fetch or write it again"
        ) from error
    # Hashing takes a fraction of a second, which only files without a mean of their own cost.
    return model if model.mean_bgr else replace(model, mean_bgr=released_mean(hashlib.sha1(content).hexdigest()))


def _model(path: Path, net: Any) -> CaffeModel:
    layers = [*(layer.layer if layer.HasField("layer") else layer for layer in net.layers), *net.layer]
    # In a damaged file a name that is not UTF-8 is of type bytes.
    names = tuple(str(layer.name) for layer in layers)
    if {"norm1", "pool1"} <= set(names) and names.index("norm1") < names.index("pool1"):
        raise UserError(
            f"{path}: norm1 comes before pool1, as in Caffe's bvlc_alexnet; expected CaffeNet, which pools first"
        )
    # The last of several layers of one name counts, as in Caffe.
    blobs = {
        layer.name: [_array(path, layer.name, blob) for blob in layer.blobs]
        for layer in layers
        if layer.name in LAYERS and layer.blobs
    }
    inputs = [net.input_shape, *(layer.input_param.shape for layer in net.layer)]
    shapes = [list(net.input_dim), *(list(shape[0].dim) for shape in inputs if len(shape) == 1)]
    sizes = [shape[2] for shape in shapes if len(shape) == 4 and shape[2] == shape[3]]
    transforms = [transform for layer in layers for transform in _transforms(layer)]
    values = [list(getattr(transform, "mean_value", [])) for transform in transforms]
    # Caffe subtracts a single value from all three channels. An input minus a mean image has no value.
    means = [each * 3 for each in values if len(each) == 1] + [each for each in values if len(each) == 3]
    scales = [transform.scale for transform in transforms if transform.HasField("scale")]
    if not np.isfinite([*chain(*means), *scales]).all():
        raise UserError(f"{path}: a mean or a scale of its input is no finite number; fetch or write the file again")
    return CaffeModel(
        path,
        names,
        blobs,
        input_size=sizes[-1] if sizes else None,
        # The shortest decimal number of each float: 96.64, not 96.63999938964844.
        mean_bgr=tuple(float(str(np.float32(value))) for value in means[-1]) if means else None,
        mean_file=next((transform.mean_file for transform in reversed(transforms) if transform.mean_file), None),
        input_scale=scales[-1] if scales else 1,
    )


def _transforms(layer: Any) -> list[Any]:
    """The blocks that say what a layer does to images; a layer of the first format is such a block itself."""
    if not hasattr(layer, TRANSFORMS[0]):
        return [layer]
    return [getattr(layer, block) for block in TRANSFORMS if layer.HasField(block)]


def _array(path: Path, layer: str, blob: Any) -> np.ndarray:
    """The values of a BlobProto in their shape, as a read-only array of float or double."""
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    chunks, dtype = (blob.double_data, np.dtype("<f8")) if blob.double_data else (blob.data, np.dtype("<f4"))
    if blob.raw_data:
        if blob.raw_data_type not in range(len(RAW_TYPES)):
            raise UserError(
                f"{path}: layer {layer}: its raw values are of type {blob.raw_data_type}; expected 0, 1 or 2 (double, "
                "float, half); save the network with store_blobs_in_old_format: true"
            )
        chunks, dtype = [blob.raw_data], np.dtype(RAW_TYPES[blob.raw_data_type])
    content = b"".join(chunks)
    if not content:
        unpacked = UnpackedBlobProto.FromString(blob.SerializeToString())
        content, dtype = np.array([*unpacked.double_data, *unpacked.data], "<f8").tobytes(), np.dtype("<f8")
    count = len(content) / dtype.itemsize
    if count != prod(shape) or min(shape, default=1) < 1 or len(shape) > MOST_AXES:
        raise UserError(
            f"{path}: layer {layer}: {count:g} values for a blob of shape {shape}; expected at most {MOST_AXES} axes "
            "of length 1 or more and as many values as the product of their lengths; fetch or write the file again"
        )
    return np.frombuffer(content, dtype).reshape(shape)


def write_caffemodel(path: str | Path, net: CaffeNet) -> None:
    """Write weights and biases, which Caffe loads by the names of the layers, with the input's size and mean.

    Raises:
        UserError: the disk is full.
    """
    size = net.input_size
    data = {
        "name": "data",
        "type": "Input",
        "top": ["data"],
        "transform_param": {"mean_value": net.mean_bgr},
        "input_param": {"shape": [{"dim": [1, 3, size, size]}]},
    }
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(NetParameter(name="CaffeNet", layer=[data]).SerializeToString())
        for name, layer in net.named_children():  # messages that follow each other in a file are one message
            arrays = [parameter.detach().cpu().float().numpy() for parameter in layer.parameters()]  # weight, bias
            blobs = [{"data": [array.tobytes()], "shape": {"dim": array.shape}} for array in arrays]
            layer_type = "Convolution" if name in CONV_LAYERS else "InnerProduct"
            file.write(NetParameter(layer=[{"name": name, "type": layer_type, "blobs": blobs}]).SerializeToString())
