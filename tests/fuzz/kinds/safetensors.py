"""Weights of networks: of CaffeNets and of networks of surface normals."""

import json
import struct
from pathlib import Path
from random import Random

import torch

import tracklearn
from fuzz import mutations
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.of_normals import NormalsNet
from tracklearn.networks.weights import build, load_weights, save_weights, transfer
from tracklearn.normals.network import load_normals_net

SHAPE = {"width": 1 / 32, "input_size": 67}
CELLS, WORDS = 4, 5


def header(data: bytes, rng: Random) -> bytes:
    """The header of a safetensors file, a length and JSON, changes: shapes, offsets, metadata, or the length alone."""
    (length,) = struct.unpack("<Q", data[:8].ljust(8, b"\0"))
    text, tensors = data[8 : 8 + length], data[8 + length :]
    changed = mutations.mutated(text, rng, (mutations.number_in_text,) * 3) if rng.random() < 0.5 else _entry(text, rng)
    length = rng.choice((*mutations.EXTREMES, length, len(text) // 2)) if rng.random() < 0.3 else len(changed)
    return struct.pack("<Q", length % 2**64) + changed + tensors


def _entry(text: bytes, rng: Random) -> bytes:
    """One value anywhere in the JSON becomes another."""
    try:
        whole = json.loads(text)
        for key, value in whole.get("__metadata__", {}).items():
            whole["__metadata__"][key] = json.loads(value)
        place = whole
        while True:
            key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
            if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.2:
                break
            place = place[key]
        place[key] = rng.choice(
            (
                None,
                True,
                -1,
                0,
                1.5,
                2**31,
                2**70,
                1e308,
                float("nan"),
                "text",
                "é\0",
                [],
                [1, 2],
                {},
                {"a": 1},
                [2**40] * 4,
            )
        )
        metadata = whole.get("__metadata__")
        if isinstance(metadata, dict):
            for key, value in metadata.items():
                metadata[key] = json.dumps(value)
        return json.dumps(whole).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):  # damaged by a mutation before
        return text


EDITS = {".safetensors": [header]}


def write_samples(folder: Path) -> None:
    torch.set_num_threads(1)
    save_weights(
        folder / "net.safetensors", CaffeNet(fc7=8, outputs=3, seed=1, **SHAPE), metadata={"training": "ranking"}
    )
    normals = NormalsNet(cells=CELLS, words=WORDS, mean_bgr=(1, 2, 3), **SHAPE)
    metadata = {"training": "normals", "cells": CELLS, "words": WORDS}
    save_weights(folder / "normals.safetensors", normals, metadata=metadata)


def mutated(folder: Path) -> list[str]:
    return ["net.safetensors", "net.safetensors", "normals.safetensors"]


def read(folder: Path, name: str) -> None:
    if name.startswith("normals"):
        _check(load_normals_net(name))
        return
    load_weights(name, tensors=False)
    net = build(name)
    _check(net)
    _, prepare = tracklearn.load(name)
    assert prepare.input_size == net.input_size and len(prepare.mean_bgr) == 3
    child = CaffeNet(fc7=8, seed=2, **SHAPE)
    transfer(child, name, "conv")
    _check(child)


def _check(net: CaffeNet) -> None:
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())
    assert torch.isfinite(torch.tensor(net.mean_bgr)).all()
