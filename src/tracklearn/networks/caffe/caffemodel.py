"""Weights as Caffe keeps them: .caffemodel files of the authors' fork are read, ours are written.

    python -m tracklearn.networks.caffe.caffemodel net.caffemodel weights.safetensors
    python -m tracklearn.networks.caffe.caffemodel weights.safetensors net.caffemodel

A .caffemodel is one Protocol Buffers message. These of its fields are read; all others are skipped:

    NetParameter              layers 2 (V1LayerParameter), layer 100 (LayerParameter)
    LayerParameter            name 1, type 2, blobs 7, transform_param 100, input_param 143
    V1LayerParameter          name 4, blobs 6, transform_param 36     (files written before 2015)
    BlobProto                 shape 7, data 5 (float), double_data 8; before shape: num 1, channels 2, height 3, width 4
    BlobShape                 dim 1
    InputParameter            shape 1
    TransformationParameter   mean_file 4, mean_value 5 (float, one a channel, BGR)

Source: https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto

Caffe lays weights out as torch does: (outputs, inputs / groups, height, width) and (outputs, inputs), and fc6 reads
pool5 by channel, row and column, as here. A layer of the type Input carries the input's size and the mean.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt, prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.networks.caffe.protobuf import Chunks, WireError, blocks, decode, encode, integers, varint
from tracklearn.networks.caffe.prototxt import deploy
from tracklearn.networks.caffenet import CHANNELS, CONV_LAYERS, MEAN_BGR, CaffeNet, channels_at, pool5_side
from tracklearn.networks.weights import build, save_weights

NEEDED = (*CONV_LAYERS, "fc6", "fc7")
LAYERS = (*NEEDED, "fc8")
MOST_AXES = 32  # of a Caffe blob
Fields = dict[int, list[int | memoryview]]  # of a message
TYPES = {nn.Conv2d: b"Convolution", nn.Linear: b"InnerProduct"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaffeModel:
    """What a .caffemodel holds of a CaffeNet.

    Attributes:
        path: the file.
        names: of all its layers.
        blobs: weight and bias of conv1..conv5, fc6, fc7, fc8, as far as they are there, in the file's shapes.
        input_size, mean_bgr: None where the file does not say.
        mean_file: the picture that was subtracted in place of a colour; the .caffemodel has but its name.
    """

    path: Path
    names: tuple[str, ...]
    blobs: dict[str, list[np.ndarray]]
    input_size: int | None
    mean_bgr: tuple[float, ...] | None
    mean_file: str | None = None

    def network(
        self, *, width: float | None = None, input_size: int | None = None, mean_bgr: Sequence[float] | None = None
    ) -> CaffeNet:
        """The network with these weights, in evaluation mode; with fc8 if the file has one.

        Args:
            width: the one that the layers must have; by default what they tell.
            input_size: by default the file's, else the one whose pooling windows are all whole: 227 for the
                released 9216 inputs of fc6.
            mean_bgr: by default the file's, else the released one.

        Raises:
            UserError: a layer is missing or has another shape.
        """
        for name in NEEDED:
            if name not in self.blobs:
                raise UserError(
                    f"{self.path}: layer {name} is missing; expected {', '.join(NEEDED)} of a CaffeNet, "
                    f"found {', '.join(self.names) or 'no layer'}"
                )
        if self.mean_file and not (mean_bgr or self.mean_bgr):
            log.warning(
                "%s: trained with the mean picture %s, which is not in the file; the colour %s is subtracted; if that "
                "is not the picture's mean, convert the file to .safetensors with --mean B G R",
                self.path, self.mean_file, MEAN_BGR,
            )  # fmt: skip
        outputs = {name: _matrix(name, blobs[0])[0] for name, blobs in self.blobs.items()}
        with torch.device("meta"):  # no memory and no random numbers for weights that are here
            net = CaffeNet(
                width=_width(outputs) if width is None else width,
                input_size=self._input_size(input_size),
                fc7=outputs["fc7"],
                outputs=outputs.get("fc8"),
                mean_bgr=mean_bgr or self.mean_bgr or MEAN_BGR,
            )
        state = {name: self._tensor(name, tuple(wanted.shape)) for name, wanted in net.state_dict().items()}
        net.load_state_dict(state, assign=True)
        return net.to(memory_format=torch.channels_last).eval()

    def _input_size(self, given: int | None) -> int:
        inputs, channels = _matrix("fc6", self.blobs["fc6"][0])[1], _matrix("conv5", self.blobs["conv5"][0])[0]
        side = max(1, isqrt(inputs // channels))
        size = given or self.input_size or 32 * side + 35
        if pool5_side(size) != side:
            raise UserError(
                f"{self.path}: layer fc6 has {inputs} inputs, which is a pool5 of {side} x {side}; an input of {size} "
                f"pixels does not give that; expected {32 * side + 35} or a size near it"
            )
        return size

    def _tensor(self, name: str, wanted: tuple[int, ...]) -> Tensor:
        layer, kind = name.split(".")
        blobs = self.blobs[layer]
        if len(blobs) != 2:
            raise UserError(f"{self.path}: layer {layer} has {len(blobs)} blobs; expected 2, its weight and its bias")
        blob = blobs[0 if kind == "weight" else 1]
        if _four(blob.shape) != _four(wanted):
            raise UserError(
                f"{self.path}: layer {layer}: its {kind} has shape {blob.shape}, expected {wanted}; "
                "convert a CaffeNet of the released layout"
            )
        return torch.from_numpy(blob.astype(np.float32)).reshape(wanted)


def _four(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape as files without `shape` have it: four axes, the first ones 1."""
    return (1,) * (4 - len(shape)) + shape


