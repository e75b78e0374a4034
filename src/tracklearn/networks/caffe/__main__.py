"""Convert weights between this package's .safetensors and Caffe's .caffemodel.

python -m tracklearn.networks.caffe net.caffemodel weights.safetensors
python -m tracklearn.networks.caffe weights.safetensors net.caffemodel
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import write_text
from tracklearn.networks.caffe.caffemodel import read_caffemodel, write_caffemodel
from tracklearn.networks.caffe.prototxt import deploy
from tracklearn.networks.caffenet import DEFAULTS, CaffeNet
from tracklearn.networks.weights import build, load_weights, save_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert one file and say what was written; the result is the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.networks.caffe",
        description="Convert weights between .safetensors and .caffemodel, by the suffixes of the two files. "
        "The deploy .prototxt is written beside a .caffemodel.",
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--input-size", type=int, help="pixels, if not in the .caffemodel (default: 227, if fc6 fits)")
    parser.add_argument(
        "--mean",
        type=float,
        nargs=3,
        metavar=("B", "G", "R"),
        help=f"mean colour, if not in the .caffemodel (default: {' '.join(map(str, DEFAULTS.mean_bgr))})",
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
                if load_weights(given.source, tensors=False)[1].get("training") == "normals":
                    raise UserError(
                        f"{given.source}: a network of surface normals, whose fc7 has no ReLU; export it with "
                        "tracklearn.networks.onnx"
                    )
                built, prototxt = build(given.source), given.out.with_suffix(".prototxt")
                if not isinstance(built, CaffeNet):
                    raise UserError(
                        f"{given.source}: a {built.backbone}; only a caffenet can be written for Caffe; export it with "
                        "tracklearn.networks.onnx"
                    )
                net = built
                write_caffemodel(given.out, net)
                write_text(prototxt, deploy(net))
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
    sys.exit(main())
