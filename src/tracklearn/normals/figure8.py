"""Figure 8: photos of rooms with their true normals and those that networks predict (PAPER §6.2.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from matplotlib.figure import Figure

from tracklearn.figures.drawing import (
    WIDTH,
    Outputs,
    draw_without_replacement,
    in_print,
    inches,
    new_figure,
    write_figure,
)
from tracklearn.normals.angular_errors import angles
from tracklearn.normals.cells import at_pixels
from tracklearn.normals.codebook import read_words
from tracklearn.normals.colours import colours
from tracklearn.normals.examples import check_same_images
from tracklearn.normals.nyuv2 import Nyuv2, chosen_split, labeled_file
from tracklearn.normals.scoring import predictions
from tracklearn.normals.truth import Truth
from tracklearn.pages.rendering import Picture, render
from tracklearn.settings.base import Block
from tracklearn.settings.normals import Normals

HEADER, GAP = 0.18, 0.06  # inches: above all pictures, between two pictures
QUALITY = 90  # of the page's JPEG pictures


class Column(NamedTuple):
    """A column of the figure: its title, a picture uint8 RGB (H, W, 3) of each image, and what is said below each."""

    title: str
    pictures: list[np.ndarray]
    captions: list[str]


class Predictor(NamedTuple):
    """A network's answers: normals (H, W, 3) and errors in degrees (n,) of each image."""

    label: str
    model: str
    normals: list[np.ndarray]
    errors: list[np.ndarray]

    def error(self, place: int) -> str:
        """The error of an image, in words."""
        return f"mean {self.errors[place].mean():.1f}°, median {np.median(self.errors[place]):.1f}°"


@in_print
def normals_figure(
    *,
    truth: str | Path,
    codebook: str | Path,
    labels: Sequence[str],
    weights: Sequence[str | Path],
    settings: Block = None,
    precision: str = "fp32",
    count: int,
    seed: int,
    protocol: str,
    outputs: Outputs,
    page: str | Path,
    notes: Sequence[str] = (),
) -> dict[str, float]:
    """Draw test images at random, each with its photo, its true normals and every network's, and a page of them.

    Args:
        truth, codebook: files of `true_normals.write_truth` and `learned_words.write_codebook`.
        labels: titles of the networks' columns.
        weights: the networks' weights files, each in a folder named after its model.
        settings, precision: as in `scoring.network_row`.
        count, seed: number of images and seed of the draw; equal splits and seeds give the same images.
        protocol: name of the evaluation, whose table the page links to.
        page: the HTML file to write, with larger pictures and the errors of each image.
        notes: which networks are left out, and why.

    Returns:
        The number of `images`, and each network's mean error over their pixels in degrees, `mean/<model>`.

    Raises:
        UserError: damaged files, or a network that is none of surface normals or has other words.
    """
    normals_settings, words = Normals.read(settings), read_words(codebook)
    with Nyuv2(labeled_file(normals_settings.nyuv2)) as nyuv2, Truth(truth) as true:
        check_same_images(nyuv2, true)
        test = chosen_split(normals_settings, len(true)).test
        images = test[draw_without_replacement(len(test), count, seed, 8)[:count]].tolist()
        photos, normals = [nyuv2.photo(image) for image in images], [true[image] for image in images]
        source, networks = true.source, []
        for label, path in zip(labels, map(Path, weights), strict=True):
            with predictions(nyuv2, path, words, normals_settings, precision=precision) as predicted:
                answers = [at_pixels(predicted(image), true.size) for image in images]
            errors = [angles(*pair) for pair in zip(answers, normals, strict=True)]
            networks.append(Predictor(label, path.parent.name, answers, errors))
    numbers = [image + 1 for image in images]  # NYUv2 counts from 1
    columns = [
        Column("photo", photos, [f"image {number}" for number in numbers]),
        Column("true normals", [*map(colours, normals)], [source for _ in images]),
        *(Column(net.label, [*map(colours, net.normals)], [*map(net.error, range(len(images)))]) for net in networks),
    ]
    caption = (
        f"{len(images)} of {len(test)} test images, drawn at random with seed {seed}: the photo, the true normals "
        f"({source})" + "".join(f", {net.label}" for net in networks) + ". A normal's component to the right "
        "(x) is blue, the one up (y) is green and the one to the camera (z) is red: -1 is black, 1 is full colour. "
        "Pixels without a true normal are black."
    )
    drawn = [
        "; ".join([f"image {number}", *(f"{net.label} ({net.model}): {net.error(place)}" for net in networks)])
        for place, number in enumerate(numbers)
    ]
    write_figure(_drawing(columns), outputs, caption=caption, drawn=drawn, notes=notes)
    shown = [(column.title, [*map(_picture, column.pictures, column.captions)]) for column in columns]
    render("figure8.html.jinja", page, columns=shown, caption=caption, notes=notes, protocol=protocol)
    means = {f"mean/{net.model}": float(np.concatenate(net.errors).mean()) for net in networks}
    return {"images": float(len(images)), **means}


def _drawing(columns: Sequence[Column]) -> Figure:
    """The pictures in rows, one a image, below the columns' titles."""
    width = (WIDTH + GAP) / len(columns) - GAP  # inches of a picture
    pictures = [column.pictures for column in columns]
    height = width * pictures[0][0].shape[0] / pictures[0][0].shape[1]
    figure = new_figure(HEADER + len(pictures[0]) * (height + GAP) - GAP)
    for number, column in enumerate(columns):
        for row, picture in enumerate(column.pictures):
            axes = inches(figure, number * (width + GAP), HEADER + row * (height + GAP), width, height)
            axes.imshow(picture, interpolation="antialiased", aspect="auto")
            if row == 0:
                axes.set_title(column.title, pad=2.5)
    return figure


def _picture(pixels: np.ndarray, caption: str) -> Picture:
    return Picture(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=QUALITY), caption, "jpeg")
