"""A copy of the project with a tiny world, so that tests can edit code and run the whole workflow in seconds."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from checkout import Checkout, merged
from PIL import Image

COPIED = ("Snakefile", "config", "demo", "profiles", "src", "workflow")

TINY = {
    "videos": {"shard_size": 4},
    "network": {"width": 0.25, "input_size": 99, "ranking_fc7": 32, "detection_fc7": 64},
    "schedules": {
        "ranking-1.5M": {"lr": 0.01, "step": 5, "random_iterations": 3, "iterations": 3, "batch": 12},
        "ranking-5M": {"lr": 0.01, "step": 5, "random_iterations": 3, "iterations": 3, "batch": 12},
        "voc-200K": {"lr": 0.005, "step": 5, "iterations": 6, "batch": 16},
        "ilsvrc": {"lr": 0.005, "step": 5, "iterations": 6, "batch": 16},
        "rcnn-70K": {"lr": 0.005, "step": 5, "iterations": 6, "batch": 16},
        "normals": {"lr": 1e-5, "step": 5, "iterations": 6, "batch": 4},
    },
    "saving": {"log_every": 2},
    "voc": {"proposals": {"max_boxes": 40}},
    "detection": {"bootstrap": 50},
    "table1": [
        {"id": "scratch", "label": "scratch", "external": "0", "models": ["scratch-1"]},
        {"id": "unsup-ft-8M", "label": "unsup + ft", "external": "8M", "models": ["unsup-8M-ft"]},
        {"id": "unsup-ft-5M", "label": "unsup + ft", "external": "5M", "models": ["unsup-5M-ft"]},
        {"id": "both", "label": "two models", "models": ["scratch-1", "unsup-8M-ft"]},
        {"id": "rcnn-70K", "label": "RCNN 70K", "external": "", "models": ["rcnn-70K-1"]},
    ],
    "comparisons": [["unsup-ft-8M", "scratch"]],
    "evidence": None,
    "table2": [
        {"id": "scratch", "label": "scratch", "paper": "scratch", "models": ["normals-scratch"]},
        {"id": "unsup-8M", "label": "unsup + ft", "paper": "unsup + ft", "models": ["normals-unsup-8M"]},
        {"id": "mean-cells", "label": "mean normal of each cell", "method": "mean_cells"},
        {"id": "camera-axis", "label": "every surface faces the camera", "method": "camera_axis"},
        {"id": "words", "label": "the right word in every cell", "method": "words"},
    ],
    "normals": {"codebook": {"words": 6, "cells": 4, "sample": 50}, "bootstrap": 50},
    "section6": {
        "detection": [{"id": "pool5-8M", "label": "pool5 (8M)", "external": "8M", "models": ["unsup-8M"]}],
        "retrieval": [
            {"id": "random", "label": "random AlexNet", "models": ["random-1"]},
            {"id": "elda", "label": "ELDA on HOG", "method": "elda"},
            {"id": "unsup-8M", "label": "unsupervised (8M)", "external": "8M", "models": ["unsup-8M"]},
        ],
        "scenes": [
            {"id": "random", "label": "random AlexNet", "models": ["random-1"]},
            {"id": "gist", "label": "GIST + SVM", "method": "gist"},
        ],
    },
}


def add_broken_videos(world: Path) -> None:
    """Add broken files like those of a crawl to the clips: an empty file, a web page, and half of a video."""
    clip = (world / "videos/clip0000.mp4").read_bytes()
    broken = {"empty": b"", "page": b"<html>gone</html>", "half": clip[: len(clip) // 2]}
    with open(world / "videos.tsv", "a") as listed:
        for name, content in broken.items():
            (world / f"videos/{name}.mp4").write_bytes(content)
            listed.write(f"{name}\tworld/videos/{name}.mp4\n")


@pytest.fixture(scope="session")
def finished(tmp_path_factory, repository) -> Checkout:
    """A copy in which the tiny experiment has run from raw video to Table 1; processes that test at once share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    checkout = Checkout(shared / "checkout")
    with open(shared / "checkout.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "checkout.made").exists():
            run_tiny_experiment(checkout, repository)
            (shared / "checkout.made").touch()
    return checkout


def run_tiny_experiment(checkout: Checkout, repository: Path) -> None:
    """Copy the project, and run the tiny experiment in the copy."""
    root = checkout.root
    root.mkdir()
    # What numba compiled is copied too, which saves a minute of compiling; processes may write there at the same time.
    ignore = shutil.ignore_patterns("results", "world", ".snakemake", "*.pyc*", "*.tmp.*")
    for name in COPIED:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=ignore)
        else:
            shutil.copy(source, root / name)
    world = {"videos": 13, "train": 8, "val": 4, "tune": 4, "test": 8, "per-class": 4, "per-scene": 6, "rooms": 6}
    options = [f"--{name}={value}" for name, value in world.items()]
    subprocess.run([sys.executable, "demo/make_world.py", "--out", "demo/world", *options], cwd=root, check=True)
    add_broken_videos(root / "demo/world")
    config = root / "demo/config/config.yaml"
    config.write_text(yaml.safe_dump(merged(yaml.safe_load(config.read_text()), TINY)))
    checkout.snakemake()
    # Nothing changes in the copy after the workflow's own sender has ended, for which this one waits.
    subprocess.run([sys.executable, "-m", "tracklearn.runs.sender", "send"], cwd=root / "demo", check=True, timeout=300)


@pytest.fixture
def checkout(finished, tmp_path) -> Checkout:
    """A copy of the finished experiment for one test to edit."""
    root = tmp_path / "checkout"
    # copy2 keeps the modification times, by which Snakemake decides which files are up to date.
    shutil.copytree(finished.root, root, copy_function=shutil.copy2, symlinks=True)
    return Checkout(root)


@pytest.fixture
def published(checkout) -> dict:
    """The block `patches.import` for a new folder of four published pairs and their list, which make two shards."""
    folder = checkout.root / "demo/patches"
    folder.mkdir()
    lines = []
    for number in range(8):
        cells = np.random.default_rng(number).integers(0, 255, (9, 9, 3), np.uint8)
        Image.fromarray(cells).resize((99, 99)).save(folder / f"{number}.jpg")
        lines.append(f"{number}.jpg video{number // 2}")
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    return {"folder": "patches", "list": "patches/list.txt", "pairs_per_shard": 2}
