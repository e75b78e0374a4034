"""What the README tells users to type does what it says."""

import re
import shlex

import numpy as np
import pytest
from PIL import Image

from tracklearn.networks.caffe.__main__ import main
from tracklearn.networks.caffe.caffemodel import write_caffemodel
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import build, save_weights


@pytest.fixture
def section(repository):
    text = (repository / "README.md").read_text()
    return re.search(r"\n## Use the features\n(.*?)\n## ", text, re.DOTALL)[1]


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = CaffeNet(width=1 / 8, input_size=67, fc7=32, conv_std=0.05, bias=0.0, seed=1)
    save_weights("results/models/unsup-8M/weights.safetensors", net)
    return net


def test_the_example_finds_the_nearest_photos(section, model, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for number in range(4):
        # Two photos of either of two things, in different sizes.
        cells = np.random.default_rng(number // 2).integers(0, 255, (6, 6, 3)).astype(np.uint8)
        size = 90 + 20 * number
        Image.fromarray(cells).resize((size, size + 30), Image.Resampling.NEAREST).save(f"photos/{number}.jpg")
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(code, {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["0.jpg", "1.jpg"],
        ["1.jpg", "0.jpg"],
        ["2.jpg", "3.jpg"],
        ["3.jpg", "2.jpg"],
    ]


def test_the_commands_convert_there_and_back(section, model):
    commands = re.findall(r"^    python -m tracklearn.networks.caffe (.*)$", section, re.MULTILINE)
    there, back = (shlex.split(command) for command in commands)
    assert main(there) == 0
    if back[0] != there[1]:  # stands in for the released file
        write_caffemodel(back[0], model)
    assert main(back) == 0
    assert (build(back[1]).fc7.weight == model.fc7.weight).all()
