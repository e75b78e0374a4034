"""Make data/ of the rehearsal: as many videos, photos and rooms as the paper's experiment has, with tiny contents.

    python examples/rehearsal/prepare.py 1000 1     shards of 100 videos; share of the photos and rooms

Videos are copies, because two names of one file are one video. Photos are further names of a few files.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.io import savemat

from tracklearn.normals.camera import KINECT
from tracklearn.normals.nyuv2_writing import Frame, write_nyuv2
from tracklearn.settings.normals import LABELED, SPLITS
from tracklearn.voc.image_sets import CLASSES

HERE = Path(__file__).parent
SHARD, LIVING = 100, 67  # videos of a shard; of the paper's 100K addresses, two thirds still have a video
SIDES, FRAMES = (96, 128), 14  # of a clip
VOC = {"train": 5717, "val": 5823}
SCENES, SCENE_PHOTOS = 67, {"TrainImages.txt": 80, "TestImages.txt": 20}  # photos of a category
IMAGENET = 1000, 10  # classes, and photos of each
ROOMS = {"trainNdxs": 795, "testNdxs": 654}
ANNOTATION = "<annotation><size><width>128</width><height>96</height></size>{}</annotation>"
OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>9</ymin><xmax>{}</xmax><ymax>88</ymax></bndbox>"
    "<difficult>0</difficult></object>"
)


def main(shards: int = 1000, share: float = 1) -> None:
    """Write the list and the videos, VOCdevkit, indoor67, imagenet and nyuv2 into data/ beside this file."""
    data = HERE / "data"
    recipe = f"{shards} shards, share {share}\n{Path(__file__).read_text()}"
    if (data / "made").exists() and (data / "made").read_text() == recipe:
        return
    shutil.rmtree(data, ignore_errors=True)
    photos = data / "photos"
    photos.mkdir(parents=True)
    for number in range(SCENES):
        photo = cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR)
        (photos / f"{number}.jpg").write_bytes(cv2.imencode(".jpg", photo)[1].tobytes())
    write_videos(data, shards)
    write_voc(data / "VOCdevkit/VOC2012", photos, scaled(VOC, share))
    write_scenes(data / "indoor67", photos, scaled(SCENE_PHOTOS, share))
    for number in range(IMAGENET[0]):
        link(photos, data / f"imagenet/train/n{number:08d}", IMAGENET[1], first=number)
    # Each view shows one normal, and the codebook has 20 words.
    write_rooms(data / "nyuv2", scaled(ROOMS, max(share, 0.05)))
    (data / "made").write_text(recipe)


def write_videos(data: Path, shards: int) -> None:
    """Write a copy of each clip for each shard, and a list in which a third of the videos is gone."""
    clips = [encoded(data / "clip.mp4", film(number)) for number in range(LIVING)]
    lines = ["video_id\tsource"]
    for shard in range(shards):
        folder = data / f"videos/{shard:05d}"
        folder.mkdir(parents=True)
        for number in range(SHARD):
            name = f"{shard:05d}-{number:02d}"
            lines.append(f"{name}\tdata/videos/{shard:05d}/{name}.mp4")
            if number < LIVING:
                (folder / f"{name}.mp4").write_bytes(clips[number])
    (data / "videos.tsv").write_text("\n".join(lines) + "\n")


def film(seed: int) -> Iterator[np.ndarray]:
    """Frames, uint8 RGB (H, W, 3), of a square that moves over half of the background."""
    background, square = picture(2 * seed), picture(2 * seed + 1)[:74, :74]
    for number in range(FRAMES):
        frame = background.copy()
        frame[4 + number : 78 + number, 20 + 2 * number : 94 + 2 * number] = square
        yield frame


def encoded(path: Path, frames: Iterator[np.ndarray]) -> bytes:
    """The bytes of an mp4 file of frames; it is made at `path` and removed."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "30"})
        stream.height, stream.width, stream.pix_fmt = *SIDES, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    path.unlink()
    return content


def scaled(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """A share of each count, but at least 4."""
    return {name: max(4, round(count * share)) for name, count in counts.items()}


def write_voc(folder: Path, photos: Path, counts: Mapping[str, int]) -> None:
    """Write VOC2012's train and val; each photo shows an object of one class and one of the next."""
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    annotations = folder.parent / "annotations"
    annotations.mkdir()
    for number, name in enumerate(CLASSES):
        objects = OBJECT.format(name, 6, 66) + OBJECT.format(CLASSES[number - 1], 60, 124)
        (annotations / f"{number}.xml").write_text(ANNOTATION.format(objects))
    for image_set, count in counts.items():
        ids = [f"2012_{image_set}{number:05d}" for number in range(count)]
        (folder / f"ImageSets/Main/{image_set}.txt").write_text("\n".join(ids) + "\n")
        for number, image_id in enumerate(ids):
            (folder / f"JPEGImages/{image_id}.jpg").hardlink_to(photos / f"{number % SCENES}.jpg")
            (folder / f"Annotations/{image_id}.xml").hardlink_to(annotations / f"{number % len(CLASSES)}.xml")


def write_scenes(folder: Path, photos: Path, counts: Mapping[str, int]) -> None:
    """Write MIT Indoor-67's categories and its two lists; a category's photos are one photo."""
    names: dict[str, list[str]] = {name: [] for name in counts}
    for number in range(SCENES):
        category = f"category{number:02d}"
        listed = link(photos, folder / "Images" / category, sum(counts.values()), first=number, step=0)
        for name, count in counts.items():
            names[name] += [f"{category}/{photo}" for photo in listed[:count]]
            del listed[:count]
    for name, paths in names.items():
        (folder / name).write_text("\n".join(paths) + "\n")


def link(photos: Path, folder: Path, count: int, *, first: int, step: int = 1) -> list[str]:
    """Give photos from number `first` on further names in a folder; return these names."""
    folder.mkdir(parents=True)
    names = [f"{number:04d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).hardlink_to(photos / f"{(first + step * number) % SCENES}.jpg")
    return names


def write_rooms(folder: Path, counts: Mapping[str, int]) -> None:
    """Write NYUv2's file and its split."""
    folder.mkdir()
    rooms = sum(counts.values())
    write_nyuv2(folder / LABELED, views(rooms), rooms)
    train, test = np.split(np.random.default_rng(0).permutation(rooms) + 1, [counts["trainNdxs"]])
    savemat(folder / SPLITS, {"trainNdxs": np.sort(train)[:, None], "testNdxs": np.sort(test)[:, None]})


def views(count: int) -> Iterator[Frame]:
    """Photos and depths of a wall that the camera sees at `count` angles."""
    camera = KINECT.at(80, 60)
    rays = camera.rays().reshape(60, 80, 3)
    for turn in np.random.default_rng(1).uniform(-0.5, 0.5, (count, 2)):
        normal = np.array([*turn, 1.0]) / np.linalg.norm([*turn, 1.0])
        depth = (2.5 / np.abs(rays @ normal)).clip(0.5, 9).astype(np.float32)
        photo = cv2.resize(picture(int(1000 * (turn[0] + 1))), (80, 60))
        yield Frame(photo, depth, depth)


def picture(seed: int, sides: Sequence[int] = SIDES) -> np.ndarray:
    """Smooth colour noise with many corners, uint8 RGB (H, W, 3)."""
    noise = np.random.default_rng([5, seed]).integers(0, 256, (sides[0] // 6, sides[1] // 6, 3), np.uint8)
    return cv2.resize(noise, sides[::-1], interpolation=cv2.INTER_CUBIC)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:]))
