import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Namedlist, Params

from tracklearn.errors import UserError
from tracklearn.experiment import video_index
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.targets import warnings
from tracklearn.experiment.video_index import VideoIndex
from tracklearn.runs import recorded
from tracklearn.videos.download import download_shard
from tracklearn.videos.manifest import ManifestRow, write_manifest


def test_a_warning_is_of_the_rows_that_are_asked_for(config):
    plan = Plan(config)
    assert warnings(plan, ["pairs"]) == warnings(plan, ["results/cells/table1/voc2012-val/scratch/mAP.json"]) == []
    (line,) = warnings(plan, ["results/cells/table1/voc2012-val/rcnn-70K-2x/mAP.json"])
    assert "the cells of rcnn-70K-2x are empty" in line
    assert warnings(plan, []) == warnings(plan, ["all", "pairs"])
    assert "the cells of rcnn-70K-2x, rcnn-70K-3x are empty" in warnings(plan, [])[0]


def test_the_papers_experiment_has_every_figure(config):
    plan = Plan(config)
    assert plan.figures.left_out() == {}
    assert plan.figures.files(".png") == [
        "results/figures/figure2.png",
        "results/figures/figure3.png",
        "results/figures/voc2012-val/figure5.png",
        "results/figures/voc2012-val/figure6.png",
        "results/normals/voc2012-val/figure8.png",
    ]
    assert len(plan.figures.shards()) == 7  # of the subsets 1.5M and 8M, which holds 5M


UNSET = {"figure5": "figures.unit_model names no model", "figure6": "figures.conv1_models names no model"}
UNTRAINABLE = {"figures": {"unit_model": "imagenet-2", "conv1_models": ["imagenet-2"]}}
IMPORTED = {"patches": {"import": {"folder": "p", "list": "l", "pairs_per_shard": 2}}}
WITHOUT_PAIRS = {"table1": [], "comparisons": [], "figures": {"unit_model": "random-1", "conv1_models": ["random-1"]}}


@pytest.mark.parametrize(
    ("change", "left_out"),
    [
        ({"figures": {}}, UNSET),
        (UNTRAINABLE, dict.fromkeys(["figure5", "figure6"], "no ImageNet there to train imagenet-2")),
        ({"voc": {"protocol": "voc2012-test"}}, {"figure5": "its units are chosen by class, but the annotations"}),
        (IMPORTED, {"figure2": "the pairs are imported"}),
        ({"table2": [{"id": "axis", "label": "axis", "method": "camera_axis"}]}, {"figure8": "no network of Table 2"}),
        (WITHOUT_PAIRS, dict.fromkeys(["figure2", "figure3"], "no network of the experiment learns from pairs")),
    ],
)
def test_a_figure_without_its_data_is_left_out_with_the_reason(config, change, left_out):
    found = Plan(config | change).figures.left_out()
    assert set(found) == set(left_out)
    for figure, reason in left_out.items():
        assert reason in found[figure]


def test_a_network_that_figure_6_lacks_is_noted(config):
    plan = Plan(config | {"figures": {"conv1_models": ["unsup-8M", "imagenet-2"]}})
    assert plan.figures.models("figure6") == ["unsup-8M"]
    (note,) = plan.figures.figure6_notes()
    assert note.startswith("imagenet-2: left out; data/imagenet/train: no ImageNet there to train imagenet-2")


def test_a_row_that_figure_8_lacks_is_noted(config):
    models = config["models"] | {"mine": {"train": "normals", "from": "imagenet-2", "schedule": "normals"}}
    lacking = {"id": "mine", "label": "ImageNet + ft", "models": ["mine"], "paper": "ImageNet + ft"}
    plan = Plan(config | {"models": models, "table2": [*config["table2"][:2], lacking]})
    assert plan.normals.pictured() == [("scratch", "normals-scratch"), ("unsup + ft", "normals-unsup-8M")]
    (note,) = plan.normals.figure8_notes()
    assert note.startswith("ImageNet + ft: left out; data/imagenet/train: no ImageNet there to train imagenet-2")


def test_an_unknown_model_of_a_figure_is_named(config):
    with pytest.raises(
        UserError, match=r"config: figures.conv1_models: unknown model unsup-8; did you mean unsup-8M\?"
    ):
        Plan(config | {"figures": {"conv1_models": ["unsup-8"]}})


def test_a_video_that_is_listed_again_names_the_first(config):
    """In shards of one video, and in whichever shard the first is; a list without repeats states pairs only."""
    lines = ["a\tdQw4w9WgXcQ", "b\tb.mp4", "c\thttps://youtu.be/dQw4w9WgXcQ?t=15", "d\t./b.mp4"]
    Path("videos.tsv").write_text("\n".join(["video_id\tsource", *lines]) + "\n")
    plan = Plan(config)
    assert [pickle.loads(pickle.dumps(plan.mining.sources(shard))) for shard in plan.mining.shards] == [
        [["a", "dQw4w9WgXcQ"]],
        [["b", "b.mp4"]],
        [["c", "https://youtu.be/dQw4w9WgXcQ?t=15", "a"]],
        [["d", "./b.mp4", "b"]],
    ]


