"""Retrieval without fine-tuning: do the windows nearest to an object show its class? (PAPER §6.1)"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from tracklearn.features.windows import Source
from tracklearn.report import Report, silent
from tracklearn.retrieval.labelled import LabelledWindows, queries_and_database
from tracklearn.retrieval.neighbours import AT_ONCE, nearest_by_cosine, to_unit_length
from tracklearn.retrieval.outcome import Outputs, write_outcome
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.window_labels import OVERLAP


def precision_at_k(
    *,
    voc: str | Path,
    year: int,
    queries: Source,
    database: Source,
    k: int,
    classes: Sequence[str] = CLASSES,
    overlap: float = OVERLAP,
    report: Report = silent,
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Find the `k` database windows nearest to each query by cosine, and count those of the query's class.

    Queries are the ground-truth windows of the evaluation images, difficult ones too. The database holds the proposals
    of the training images whose IoU with an object exceeds `overlap`; such a window has the class of the object with
    the largest IoU. No other window is read or computed, and none is stored: the features of the queries stay in memory
    (580 MB for VOC 2012's 15,800 queries and pool5), and the database streams past them.

    Args:
        queries, database: features of one model for the evaluation and for the training images.
        outputs: see `outcome.Outputs`.

    Returns:
        The figures, and the numbers of queries and windows.

    Raises:
        UserError: no query, fewer than `k` windows, an image in both sets, or features that do not belong to the
            annotations.
    """
    photos = Voc(voc, year, classes=classes)
    proposals = {
        image_id: boxes[known:]
        for image_id, boxes, known in zip(database.ids, database.boxes, database.ground_truth, strict=True)
    }
    asking, answering = queries_and_database(
        photos, queries.ids, queries.annotated_objects(photos), proposals, k=k, overlap=overlap
    )
    neighbours, cosines = nearest_by_cosine(
        _query_features(queries, asking), _blocks(database, answering), k=k, report=report
    )
    return write_outcome(asking, answering, neighbours, cosines, classes=classes, **outputs)


def _query_features(source: Source, queries: LabelledWindows) -> np.ndarray:
    """Features (Q, D) float32 of length 1."""
    features = np.empty((len(queries), sum(source.widths)), np.float32)
    done = 0
    for windows in source.windows(queries.rows_by_image()):
        features[done : done + len(windows.features)] = windows.features
        done += len(windows.features)
    return to_unit_length(features)


def _blocks(source: Source, database: LabelledWindows) -> Iterator[np.ndarray]:
    """Features (n, D) float32 of length 1 of the database, `AT_ONCE` windows at a time.

    Blocks are filled across images, so that they do not depend on the parts in which features are stored.
    """
    rows = [known + own for known, own in zip(source.ground_truth, database.rows_by_image(), strict=True)]
    waiting: list[np.ndarray] = []
    for windows in source.windows(rows):
        waiting.append(windows.features)
        while sum(map(len, waiting)) >= AT_ONCE:
            together = np.concatenate(waiting)
            waiting = [together[AT_ONCE:]]
            yield to_unit_length(together[:AT_ONCE])
    if sum(map(len, waiting)):
        yield to_unit_length(np.concatenate(waiting))
