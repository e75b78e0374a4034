"""Patches changed at random, each by random numbers of its own: a batch at once, on a CPU a few where colours change.

torchvision's functions take one factor for all images of a batch, as a number of Python, which a recorded CUDA graph
would repeat at every iteration. Only those without a factor are used here; the others follow torchvision's definitions,
but for hues: torchvision turns them in HSV, and here colours turn about the axis of greys, which keeps the sum of the
three channels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tracklearn.settings.ranking import Augment

DRAWS = ("area", "left", "top", "brightness", "contrast", "saturation", "hue", "grey", "blur")
HUE = 1 / 4  # of the strength, in turns of the circle
BLUR = 1 / 100  # standard deviation, of a patch's side
AT_ONCE = 10  # patches that stay in a processor's cache from one change to the next


def augmented(patches: Tensor, draws: Tensor, settings: Augment) -> Tensor:
    """Crop, change the colours of, turn grey and blur patches: uint8 RGB (N, S, S, 3) to float RGB in 0..255.

    `draws` (N, 9) holds uniform random numbers in the order of `DRAWS`. Patches are mirrored elsewhere (`PairBatches`).
    """
    with torch.no_grad(), torch.autocast(patches.device.type, enabled=False):
        area, left, top = draws.T[:3]  # (N,) each
        images = patches.permute(0, 3, 1, 2).to(torch.float32, copy=True)  # (N, 3, S, S)
        if settings.crop != (1, 1):
            smallest, largest = settings.crop
            images = crop_and_enlarge(images, (smallest + (largest - smallest) * area).sqrt(), left, top)
        if images.device.type != "cpu":
            images = _recoloured(images, draws, settings)
        elif settings.colour or settings.grey or settings.blur:
            for some, of_some in zip(images.split(AT_ONCE), draws.split(AT_ONCE), strict=True):
                some.copy_(_recoloured(some, of_some, settings))
        return images.permute(0, 2, 3, 1)


def _recoloured(images: Tensor, draws: Tensor, settings: Augment) -> Tensor:
    """Change the colours of, turn grey and blur images (N, 3, S, S) by the draws (N, 9) of their patches."""
    *factors, hue, grey, blur = draws.T[3:]  # (N,) each
    if settings.colour:
        images = change_colours(images, *(1 + settings.colour * (2 * draw - 1) for draw in factors))
        images = turn_hues(images, HUE * settings.colour * (2 * hue - 1))
    if settings.grey:
        images = torch.where(_of_images(grey < settings.grey), greys(images), images)
    if settings.blur:
        images = torch.where(_of_images(blur < settings.blur), blurred(images, BLUR * images.shape[-1]), images)
    return images


def crop_and_enlarge(images: Tensor, side: Tensor, left: Tensor, top: Tensor) -> Tensor:
    """Square crops of images (N, 3, S, S), enlarged to S by bilinear interpolation.

    `side` (N,) is the crop's side as a share of the image's; `left` and `top` (N,) place the crop, between the edges of
    the image (0 and 1).
    """
    size = images.shape[-1]
    centres = (2 * torch.arange(size, device=images.device) + 1) / size - 1  # of pixels, from -1 to 1
    # No affine_grid: it multiplies matrices, which some precisions round.
    columns, rows = (side[:, None] * centres + ((1 - side) * (2 * place - 1))[:, None] for place in (left, top))
    grid = torch.stack(
        [columns[:, None, :].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], dim=-1
    )  # (N, S, S, 2)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def change_colours(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Multiply brightness, contrast and saturation of images (N, 3, S, S) by factors (N,), as torchvision does."""
    images = (_of_images(brightness) * images).clamp_(0, 255)
    images = _blended(images, greys(images).mean((1, 2, 3), keepdim=True), contrast)
    return _blended(images, greys(images), saturation)


def turn_hues(images: Tensor, turns: Tensor) -> Tensor:
    """Rotate the colours of images (N, 3, S, S) about the axis of greys, by `turns` (N,) of the whole circle.

    Greys and the sum of the three channels stay; a third of the circle makes red green, green blue and blue red.
    """
    angle = 2 * math.pi * _of_images(turns)
    same = (1 + 2 * angle.cos()) / 3
    both, apart = (1 - angle.cos()) / 3, angle.sin() / math.sqrt(3)
    turned = same * images
    for channel in range(3):
        turned[:, channel] += (both + apart)[:, 0] * images[:, channel - 1]
        turned[:, channel] += (both - apart)[:, 0] * images[:, (channel + 1) % 3]
    return turned.clamp_(0, 255)


def greys(images: Tensor) -> Tensor:
    """Luma of images: (N, 3, S, S) -> (N, 1, S, S)."""
    from torchvision.transforms.v2.functional import rgb_to_grayscale  # noqa: PLC0415 (torchvision takes a second)

    return rgb_to_grayscale(images)


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Blur images (N, 3, S, S) by a Gaussian, first along the rows and then along the columns; rims are mirrored.

    Shifted images are added, since a convolution rounds its factors at the precisions tf32 and bf16.
    """
    half, size = math.ceil(3 * deviation), images.shape[-1]
    weights = [math.exp(-((place / deviation) ** 2) / 2) for place in range(-half, half + 1)]
    for axis, rims in ((3, (half, half, 0, 0)), (2, (0, 0, half, half))):
        padded, images = F.pad(images, rims, mode="reflect"), torch.zeros_like(images)
        for start, weight in enumerate(weights):
            images.add_(padded.narrow(axis, start, size), alpha=weight / sum(weights))
    return images.clamp(0, 255)


def _blended(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """`factors` (N,) of the images and the rest of the others; a factor above 1 leads away from the others."""
    factors = _of_images(factors)
    return (factors * images).add_((1 - factors) * others).clamp_(0, 255)


def _of_images(values: Tensor) -> Tensor:
    """(N,) -> (N, 1, 1, 1)."""
    return values[:, None, None, None]
