import shutil

import numpy as np
import pytest
from PIL import Image

from tracklearn.errors import UserError
from tracklearn.networks.weights import load_weights
from tracklearn.supervised import train
from tracklearn.supervised.train import FolderBatches, read_image, train_imagenet
from tracklearn.training import job
from tracklearn.training.cache import ImageCache

NETWORK = {"width": 1 / 8, "input_size": 67, "detection_fc7": 64, "conv_std": 0.05, "fc_std": 0.03, "bias": 0.0}
COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for index in range(8):
            noisy = np.clip(rng.normal(colour, 20, (67, 67, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(root / name / f"{index}.png")
    return root


def test_training_learns_three_colours(tmp_path, folder):
    metrics = train_imagenet(
        folder=folder,
        network=NETWORK,
        schedule={"lr": 0.003, "iterations": 60, "batch": 12},
        saving={"log_every": 10},
        seed=1,
        weights=tmp_path / "weights.safetensors",
        log=tmp_path / "log.csv",
        checkpoints=tmp_path / "checkpoints",
        conv1=tmp_path / "conv1.png",
        threads=1,
    )
    assert metrics["accuracy"] > 0.9
    state, metadata = load_weights(tmp_path / "weights.safetensors")
    assert metadata["classes"] == ["blue", "green", "red"]
    assert state["fc8.weight"].shape == (3, 64)
    assert (tmp_path / "log.csv").read_text().startswith("iteration,loss,lr,accuracy,images_per_s,waiting\n10,")


def test_equal_seeds_give_equal_weights_whatever_is_cached_and_saved(tmp_path, folder, monkeypatch):
    written = []
    for name, seed, limit, every in (("a", 1, 8e9, 20), ("b", 1, 0, 1), ("c", 2, 8e9, 20)):
        monkeypatch.setattr(train, "DECODED_IMAGES_BYTES", limit)
        train_imagenet(
            folder=folder,
            network=NETWORK,
            schedule={"lr": 0.003, "iterations": 4, "batch": 12},
            saving={"checkpoint_every": every, "log_every": every},
            seed=seed,
            weights=tmp_path / name / "weights.safetensors",
            log=tmp_path / name / "log.csv",
            checkpoints=tmp_path / name / "checkpoints",
            conv1=tmp_path / name / "conv1.png",
            threads=1,
        )
        written.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert written[0] == written[1] != written[2]


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, folder, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    arguments = {
        "folder": folder,
        "network": NETWORK,
        "schedule": {"lr": 0.003, "iterations": 2, "batch": 12},
        "seed": 1,
        "weights": tmp_path / "weights.safetensors",
        "log": tmp_path / "log.csv",
        "checkpoints": tmp_path / "checkpoints",
        "conv1": tmp_path / "conv1.png",
        "threads": 1,
    }
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(job, "save_weights", killed)
        train_imagenet(**arguments)
    renamed = tmp_path / "renamed"
    shutil.copytree(folder, renamed)
    (renamed / "red" / "7.png").rename(renamed / "red" / "8.png")
    for changes, difference in (
        ({"schedule": arguments["schedule"] | {"dropout": 0.2}}, "schedule.dropout 0.5, and this training has 0.2"),
        ({"folder": renamed}, 'files "[0-9a-f]{64}", and this training has "[0-9a-f]{64}"'),
    ):
        remedy = f"set {difference.split()[0]} back to "
        line = f"^{tmp_path / 'checkpoints'}: the checkpoint was made with {difference}; {remedy}"
        with pytest.raises(UserError, match=line):
            train_imagenet(**arguments | changes)
    shutil.copytree(folder, tmp_path / "moved")
    train_imagenet(**arguments | {"folder": tmp_path / "moved"})


def test_the_remedy_for_a_missing_folder_names_imagenet(tmp_path):
    with pytest.raises(UserError, match=r"no ImageFolder there; put ILSVRC 2012's training images there"):
        train_imagenet(
            folder=tmp_path / "none",
            schedule={"lr": 0.003, "iterations": 2, "batch": 12},
            seed=1,
            weights=tmp_path / "weights.safetensors",
            log=tmp_path / "log.csv",
            checkpoints=tmp_path / "checkpoints",
            conv1=tmp_path / "conv1.png",
        )


def test_larger_images_leave_room_for_a_crop(tmp_path):
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "large.png")
    Image.fromarray(ramp[:50, :60]).save(tmp_path / "small.png")
    large = read_image(str(tmp_path / "large.png"), size=67)
    assert large.shape == (76, 76, 3)  # 67 * 256 / 227
    assert np.diff(large[0, :, 0].astype(int)).min() >= 0
    assert large[0, -1, 0] - large[0, 0, 0] > 190  # resized as a whole, not cropped
    assert read_image(str(tmp_path / "small.png"), size=67).shape == (67, 67, 3)


def test_a_broken_image_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"broken.jpg: cannot be decoded"):
        read_image(str(tmp_path / "broken.jpg"), size=67)


def test_crops_are_drawn_within_the_image(tmp_path):
    image = np.arange(70 * 70, dtype=np.int64).reshape(70, 70, 1).repeat(3, 2).astype(np.uint8)
    files = [tmp_path / "one.png"]
    cache = ImageCache(lambda path: image, limit=1e9)
    batches = FolderBatches(files, np.array([5]), cache, 50, 67, seed=1)
    images, labels = batches(0)
    assert labels.tolist() == [5] * 50
    possible = {
        np.ascontiguousarray(crop).tobytes(): (top, left)
        for top in range(4)
        for left in range(4)
        for crop in (image[top : top + 67, left : left + 67], image[top : top + 67, left : left + 67][:, ::-1])
    }
    corners = {possible[crop.tobytes()] for crop in images.numpy()}
    assert {top for top, _ in corners} == {left for _, left in corners} == {0, 1, 2, 3}
    assert (batches(0)[0] == images).all()