def _matrix(name: str, weight: np.ndarray) -> tuple[int, int]:
    """Outputs and inputs (a group's, of a convolution)."""
    outputs, inputs = _four(weight.shape)[:2] if name in CONV_LAYERS else _four(weight.shape)[-2:]
    return outputs, inputs


def _width(outputs: dict[str, int]) -> float:
    """The simplest factor that gives a file's numbers of channels; if none does, fc6's, and the shapes will tell."""
    share = Fraction(outputs["fc6"], CHANNELS["fc6"])
    for denominator in range(1, CHANNELS["fc6"]):
        width = float(share.limit_denominator(denominator))
        if width > 0 and all(outputs[layer] == channels for layer, channels in channels_at(width).items()):
            return width
    return float(share)


def read_caffemodel(path: str | Path) -> CaffeModel:
    """Read a .caffemodel; layers that are none of a CaffeNet's are left out.

    Raises:
        UserError: no such file, cut short or damaged, or of a network that normalises before it pools.
    """
    try:
        message = memoryview(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"{path}: not a readable file ({error.strerror}); expected a .caffemodel") from error
    try:
        return _model(Path(path), message)
    except (WireError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: not a whole .caffemodel ({len(message)} bytes: {error}); fetch or write it again"
        ) from error


def _model(path: Path, message: memoryview) -> CaffeModel:
    net = decode(message)
    old, new = ([decode(block) for block in blocks(net, number)] for number in (2, 100))
    layers = [(_text([layer], 4) or "", blocks(layer, 6)) for layer in old]
    layers += [(_text([layer], 1) or "", blocks(layer, 7)) for layer in new]
    names = tuple(name for name, _ in layers)
    if {"norm1", "pool1"} <= set(names) and names.index("norm1") < names.index("pool1"):
        raise UserError(
            f"{path}: norm1 comes before pool1, as in Caffe's bvlc_alexnet; expected CaffeNet, which pools first"
        )
    # Of several layers of one name the last counts, as in Caffe.
    arrays = {
        name: [_array(path, name, blob) for blob in listed] for name, listed in layers if name in LAYERS and listed
    }
    transforms = [
        decode(block)
        for layers, number in ((old, 36), (new, 100))
        for layer in layers
        for block in blocks(layer, number)
    ]
    return CaffeModel(path, names, arrays, _input_size(new), _mean(transforms), _text(transforms, 4))


def _text(messages: Sequence[Fields], number: int) -> str | None:
    """The last text of that number in some messages."""
    texts = [str(block, "utf-8") for message in messages for block in blocks(message, number)]
    return texts[-1] if texts else None


def _input_size(layers: Sequence[Fields]) -> int | None:
    """Of the last layer that tells of a square input."""
    size = None
    for block in (block for layer in layers for block in blocks(layer, 143)):
        shape = [integers(decode(each), 1) for each in blocks(decode(block), 1)]
        if len(shape) == 1 and len(shape[0]) == 4 and shape[0][2] == shape[0][3]:
            size = shape[0][2]
    return size


