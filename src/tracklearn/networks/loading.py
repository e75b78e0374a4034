"""Load a trained network, with the preparation of its input, by the path or the name of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.caffe.caffemodel import read_caffemodel
from tracklearn.networks.torchvision_weights import is_torchvisions, read_torchvision
from tracklearn.networks.weights import build
from tracklearn.photos import upright_rgb

MODELS = Path("results/models")
SUFFIXES = (".safetensors", ".caffemodel", ".pth")
TORCHVISION_SIZE = 224  # pixels, of the images that torchvision's weights were trained on

ImageLike = Image.Image | np.ndarray | Tensor


@dataclass(frozen=True)
class Preprocessing:
    """Turns RGB images of any size into the input of a network, without the network's weights.

    Attributes:
        backbone: the class of the network; its `channels` and `std_bgr` say what follows the subtraction.
        input_size: side S of the input in pixels.
        mean_bgr: the mean colour that is subtracted.
    """

    backbone: type[Backbone]
    input_size: int
    mean_bgr: tuple[float, ...]

    def __call__(self, images: ImageLike | Sequence[ImageLike]) -> Tensor:
        """Float tensor (N, 3, S, S) of one image or of several.

        Args:
            images: PIL images of any mode, which are turned as EXIF says, or uint8 RGB arrays (H, W, 3), of any sizes;
                or one array (N, H, W, 3).

        Raises:
            UserError: no image, or an array of another type or shape.
        """
        if isinstance(images, Image.Image) or (isinstance(images, np.ndarray | Tensor) and images.ndim == 3):
            resized = [self._resized(images)]
        else:
            resized = [self._resized(image) for image in images]
        if not resized:
            raise UserError("images: there are none; expected at least one")
        return self.backbone.prepared(torch.cat(resized), self.mean_bgr)

    def _resized(self, image: ImageLike) -> Tensor:
        """One image as uint8 (1, S, S, 3), by bilinear interpolation with antialiasing; proportions are not kept."""
        try:
            rgb = np.asarray(upright_rgb(image) if isinstance(image, Image.Image) else image)
        except ValueError as error:
            raise UserError(f"images: an image of mode {image.mode}: {error}") from error  # type: ignore[union-attr]
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
            raise UserError(
                f"images: an array of {rgb.dtype} and shape {rgb.shape}; expected uint8 (H, W, 3) in RGB, 0..255"
            )
        pixels = torch.tensor(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]  # (1, 3, H, W)
        size = (self.input_size, self.input_size)
        if pixels.shape[2:] != size:
            pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True)
        return pixels.permute(0, 2, 3, 1)


def load(model: str | Path, *, backbone: str | None = None) -> tuple[Backbone, Preprocessing]:
    """A network in evaluation mode, and the function that turns images into its input.

    Args:
        model: path of a .safetensors, .caffemodel or .pth file, or the name of a model in results/models, with
            the protocol in front (voc2012-val/scratch-1) where several protocols have a model of this name.
        backbone: of weights in torchvision's own format, which do not say what they are of; other files do.

    Raises:
        UserError: the file or model does not exist, or the file does not hold a network, or not one of the backbone.
    """
    path = find_model(model)
    net: Backbone
    if path.suffix == ".caffemodel":
        net = read_caffemodel(path).network()
    elif is_torchvisions(path):
        net = _of_torchvision(path, backbone)
    else:
        net = build(path)
    if backbone not in (None, net.backbone):
        raise UserError(f"{path}: its backbone is {net.backbone}, not {backbone}")
    return net, Preprocessing(type(net), net.input_size, net.mean_bgr)


def _of_torchvision(path: Path, backbone: str | None) -> Backbone:
    kinds = {name: kind for name, kind in BACKBONES.items() if kind.names}
    if backbone not in kinds:
        raise UserError(
            f"{path}: not weights of this package; if they are torchvision's, say of which backbone, one of "
            f"{', '.join(kinds)}; got {backbone}"
        )
    return read_torchvision(path, kinds[backbone], input_size=TORCHVISION_SIZE)


def find_model(model: str | Path) -> Path:
    """The weights file of a model by its path or name, as `load` takes them."""
    if Path(model).suffix in SUFFIXES:
        path = Path(model)
        if not path.is_file():
            raise UserError(f"{path}: the file does not exist; the working directory is {Path.cwd()}")
        return path
    places = {str(path.parent.relative_to(MODELS)): path for path in sorted(MODELS.glob("**/weights.safetensors"))}
    # What learned from a protocol's images lies in a folder of the protocol's name.
    matches = [place for place in places if f"/{place}".endswith(f"/{model}")]
    if len(matches) == 1 or str(model) in matches:
        return places[str(model) if str(model) in matches else matches[0]]
    if matches:
        raise UserError(f"{model}: several protocols have a model of this name; give one of {', '.join(matches)}")
    raise UserError(
        f"{model}: not a model: {Path.cwd() / MODELS / model}/weights.safetensors does not exist; "
        f"the models there are: {', '.join(places) or 'none'}; "
        f"give one of them or the path of a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file"
    )
