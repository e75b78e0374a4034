"""Features computed where they are needed: photos to windows to networks, nothing on disk."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.features.windows import NO_BOXES, Rows, Source
from tracklearn.machine.devices import own_device
from tracklearn.networks.backbone import Backbone, Layer
from tracklearn.networks.weights import build
from tracklearn.settings.tables import Layer as FeatureLayer
from tracklearn.training.feed import feed
from tracklearn.training.gpu import set_precision
from tracklearn.training.prefetch import prefetch
from tracklearn.voc.annotations import Voc
from tracklearn.voc.warp import placements, warp_placed, warp_placed_on_device

LAYERS = get_args(FeatureLayer)
BATCH = {"cpu": 256, "cuda": 1024}  # windows of one forward pass
GROUP = 8  # a process is given whole images with about this many batches of windows
AHEAD = 2  # a GPU works on up to this many batches while the CPU takes the features of an earlier one

Block = tuple[np.ndarray, ...]
"""Features (n, D) float16 of some windows by each model."""


class ComputedFeatures(Source):
    """Features of the windows of photos by one network or several.

    A photo is decoded once for all networks, and a window is warped once for all networks of one input size and mean.

    Args:
        photos: the photos, and their annotations if `ground_truth`.
        proposals: boxes (N, 4) of each image, by image id.
        weights: files of the networks.
        layer: one of `LAYERS`.
        ground_truth: whether the annotated boxes, difficult ones too, come before the proposals of their image.
        precision: how the networks compute, as in a schedule: "fp32", "tf32" (on a GPU) or "bf16".
        context: pixels around each warped box; by default 16 at input size 227 and in proportion at other sizes.
        batch: windows of one forward pass; by default as in `BATCH`.
        processes: processes that compute; each has its own GPU if there are any. They change the features by one step
            of float16 at most.
        threads: of all processes together.

    Raises:
        UserError: an unknown layer, or unreadable weights or annotations.
    """

    def __init__(
        self,
        photos: Voc,
        proposals: Mapping[str, np.ndarray],
        *,
        weights: Sequence[str | Path],
        layer: str,
        ground_truth: bool = True,
        precision: str = "fp32",
        context: int | None = None,
        batch: int | None = None,
        processes: int = 1,
        threads: int = 1,
    ) -> None:
        if layer not in LAYERS:
            raise UserError(f"layer is {layer!r}; expected one of {', '.join(LAYERS)}")
        nets = [build(path) for path in weights]
        known = [photos.objects(image_id).boxes if ground_truth else NO_BOXES for image_id in proposals]
        super().__init__(
            ids=list(proposals),
            boxes=[np.concatenate(both) for both in zip(known, proposals.values(), strict=True)],
            ground_truth=[len(boxes) for boxes in known],
            names=[str(path) for path in weights],
            widths=[net.layer_width(layer, path) for net, path in zip(nets, weights, strict=True)],
        )
        self.processes = processes
        self._batch = batch or BATCH["cuda" if torch.cuda.is_available() else "cpu"]
        self.extractor = Extractor(
            photos,
            nets if processes == 1 else [],
            cast(Layer, layer),
            precision=precision,
            context=context,
            batch=self._batch,
            threads=max(1, threads // processes),
        )

    def _features(self, rows: Rows) -> Generator[Sequence[np.ndarray]]:
        wanted = [image for image, own in enumerate(rows) if len(own)]
        tasks = [(self.ids[image], self.boxes[image][rows[image]]) for image in wanted]
        computed = self._in_one_process(tasks) if self.processes == 1 else self._in_processes(tasks)
        with closing(computed):
            for own in rows:
                yield next(computed) if len(own) else [np.zeros((0, width), np.float16) for width in self.widths]

    def _in_one_process(self, tasks: Sequence["Task"]) -> Generator[Block]:
        """On a thread of its own, so that the networks compute while the consumer works."""
        with closing(self.extractor(tasks)) as blocks:
            yield from prefetch(lambda _: next(blocks), 0, len(tasks), begin=self.extractor.begin)

    def _in_processes(self, tasks: Sequence["Task"]) -> Generator[Block]:
        """Groups of images in turn; at most two groups a process are under way or wait."""
        groups = _groups(tasks, GROUP * self._batch)
        pool = ProcessPoolExecutor(
            self.processes, get_context("spawn"), initializer=_open, initargs=(self.extractor, self.names)
        )
        waiting = deque(pool.submit(_compute, group) for group in groups[: 2 * self.processes])
        try:
            for following in range(len(waiting), len(groups) + len(waiting)):
                blocks = waiting.popleft().result()
                if following < len(groups):
                    waiting.append(pool.submit(_compute, groups[following]))
                yield from blocks
        except BrokenProcessPool as error:
            raise UserError(
                "features: a process was killed, as the system does when memory runs out; lower features.processes"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


Task = tuple[str, np.ndarray]
"""An image id, and the boxes (n, 4), at least one, whose features are wanted."""


@dataclass
class Extractor:
    """The loop from photos to features, with its networks on this process's device."""

    photos: Voc
    nets: Sequence[Backbone]
    layer: Layer
    precision: str = "fp32"
    context: int | None = None
    batch: int = BATCH["cpu"]
    threads: int = 1
    device: torch.device = field(default_factory=partial(torch.device, "cpu"))
    waited: float = 0.0  # seconds for which the device had no photo to compute with

    def begin(self) -> None:
        """Prepare the thread that computes."""
        self.device = own_device()
        if self.device.type == "cpu":
            torch.set_num_threads(self.threads)
        else:
            torch.cuda.set_device(self.device)  # each thread has a current device
        self.nets = [net.to(self.device) for net in self.nets]

    def __call__(self, tasks: Sequence[Task]) -> Generator[Block]:
        """Yield the features of each task."""
        with set_precision(self.device, self.precision):
            rest: Block = ()
            blocks = self._blocks(tasks)
            for _, boxes in tasks:
                parts, missing = [], len(boxes)
                while missing:
                    if not rest or not len(rest[0]):
                        rest = next(blocks)
                    parts.append(tuple(values[:missing] for values in rest))
                    rest = tuple(values[missing:] for values in rest)
                    missing -= len(parts[-1][0])
                yield tuple(np.concatenate(model) for model in zip(*parts, strict=True))

    def _blocks(self, tasks: Sequence[Task]) -> Iterator[Block]:
        """The features of all windows in order, `batch` windows at a time whatever photos they are of."""
        under_way: deque[Callable[[], Block]] = deque()
        for windows in self._batches(tasks):
            under_way.append(self._start(windows))
            if len(under_way) > (AHEAD if self.device.type == "cuda" else 0):
                yield under_way.popleft()()
        while under_way:
            yield under_way.popleft()()

    def _batches(self, tasks: Sequence[Task]) -> Iterator[list[Tensor]]:
        """Warped windows (n, S, S, 3) uint8 on the device for each window format, `batch` at a time."""
        formats = self._window_formats()
        pieces: list[list[Tensor]] = [[] for _ in formats]
        room = self.batch
        photos = feed(lambda image: self._load(tasks[image]), self.device, 0, len(tasks), threads=self.threads)
        try:
            for _, boxes in tasks:
                photo, *places = next(photos)
                start = 0
                while start < len(boxes):
                    chunk = slice(start, start + room)
                    for index, (piece, (size, colour)) in enumerate(zip(pieces, formats, strict=True)):
                        piece.append(self._warp(photo, places[index][chunk], size, colour))
                    room -= len(boxes[chunk])
                    start = chunk.stop
                    if room == 0:
                        yield [torch.cat(piece) for piece in pieces]
                        pieces, room = [[] for _ in formats], self.batch
            if room < self.batch:
                yield [torch.cat(piece) for piece in pieces]
            self.waited += photos.waited()
        finally:
            photos.close()

    def _window_formats(self) -> list[tuple[int, tuple[int, ...]]]:
        """The different (input size, RGB colour outside the photo) of the networks."""
        return list(dict.fromkeys(map(_window_format, self.nets)))

    def _load(self, task: Task) -> tuple[Tensor, ...]:
        """A photo (H, W, 3) and the placements of its windows at each window format's size."""
        image_id, boxes = task
        photo = self.photos.image(image_id)
        places = (placements(boxes, photo.shape, size=size, context=self.context) for size, _ in self._window_formats())
        return torch.from_numpy(photo), *map(torch.from_numpy, places)

    def _warp(self, photo: Tensor, places: Tensor, size: int, colour: tuple[int, ...]) -> Tensor:
        if self.device.type == "cuda":
            return warp_placed_on_device(photo, places, mean=colour, size=size)
        return torch.from_numpy(warp_placed(photo.numpy(), places.numpy(), mean=colour, size=size))

    @torch.inference_mode()
    def _start(self, windows: Sequence[Tensor]) -> Callable[[], Block]:
        """Give the device a batch; the returned function waits for its features by each model."""
        formats = self._window_formats()
        results = []
        for net in self.nets:
            images = windows[formats.index(_window_format(net))]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                features = net.features(images, self.layer)
            results.append(features.half())
        if self.device.type == "cpu":
            return lambda: tuple(result.numpy() for result in results)
        on_host = [torch.empty(result.shape, dtype=result.dtype, pin_memory=True) for result in results]
        for host, result in zip(on_host, results, strict=True):
            host.copy_(result, non_blocking=True)
        copied = torch.cuda.current_stream(self.device).record_event()

        def wait() -> Block:
            copied.synchronize()
            return tuple(host.numpy() for host in on_host)

        return wait


def _window_format(net: Backbone) -> tuple[int, tuple[int, ...]]:
    """A network's input size and its mean, RGB, as `warp` rounds it: what a warped window depends on."""
    return net.input_size, tuple(int(value) for value in np.rint(net.mean_bgr[::-1]))


def _groups(tasks: Sequence[Task], windows: int) -> list[list[Task]]:
    """Join consecutive tasks into groups of at most `windows` windows; a task with more is a group of its own."""
    groups: list[list[Task]] = []
    room = 0
    for task in tasks:
        if len(task[1]) > room:
            groups.append([])
            room = windows
        groups[-1].append(task)
        room -= len(task[1])
    return groups


_process: dict[str, Any] = {}  # the extractor of a process of the pool


def _open(extractor: Extractor, weights: Sequence[str]) -> None:
    """Begin a process of the pool."""
    extractor.nets = [build(path) for path in weights]
    extractor.begin()
    _process["extractor"] = extractor


def _compute(group: Sequence[Task]) -> list[Block]:
    """The features of a group, in a process of the pool."""
    return list(_process["extractor"](group))
