import json

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image
from worlds.films import texture

from tracklearn.errors import UserError
from tracklearn.patches.published import import_pairs
from tracklearn.patches.store import PatchStore


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "patches"
    folder.mkdir()
    for index in range(6):
        (folder / f"{index}.jpg").write_bytes(simplejpeg.encode_jpeg(texture(32, 32, index), 80))
    cv2.imwrite(str(folder / "big.png"), texture(64, 64, 9))
    (folder / "bad.jpg").write_bytes(b"nothing")
    return folder


def imported(folder, text, shard=0, pairs_per_shard=10):
    (folder / "list.txt").write_text(text)
    store = folder / f"{shard}.h5"
    metrics = import_pairs(
        folder=folder,
        pairs_list=folder / "list.txt",
        shard=shard,
        pairs_per_shard=pairs_per_shard,
        store=store,
        summary=folder / "s.json",
        packing={"size": 32},
    )
    return metrics, PatchStore(store)


def test_the_authors_list_becomes_shards(folder):
    text = "0.jpg 7\n/1.jpg 7\n2.jpg 7\n3.jpg 7\n4.jpg 8\n5.jpg 8\n"
    metrics, first = imported(folder, text, 0, 2)
    assert metrics == {"pairs": 2, "patches": 4, "videos": 1}
    assert first.verify() == 2
    assert first.jpeg(3).tobytes() == (folder / "3.jpg").read_bytes()
    assert first.frames.tolist() == [[-1, -1], [-1, -1]]
    metrics, second = imported(folder, text, 1, 2)
    assert metrics == {"pairs": 1, "patches": 2, "videos": 1}
    assert second.video_ids == ["8"]
    assert json.loads((folder / "s.json").read_text()) == {"pairs": 1, "patches": 2, "videos": 1, "reasons": {}}
    blank = "\n" + text.replace("2.jpg", "\n \n2.jpg") + "\n"
    assert imported(folder, blank, 1, 2)[1].video_ids == ["8"]
    with pytest.raises(UserError, match="line 5: a query without a tracked patch"):
        imported(folder, text.replace("5.jpg 8\n", ""), 1, 2)


def test_images_of_another_size_are_resized(folder):
    _, store = imported(folder, "0.jpg 1\nbig.png 1\n")
    expected = cv2.resize(cv2.imread(str(folder / "big.png"))[:, :, ::-1], (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(store.pair(0)[1].astype(int) - expected).mean() < 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.jpg 1\n1.jpg\n", "line 2: '1.jpg', expected `path label`"),
        ("0.jpg 1\n1.jpg 1\n9.jpg 2\n2.jpg 2\n", "line 3: no file"),
        ("0.jpg 1\n1.jpg 1\n2.jpg 2\n3.jpg 3\n", "line 4: label 3, expected 2 as in the line before"),
        ("0.jpg 1\n9.jpg 1\n2.jpg 2\n3.jpg 3\n", r"line 2: no file .* \(further bad lines: 4\)"),
        ("0.jpg 1\n1.jpg 1\n2.jpg 1\n", "line 3: a query without a tracked patch"),
        ("0.jpg 1\n\n\nbad.jpg 1\n", "line 4: .*bad.jpg is not a readable image"),
        (
            "0.jpg 1\nbad.jpg 1\n",
            r"line 2: [^;]*bad\.jpg is not a readable image \(cannot identify [^;]*\); remove both lines of the pair$",
        ),
    ],
)
def test_each_error_names_its_line(folder, text, message):
    with pytest.raises(UserError, match=message):
        imported(folder, text)


def test_patches_that_trainings_could_not_decode_are_encoded_again(folder):
    data = (folder / "0.jpg").read_bytes()
    (folder / "damaged.jpg").write_bytes(data[:-2] + b"\0\0\xff\xd9")
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(folder / "1.jpg") as image:
        image.save(folder / "turned.jpg", exif=exif, quality=95)
        upright = np.rot90(np.asarray(image), -1)
    _, store = imported(folder, "damaged.jpg 1\nturned.jpg 1\n")
    assert store.verify() == 1
    damaged, turned = store.pair(0)
    assert np.abs(damaged.astype(int) - simplejpeg.decode_jpeg(data)).mean() < 16
    assert np.abs(turned.astype(int) - upright).mean() < 16
