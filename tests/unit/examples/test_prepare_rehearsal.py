"""The stand-ins of the rehearsal's videos, photos and rooms."""

import importlib.util

import pytest

from tracklearn.normals.nyuv2 import Nyuv2, read_split
from tracklearn.settings.normals import LABELED, SPLITS
from tracklearn.videos.frames import probe
from tracklearn.videos.lists import read_list, repeats
from tracklearn.voc.annotations import Voc


@pytest.fixture
def data(repository, tmp_path, monkeypatch):
    """data/ of two shards of three videos, one of which is gone, and of few photos."""
    spec = importlib.util.spec_from_file_location("prepare", repository / "examples/rehearsal/prepare.py")
    prepare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prepare)
    for name, value in {"HERE": tmp_path, "SHARD": 3, "LIVING": 2, "SCENES": 3, "IMAGENET": (2, 2)}.items():
        monkeypatch.setattr(prepare, name, value)
    prepare.main(2, 0.001)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_every_living_video_is_a_video_of_its_own(data):
    videos = read_list(data / "videos.tsv")
    living = [video.source for video in videos if (data.parent / video.source).exists()]
    assert len(videos) == 6
    assert len(living) == 4
    assert repeats(videos) == {}
    assert {probe(source).frames for source in living} == {14}


def test_photos_have_the_official_layouts(data):
    voc = Voc(data / "VOCdevkit")
    assert len(voc.images("train")) == 6
    assert [len(voc.objects(name).boxes) for name in voc.images("val")] == [2] * 6
    assert len((data / "indoor67/TrainImages.txt").read_text().split()) == 12
    assert len(list((data / "imagenet/train").glob("*/*.jpg"))) == 4
    assert [len(images) for images in read_split(data / "nyuv2" / SPLITS, 73)] == [40, 33]
    assert len(Nyuv2(data / "nyuv2" / LABELED)) == 73