def _mean(transforms: Sequence[Fields]) -> tuple[float, ...] | None:
    """Of the last layer that subtracts a colour."""
    mean = None
    for transform in transforms:
        values = b"".join(blocks(transform, 5))
        if len(values) == 3 * 4:  # one value is taken from grey images, none where the mean is a file
            mean = tuple(_short(value) for value in np.frombuffer(values, "<f4"))
    return mean


def _short(value: np.float32) -> float:
    """The shortest decimal number that is this one in single precision: 96.64, not 96.63999938964844."""
    return float(str(value))


def _array(path: Path, layer: str, message: memoryview) -> np.ndarray:
    """A BlobProto, in its shape."""
    blob = decode(message)
    if 7 in blob:
        shape = tuple(dim for each in blocks(blob, 7) for dim in integers(decode(each), 1))
    else:
        shape = tuple((integers(blob, number) or [0])[-1] for number in (1, 2, 3, 4))
    if len(shape) > MOST_AXES:
        raise WireError(f"layer {layer}: a blob of {len(shape)} axes")
    number, kind = (8, "<f8") if 8 in blob else (5, "<f4")
    pieces = blocks(blob, number)
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    values = len(data) / np.dtype(kind).itemsize
    if values != prod(shape) or not values:
        raise UserError(
            f"{path}: layer {layer}: {values:g} values for a blob of shape {shape}; "
            f"expected {prod(shape)}, more than 0; fetch or write the file again"
        )
    return np.frombuffer(data, kind).reshape(shape)


def write_caffemodel(path: str | Path, net: CaffeNet) -> None:
    """Write weights and biases that Caffe loads by the names of the layers, and the input's size and mean.

    Raises:
        UserError: the disk is full.
    """
    layers = [_input_layer(net), *(_layer(name, layer) for name, layer in net.named_children())]
    message = encode(1, b"CaffeNet") + [chunk for layer in layers for chunk in encode(100, *layer)]
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.writelines(message)


def _input_layer(net: CaffeNet) -> Chunks:
    shape = encode(1, *encode(1, varint(1, 3, net.input_size, net.input_size)))
    mean = b"".join(b"\x2d" + value.tobytes() for value in np.asarray(net.mean_bgr, "<f4"))  # field 5, 4 bytes, each
    return encode(1, b"data") + encode(2, b"Input") + encode(4, b"data") + encode(100, mean) + encode(143, *shape)


def _layer(name: str, layer: nn.Module) -> Chunks:
    chunks = encode(1, name.encode()) + encode(2, TYPES[type(layer)])
    for parameter in layer.parameters():  # weight, bias
        values = parameter.detach().cpu().float().contiguous().numpy().astype("<f4", copy=False)
        shape = encode(1, varint(*values.shape))
        chunks += encode(7, *encode(5, values.data.cast("B")), *encode(7, *shape))
    return chunks


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.networks.caffe.caffemodel",
        description="Convert weights between .safetensors and .caffemodel, by the files' suffixes. "
        "Beside a .caffemodel its deploy .prototxt is written.",
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--input-size", type=int, help="pixels, where the .caffemodel does not say (227 by its fc6)")
    parser.add_argument(
        "--mean", type=float, nargs=3, metavar=("B", "G", "R"), help=f"where it does not say (default: {MEAN_BGR})"
    )
    given = parser.parse_args(arguments)
    try:
        match given.source.suffix, given.out.suffix:
            case ".caffemodel", ".safetensors":
                net = read_caffemodel(given.source).network(input_size=given.input_size, mean_bgr=given.mean)
                save_weights(given.out, net, metadata={"training": "caffemodel", "source": given.source.name})
                written = f"{given.out}"
            case ".safetensors", ".caffemodel":
                if given.input_size or given.mean:
                    parser.error("--input-size and --mean are for reading a .caffemodel; a .safetensors has its own")
                net, prototxt = build(given.source), given.out.with_suffix(".prototxt")
                write_caffemodel(given.out, net)
                with atomic(prototxt) as temporary:
                    temporary.write_text(deploy(net))
                written = f"{given.out}, {prototxt}"
            case suffixes:
                parser.error(f"{' to '.join(suffixes)}: expected .caffemodel to .safetensors or the other way round")
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    mean = ", ".join(map(str, net.mean_bgr))
    print(f"{written}: CaffeNet of width {net.width:g}, fc7 of {net.fc7_units}, {net.input_size} px BGR minus ({mean})")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
