"""Features of an image set: written to a file, or opened for those who use them."""

from collections.abc import Sequence
from pathlib import Path

from tracklearn.features import store
from tracklearn.features.windows import NO_BOXES, Source
from tracklearn.hdf5 import new_hdf5
from tracklearn.report import Report, silent
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.proposals_file import read_proposals


def open_features(
    *,
    voc: str | Path,
    year: int,
    weights: Sequence[str | Path],
    layer: str,
    stored: Sequence[str | Path] = (),
    proposals: Sequence[str | Path] = (),
    image_set: str | None = None,
    classes: Sequence[str] = CLASSES,
    ground_truth: bool = True,
    precision: str = "fp32",
    processes: int = 1,
    threads: int = 1,
) -> Source:
    """The features of an image set by one model or several, stored or computed.

    Args:
        weights: files of the networks.
        stored: files of `extract_features` for these networks, model after model, each model's in the order of the
            parts; without them the features are computed.
        proposals: files of `propose`; the images are those of these files.
        image_set: the images, where there are no proposals: only their ground-truth windows can be asked for.
        layer, ground_truth, precision, processes, threads: as in `ComputedFeatures`.

    Raises:
        UserError: as `ComputedFeatures` and `store.StoredFeatures`.
    """
    if stored:
        return store.StoredFeatures(stored, len(weights))
    from tracklearn.features.computed import ComputedFeatures  # noqa: PLC0415 (torch, which takes a second, is not needed above)

    photos = Voc(voc, year, classes=classes)
    boxes = dict.fromkeys(photos.images(image_set), NO_BOXES) if image_set else read_proposals(proposals)
    return ComputedFeatures(
        photos,
        boxes,
        weights=weights,
        layer=layer,
        ground_truth=ground_truth,
        precision=precision,
        processes=processes,
        threads=threads,
    )


def extract_features(*, source: Source, out: str | Path, report: Report = silent) -> dict[str, float]:
    """Write the features of every window of one model, as float16 (see `store.create`).

    Returns:
        Numbers of images, windows and ground-truth windows.

    Raises:
        UserError: as `source.windows`; no file is left.
    """
    windows, width = sum(map(len, source.boxes)), sum(source.widths)
    with new_hdf5(out, windows * (2 * width + 17)) as file:  # float16; a box of float32 and a truth value
        features = store.create(
            file,
            ids=source.ids,
            boxes=source.boxes,
            ground_truth=source.ground_truth,
            width=width,
            attrs={"weights": source.names[0]},
        )
        done = 0
        for batch in source.windows():
            features[done : done + len(batch.boxes)] = batch.features
            done += len(batch.boxes)
            report(done, {"windows": done})
    return {"images": len(source), "windows": done, "ground_truth": sum(source.ground_truth)}
