"""Caffe's weights, of its newest and its oldest format."""

from pathlib import Path
from random import Random

import torch

from fuzz.mutations import EXTREMES
from tracklearn.networks.caffe.caffemodel import read_caffemodel, write_caffemodel
from tracklearn.networks.caffe.schema import NetParameter
from tracklearn.networks.caffenet import CaffeNet

NAMES = b"conv1", b"conv2", b"conv5", b"fc6", b"fc7", b"fc8", b"data", b"Input"


def field(data: bytes, rng: Random) -> bytes:
    """A number, a shape or a message of the network is another."""
    try:
        net = NetParameter.FromString(data)
    except Exception:  # damaged by a mutation before
        return data
    layers = list(net.layer) or list(net.layers)
    if not layers:
        return data
    layer = rng.choice(layers)
    blobs = list(layer.blobs)
    extreme = rng.choice([value for value in EXTREMES if -(2**31) <= value < 2**31])
    match rng.randrange(8):
        case 0 if blobs:
            shape = rng.choice(blobs).shape.dim
            shape[:] = rng.choice(([], [extreme], [extreme] * 4, [2**40, 2**40], [2**62, 4], [1] * 60, [-1, -1]))
        case 1 if blobs:
            blob = rng.choice(blobs)
            blob.raw_data, blob.raw_data_type = rng.randbytes(rng.choice((0, 3, 8, 64))), rng.choice((0, 1, 2, 3, -1))
        case 2 if blobs:
            blob = rng.choice(blobs)
            blob.ClearField("shape")
            blob.num, blob.channels, blob.height, blob.width = (rng.choice((extreme, 1, 1, 2)) for _ in range(4))
        case 3:
            layer.transform_param.mean_value[:] = rng.choice(
                ([float("nan")] * 3, [float("inf")], [1, 2], [], [1e38] * 3, [1.0] * 10)
            )
        case 4:
            layer.transform_param.scale = rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38))
        case 5:
            net.input_dim[:] = rng.choice(
                ([1, 3, extreme, extreme], [extreme], [1, 3, 67, 68], [1, 3, 2**31 - 1, 2**31 - 1])
            )
        case 6:
            layer.name = rng.choice(("conv1", "fc6", "norm1", "pool1", "", "\0", "é" * 1000))
        case _ if blobs:
            blob = rng.choice(blobs)
            content = b"".join(blob.data)
            del blob.data[:]
            blob.data.extend(
                rng.choice(
                    ([], [content[:-1]], [content, content], [content[:4], content[4:]], [b"\xff" * len(content)])
                )
            )
        case _:
            pass
    return net.SerializeToString()


EDITS = {".caffemodel": [field]}


def write_samples(folder: Path) -> None:
    torch.set_num_threads(1)
    write_caffemodel(folder / "new.caffemodel", CaffeNet(width=1 / 32, input_size=67, fc7=8, outputs=3, seed=1))
    new = NetParameter.FromString((folder / "new.caffemodel").read_bytes())
    old = NetParameter(name="old")
    for layer in new.layer:
        blobs = []
        for blob in layer.blobs:
            num, channels, height, width = (1,) * (4 - len(blob.shape.dim)) + tuple(blob.shape.dim)
            blobs.append({"num": num, "channels": channels, "height": height, "width": width, "data": list(blob.data)})
        old.layers.add(name=layer.name, blobs=blobs)
    (folder / "old.caffemodel").write_bytes(old.SerializeToString())


def mutated(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(folder: Path, name: str) -> None:
    net = read_caffemodel(name).network()
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())
    assert torch.isfinite(torch.tensor(net.mean_bgr)).all() and net.input_size >= 1
