"""Masks of the objects of a video's first frame, propagated through the video, in the layout of DAVIS."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.files import names_by_stem
from tracklearn.frozen.overlap import boundary_f, region_j
from tracklearn.frozen.propagation import propagate
from tracklearn.machine.devices import own_device
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.weights import build, load_weights
from tracklearn.photos import opened_image, read_pixels
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.frozen import Frozen, MaskSet, Propagation
from tracklearn.settings.tables import CHANCE, TRUE_CELLS
from tracklearn.tables.bootstrap import image_draws, widened
from tracklearn.tables.cells import write_figures
from tracklearn.training.gpu import set_precision

VOID = 255  # DAVIS 2017 counts it as background; in DAVIS 2016 it is the one object


class Video(NamedTuple):
    """A sequence: its frames and their masks, in order."""

    name: str
    frames: list[Path]
    masks: list[Path]


def mask_set_figures(
    *,
    settings: Block,
    column: str,
    weights: str | Path,
    cell: str | Path,
    replicates: str | Path,
    runs: Any = (),
    report: Report = silent,
) -> dict[str, float]:
    """Propagate the masks of the first frame of each sequence by a network's features, and write the cell.

    J and F are means over all objects of their means over the frames but the first, which is given, and the last, as in
    DAVIS 2017's evaluation; J&F is the mean of both. All are in percent. The interval is over the sequences, each with
    all its objects; it is spread as `widened` says, because sequences are few. Two references have the same figures and
    draws, `chance.J` for one: `chance`, the first frame's masks if they stay where they are, and `true cells`, the
    masks of a network that knows the share of each object in each of the layer's cells.

    Args:
        settings: settings of `settings.frozen.Frozen`.
        column: entry of `masks`.
        weights: file of the network.
        cell, replicates: the files to write, as in `tables.cells.write_figures`.
        runs: ids of the runs that made the weights, written to the cell.

    Returns:
        The figures.

    Raises:
        UserError: as `videos_of`, `read_masks` and `networks.weights.build`; nothing is written.
    """
    frozen = Frozen.read(settings)
    videos = videos_of(frozen.masks[column], f"frozen.masks.{column}")
    device = own_device()
    net = build(weights).to(device)
    net.grid(frozen.propagation.layer, weights)
    scores: list[np.ndarray] = []
    references: dict[str, list[np.ndarray]] = {CHANCE: [], TRUE_CELLS: []}
    done = 0
    with set_precision(device, "fp32"), torch.inference_mode():
        for video in videos:
            truth = read_masks(video)
            scores.append(compared(predicted_masks(net, video, truth[0], frozen.propagation), truth))
            references[CHANCE].append(compared(repeat(truth[0], len(truth) - 2), truth))
            references[TRUE_CELLS].append(compared(on_cells(truth[1:-1], net, frozen.propagation), truth))
            done += len(video.frames)
            report(done, {"frames": float(done)})
    drawn = image_draws(len(videos), frozen.bootstrap)
    draws = figures(scores, drawn)
    for reference, of in references.items():
        draws |= {f"{reference}.{name}": figure for name, figure in figures(of, drawn).items()}
    values = _of_all(scores)
    write_figures(
        cell,
        replicates,
        values=values,
        draws={name: widened(figure, len(videos)) for name, figure in draws.items()},
        features=frozen.propagation.layer,
        folder=frozen.masks[column].folder,
        sequences={
            video.name: {
                "objects": len(of),
                "frames": len(video.frames),
                **_of_all([of]),
            }
            for video, of in zip(videos, scores, strict=True)
        },
        **{reference: _of_all(of) for reference, of in references.items()},
        learned_pairs=[load_weights(weights, tensors=False)[1].get("pairs")],
        runs=runs,
    )
    return values


def _of_all(scores: Sequence[np.ndarray]) -> dict[str, float]:
    """The figures of some sequences, each of which counts once."""
    return {name: float(figure[0]) for name, figure in figures(scores, np.ones((1, len(scores)))).items()}


def figures(scores: Sequence[np.ndarray], drawn: np.ndarray) -> dict[str, np.ndarray]:
    """J&F, J and F in percent for each of B weightings of the sequences, (B,) by name.

    Args:
        scores: of each of S sequences J and F of its objects in each frame, as `compared` gives them.
        drawn: (B, S), how often each sequence counts.
    """
    sums = np.array([100 * each.mean(axis=1).sum(axis=0) for each in scores])  # (S, 2)
    j, f = (drawn @ sums / (drawn @ [len(each) for each in scores])[:, None]).T
    return {"J&F": (j + f) / 2, "J": j, "F": f}


def videos_of(masks: MaskSet, where: str) -> list[Video]:
    """The sequences of a folder in DAVIS's layout.

    Args:
        where: place of the settings, for the errors.

    Raises:
        UserError: no such folder or sequence, a frame without a mask, or fewer than three frames.
    """
    images, annotations = (Path(masks.folder, kind, masks.resolution) for kind in ("JPEGImages", "Annotations"))
    for folder in (images, annotations):
        if not folder.is_dir():
            raise UserError(f"{where}: {folder}: no such folder; expected the layout of DAVIS")
    names = masks.sequences or sorted(path.name for path in images.iterdir() if path.is_dir())
    videos = []
    for name in names:
        frames, own = names_by_stem(images / name), names_by_stem(annotations / name)
        if len(frames) < 3:
            raise UserError(f"{where}: {images / name}: {len(frames)} frames; expected at least 3")
        if missing := sorted(frames.keys() - own.keys()):
            raise UserError(
                f"{where}: {annotations / name}: no mask {missing[0]}.png ({len(missing)} of {len(frames)} frames lack "
                "theirs); add them, or leave the sequence out by `sequences`"
            )
        stems = sorted(frames)
        videos.append(
            Video(
                name,
                [images / name / frames[stem] for stem in stems],
                [annotations / name / own[stem] for stem in stems],
            )
        )
    if not videos:
        raise UserError(f"{where}: {images}: no sequence in it; expected a folder of frames for each")
    return videos


def read_masks(video: Video) -> np.ndarray:
    """The object of each pixel, (T, H, W) uint8: 0 is the background, and objects count from 1.

    Where all masks are 0 and 255, as in DAVIS 2016, 255 is object 1. Elsewhere a value is an object, as in DAVIS 2017,
    and 255 is background. The objects of the first frame are counted in the order of their values, which may have gaps;
    objects that appear later are background.

    Raises:
        UserError: a mask in colours or of another size, or a first frame without an object.
    """
    read = []
    for path in video.masks:
        with opened_image(path) as image:
            if image.mode not in ("1", "L", "P"):
                raise UserError(f"{path}: a mask of mode {image.mode}; expected one value a pixel, the object's number")
            read.append(np.asarray(image).astype(np.uint8) * (VOID if image.mode == "1" else 1))
    if differing := [path for path, mask in zip(video.masks, read, strict=True) if mask.shape != read[0].shape]:
        raise UserError(f"{differing[0]}: a mask of another size than the first mask of {video.name}")
    masks = np.stack(read)
    masks[masks == VOID] = 1 if ((masks == 0) | (masks == VOID)).all() else 0
    if not masks[0].any():
        raise UserError(f"{video.masks[0]}: no object in the first frame, so none can be propagated; leave it out")
    objects = np.setdiff1d(masks[0], 0)
    count_of = np.zeros(256, np.uint8)
    count_of[objects] = np.arange(1, len(objects) + 1)
    return count_of[masks]


def compared(found: Iterable[np.ndarray], truth: np.ndarray) -> np.ndarray:
    """J and F of each object of the first frame in each frame but the first and the last: (O, T - 2, 2).

    Args:
        found: the objects (H, W) of these frames.
        truth: those of all frames, as `read_masks` gives them.
    """
    labels = range(1, truth[0].max() + 1)
    scores = [
        [(region_j(mask == label, true == label), boundary_f(mask == label, true == label)) for label in labels]
        for mask, true in zip(found, truth[1:-1], strict=True)
    ]
    return np.array(scores).transpose(1, 0, 2)


def predicted_masks(net: Backbone, video: Video, first: np.ndarray, settings: Propagation) -> Iterator[np.ndarray]:
    """The objects (H, W) of all frames but the first and the last, from those of the first."""
    device = next(net.parameters()).device
    stride = net.grids[settings.layer].stride
    rows, columns = cells_of(first.shape, net, settings)

    def features(path: Path) -> Tensor:
        resized = Image.fromarray(read_pixels(path)).resize(
            (columns * stride, rows * stride), Image.Resampling.BILINEAR
        )
        return net.cell_features(torch.from_numpy(np.array(resized))[None].to(device), settings.layer)[0]

    shares = shares_of(first, rows, columns).to(device)
    for carried in propagate(map(features, video.frames[:-1]), shares, settings):
        yield whole_mask(carried, first.shape)


def on_cells(masks: Iterable[np.ndarray], net: Backbone, settings: Propagation) -> Iterator[np.ndarray]:
    """Masks (H, W), averaged over the cells of a layer and brought back to their size."""
    for mask in masks:
        yield whole_mask(shares_of(mask, *cells_of(mask.shape, net, settings)), mask.shape)


def shares_of(mask: np.ndarray, rows: int, columns: int) -> Tensor:
    """The share of each object, the background first, in each cell of a mask (H, W): (1 + O, rows, columns)."""
    shares = F.one_hot(torch.from_numpy(mask).long()).permute(2, 0, 1).float()
    return F.interpolate(shares[None], size=(rows, columns), mode="area")[0]


def whole_mask(shares: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """The object (H, W) of the largest share at each pixel, from shares (1 + O, rows, columns)."""
    full = F.interpolate(shares[None], size=size, mode="bilinear", align_corners=False)[0]
    return full.max(dim=0).indices.cpu().numpy()  # as argmax(dim=0), which takes ten times as long


def cells_of(size: tuple[int, ...], net: Backbone, settings: Propagation) -> tuple[int, int]:
    """Rows and columns of a layer's cells in a frame of a size (H, W), whose shorter side becomes about `side`."""
    scale = settings.side / min(size) / net.grids[settings.layer].stride
    rows, columns = (max(1, round(length * scale)) for length in size)
    return rows, columns