def test_the_videos_of_a_shard_are_a_digest_until_its_job_starts(config, monkeypatch):
    """Snakemake holds the params of all jobs; a script gets them pickled."""
    plan = Plan(config)
    assert len(plan.mining.shards) == 10
    with monkeypatch.context() as patched:
        patched.setattr(VideoIndex, "videos", lambda *_: pytest.fail("the rows are read"))
        sources = plan.mining.sources("00001")
        params = Params(fromdict={"videos": sources})
        assert isinstance(params.videos, str)
        assert repr(params.videos) == repr(str(sources))
        assert len(sources) == 16
    assert pickle.loads(pickle.dumps(params)).videos == pickle.loads(pickle.dumps(sources))


def spoil(listed, edit):
    """Edit a list as its user may while a run goes on: the first line, in a way that moves all others, or all of it."""
    text = listed.read_text()
    listed.write_text({"longer": text.replace("v0", "vé0"), "cut": text[:40], "empty": ""}.get(edit, text))
    if edit == "deleted":
        listed.unlink()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("edit", ["longer", "cut", "empty", "deleted"])
def test_a_list_that_changes_during_the_run_is_one_line_of_the_job(config, edit, late, monkeypatch, capsys):
    """The blocks, here of one line, begin where they did when the run was planned; some params are read at the job."""
    monkeypatch.setattr(video_index, "BLOCK", 1)
    plan = Plan(config)
    sources = plan.mining.sources("00009")
    assert pickle.loads(pickle.dumps(sources)) == [["v9", "clip.mp4", "v0"]]
    spoil(Path("videos.tsv"), edit)
    assert [str(plan.mining.sources("00009")), plan.mining.local_videos_digest("00009")] == ["", ""]
    sources = plan.mining.sources("00009") if late else sources
    given = pickle.loads(pickle.dumps(Params(fromdict={"videos": sources})))
    files = dict.fromkeys(("wildcards", "input", "output", "log"), Namedlist())
    job = SimpleNamespace(rule="videos_download", params=given, threads=1, **files)
    with pytest.raises(SystemExit) as stopped, recorded(job):
        download_shard(videos=job.params.videos, directory="videos", manifest="m.tsv")
    assert stopped.value.code == 1
    assert "videos.tsv: changed during the run; run again\n" in capsys.readouterr().err
    assert not Path("m.tsv").exists()


def test_appended_videos_change_no_shard_of_the_run(config, append_videos):
    sources = Plan(config).mining.sources("00009")
    append_videos(1)
    assert pickle.loads(pickle.dumps(sources)) == [["v9", "clip.mp4", "v0"]]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_only_the_shards_of_changed_lines_have_other_videos(config, number):
    lines = ["video_id\tsource", *(f"v{video}\thttps://host/{video}" for video in range(4))]
    Path("videos.tsv").write_text("\n".join(lines))
    before = {shard: str(sources) for shard, sources in all_sources(config)}
    assert len(set(before.values())) == 4
    lines[1 + number] += ".mp4"
    Path("videos.tsv").write_text("\r\n".join([*lines, "new\thttps://host/2"]))
    after = dict(all_sources(config))
    assert [shard for shard in before if before[shard] != after[shard]] == [f"{number:05d}"]


def all_sources(config):
    plan = Plan(config)
    return [(shard, plan.mining.sources(shard)) for shard in plan.mining.shards]


def test_only_the_shard_of_a_replaced_file_has_another_digest(config):
    """A list of YouTube videos to which a file is appended has the digests that it had."""
    lines = ["video_id\tsource", "a\tdQw4w9WgXcQ", "b\thttps://youtu.be/aaaaaaaaaaa"]
    digests = []
    for more in ([], ["c\tc.mp4"], ["c\tc.mp4"], ["c\tc.mp4"]):
        Path("videos.tsv").write_text("\n".join([*lines, *more]) + "\n")
        digests.append([Plan(config).mining.local_videos_digest(shard) for shard in Plan(config).mining.shards])
        Path(("b.mp4", "c.mp4", "dQw4w9WgXcQ")[min(len(digests) - 1, 2)]).write_text("a file")
    nothing = digests[0][0]
    assert digests[:2] == [[nothing] * 2, [nothing] * 3]
    assert digests[2][:2] == [nothing] * 2
    assert digests[2][2] != nothing
    assert digests[3][0] != nothing
    assert digests[3][1:] == digests[2][1:]


def test_a_replaced_photo_of_any_suffix_changes_the_digest(config, devkit):
    config["voc"] = {"root": str(devkit), "download": False}
    photo = devkit / "VOC2012/JPEGImages/train_0.jpg"
    digests = [Plan(config).voc.photos_digest("train")]
    digests.append(Plan(config).voc.photos_digest("train", 0))
    assert digests[0] == digests[1]
    photo = photo.rename(photo.with_suffix(".JPG"))
    digests.append(Plan(config).voc.photos_digest("train"))
    photo.write_bytes(b"another photo")
    digests.append(Plan(config).voc.photos_digest("train"))
    assert len(set(digests)) == 3


def test_shards_with_unreachable_videos_are_those_whose_manifests_say_so(config):
    folder = Path("results/videos")
    folder.mkdir(parents=True)
    before = Plan(config).mining.finished_shards_digest()
    for shard, status in (
        ("00001", "unreachable"),
        ("00002", "ok"),
        ("00003", "unreachable"),
        ("00042", "unreachable"),
    ):
        write_manifest(folder / f"{shard}.tsv", [ManifestRow("a", "unreachable", status=status)])
    assert Plan(config).mining.shards_with_unreachable_videos() == ["00001", "00003"]
    assert Plan(config).mining.finished_shards_digest() != before
