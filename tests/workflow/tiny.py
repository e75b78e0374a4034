"""The tiny experiment: a copy of the project with a tiny world, which runs from raw video to its tables in minutes."""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from checkout import Checkout, merged

COPIED = ("Snakefile", "config", "demo", "profiles", "src", "workflow")

WORLD = {"videos": 13, "train": 8, "val": 4, "tune": 4, "test": 8, "per_class": 4, "per_scene": 6, "rooms": 6}

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


def make_tiny_experiment(checkout: Checkout, repository: Path, changes: dict | None = None, **sizes: int) -> None:
    """Copy the project, make its tiny world, and configure it; `changes` and `sizes` make it smaller still."""
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
    options = [f"--{name.replace('_', '-')}={value}" for name, value in (WORLD | sizes).items()]
    subprocess.run([sys.executable, "demo/make_world.py", "--out", "demo/world", *options], cwd=root, check=True)
    add_broken_videos(root / "demo/world")
    config = root / "demo/config/config.yaml"
    settings = merged(merged(yaml.safe_load(config.read_text()), TINY), changes or {})
    config.write_text(yaml.safe_dump(settings))


def run_tiny_experiment(checkout: Checkout, repository: Path) -> None:
    """Copy the project, and run the tiny experiment in the copy."""
    make_tiny_experiment(checkout, repository)
    checkout.snakemake()
    # Nothing changes in the copy after the workflow's own sender has ended, for which this one waits.
    command = [sys.executable, "-m", "tracklearn.runs.sender", "send"]
    subprocess.run(command, cwd=checkout.root / "demo", check=True, timeout=300)
