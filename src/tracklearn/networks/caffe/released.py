"""Networks that others trained and released as Caffe's files."""

from collections.abc import Mapping
from dataclasses import dataclass

from tracklearn.download import RemoteFile


@dataclass(frozen=True, kw_only=True)
class ReleasedNetwork(RemoteFile):
    """A released .caffemodel.

    Attributes:
        mean_bgr: mean colour of its training images; the file itself names a mean image, which it does not hold.
    """

    mean_bgr: tuple[float, float, float]


RELEASED: Mapping[str, ReleasedNetwork] = {
    # CaffeNet trained on ILSVRC 2012 by the Berkeley Vision and Learning Center: the network that R-CNN starts from.
    # Address and SHA-1 are those of models/bvlc_reference_caffenet/readme.md in BVLC/caffe; the mean is that of
    # imagenet_mean.binaryproto over its pixels.
    "bvlc_reference_caffenet": ReleasedNetwork(
        urls=("http://dl.caffe.berkeleyvision.org/bvlc_reference_caffenet.caffemodel",),
        digest="4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
        mean_bgr=(104, 117, 123),
    ),
}


def released_mean(sha1: str) -> tuple[float, ...] | None:
    """Mean colour of the released network whose file has this SHA-1; None for any other file."""
    return next((network.mean_bgr for network in RELEASED.values() if network.digest == sha1), None)
