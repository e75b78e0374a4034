import csv
import re
from math import isnan
from pathlib import Path

import pytest

from tracklearn.experiment.cost import Stage, main, markdown, stages
from tracklearn.experiment.measured import MEASURED, Figures
from tracklearn.experiment.plan_of_folder import plan_of_folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder without data: the paper's experiment at the paper's size, without ImageNet."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def figures(tmp_path):
    """Round figures; every other one was not measured."""
    rows = [
        ("videos.dead_share", 0.5, ""),
        ("videos.frames", 1000, ""),
        ("videos.pairs", 10, ""),
        ("mining.frames", 100, 1),
        ("mining.passes", 3, ""),
        ("patches.bytes", 1000, ""),
        ("ranking.gpu.fp32", 1000, ""),
        ("ranking.gpu.bf16.compiled", 4000, ""),
        ("ranking.cpu.fp32", 100, 2),
        ("weights.ranking", 1e8, ""),
    ]
    lines = ["figure\tvalue\tunit\tcores\tsource", *(f"{name}\t{value}\t\t{cores}\t" for name, value, cores in rows)]
    (tmp_path / "figures.tsv").write_text("\n".join(lines) + "\n")
    return Figures(tmp_path / "figures.tsv")


def by_name(found):
    return {(stage.table, stage.name): stage for stage in found}


def test_pairs_and_rankings_at_the_papers_size(figures):
    found = by_name(stages(plan_of_folder(), figures))
    mining = found["all", "mining"]
    assert mining.work == "50,000 living videos of 1,000 frames: 1.0M patches"
    assert mining.cores == pytest.approx(50_000 * 1000 * 3 / 100 / 3600)
    assert mining.disk == 50_000 * 10 * 2 * 1000
    ranking = found["Table 1", "ranking"]
    iterations = [150_000 + 240_000, 150_000 + 350_000, 150_000 + 350_000, 150_000 + 240_000]  # the last one re-adapts
    assert ranking.gpu == pytest.approx(sum(iterations) * 100 / 1000 / 3600)
    assert ranking.instead == pytest.approx(sum(iterations) * 100 / 100 / 3600 * 2)
    assert (ranking.cores, ranking.disk) == (0, 4e8)


def test_a_schedules_precision_and_stages_count(figures):
    bf16 = "precision: bf16, compile: true, stages: one"
    changed = [f"schedules={{{name}: {{{bf16}}}}}" for name in ("ranking-1.5M", "ranking-5M", "readapt")]
    ranking = by_name(stages(plan_of_folder(changed), figures))["Table 1", "ranking"]
    assert ranking.gpu == pytest.approx((240_000 + 350_000 + 350_000 + 240_000) * 100 / 4000 / 3600)


def test_what_was_not_measured_is_said_and_stays_out_of_the_sums(figures):
    lines = markdown(stages(plan_of_folder(), figures)).splitlines()
    (tuning,) = (line for line in lines if "| fine-tuning |" in line)
    assert tuning.count("not measured") == 3
    cells = [cell.strip() for cell in lines[-1].split("|")[1:-1]]
    assert cells == ["", "what was measured", "", "417", "49", "989", "1.4", "-"]


def test_sums_are_those_of_the_columns():
    rows = [
        Stage("all", "a", "1", cores=10, disk=2e9),
        Stage("all", "b", "2", cores=float("nan"), gpu=0.25, network=4e9),
    ]
    assert markdown(rows).splitlines()[2:] == [
        "| all | a | 1 | 10 | - | - | 2 | - |",
        "| all | b | 2 | not measured | 0.25 | - | - | 4 |",
        "|  | what was measured |  | 10 | 0.25 | - | 2 | 4 |",
    ]


def test_only_the_videos_of_the_subsets_count(figures):
    """8M patches at 80 a video, expected where nothing was mined, take 100K of a million videos."""
    small, large = (by_name(stages(plan_of_folder(videos=videos), figures)) for videos in (100_000, 1_000_000))
    assert small["all", "mining"] == large["all", "mining"]
    assert large["all", "download"].work == "100,000 videos in 1,000 shards"


def test_the_command_takes_a_folder_and_settings_as_snakemake_does(tmp_path, capsys):
    (tmp_path / "mine/config").mkdir(parents=True)
    (tmp_path / "mine/config/config.yaml").write_text("section6: null\ntable2: []\nvideos: {shard_size: 50}\n")
    (tmp_path / "mine/data").mkdir()
    (tmp_path / "mine/data/videos.tsv").write_text(
        "video_id\tsource\n" + "".join(f"v{number}\thttps://host/{number}\n" for number in range(100))
    )
    subsets = "subsets={1.5M: {share: [0, 1]}, 5M: {share: [0, 1]}}"
    assert main(["--directory", "mine", "--config", subsets, "videos={shard_size: 25}"]) == 0
    printed = capsys.readouterr().out
    assert "| all | download | 100 videos in 4 shards |" in printed
    assert "| Table 1 |" in printed
    assert "section 6" not in printed
    assert "Table 2" not in printed


def test_networks_of_frozen_alone_and_its_cells_count(figures):
    """Rows of `frozen` bring trainings that no other table needs; a network that lacks ImageNet has no cell."""
    rows = "rows: [{id: a, label: a, models: [random-1, mine]}, {id: b, label: b, models: [imagenet-2]}]"
    sets = "sets: {sun: {folder: s}, grey: {folder: g}}, masks: {davis: {folder: d}}"
    mine = "{train: ranking, from: random-1, subset: 5M, schedule: ranking-5M, seed: 7}"
    changed = [f"frozen={{{sets}, {rows}}}", f"models={{mine: {mine}}}"]
    plain, found = stages(plan_of_folder(), figures), stages(plan_of_folder(changed), figures)
    assert [stage[:3] for stage in found[: len(plain)]] == [stage[:3] for stage in plain]
    training, evaluation = found[len(plain) :]
    assert training[:3] == ("frozen", "ranking", "1 networks: 50M patches")
    assert training.gpu == pytest.approx(500_000 * 100 / 1000 / 3600)
    assert evaluation[:3] == ("frozen", "evaluation", "6 cells of 3 data sets")
    assert markdown([evaluation]).splitlines()[2].count("not measured") == 2


def test_another_backbone_has_hours_of_its_own(figures):
    mine = "{train: ranking, backbone: resnet18, from: random, subset: 5M, schedule: ranking-5M}"
    rows = "frozen={sets: {sun: {folder: s}}, rows: [{id: a, label: a, models: [mine]}]}"
    training = by_name(stages(plan_of_folder([rows, f"models={{mine: {mine}}}"]), figures))["frozen", "ranking"]
    assert training.work == "1 networks: 50M patches"
    assert isnan(training.gpu) and isnan(training.instead)  # no figure has the name resnet18.ranking.gpu.fp32


def test_stored_features_have_the_width_of_their_backbone():
    def disk(backbone):
        row = "table1=[{id: a, label: a, layer: pool5, models: [mine]}]"
        model = f"models={{mine: {{train: none, backbone: {backbone}}}}}"
        only = ["features={keep: true}", "comparisons=[]", "evidence=null", "section6=null"]
        return by_name(stages(plan_of_folder([row, model, *only]), Figures(MEASURED)))["Table 1", "features"].disk

    assert disk("resnet18") / disk("caffenet") == 512 / 9216 and disk("alexnet") == disk("caffenet") > 0


def test_pairs_that_only_frozen_networks_read_are_mined(figures):
    only = ["table1=[]", "section6=null", "table2=[]", "comparisons=[]", "evidence=null", "evidence_normals=null"]
    nothing = plan_of_folder(only)
    assert ("all", "mining") not in by_name(stages(nothing, figures))
    rows = "frozen={sets: {sun: {folder: s}}, rows: [{id: a, label: a, models: [unsup-5M]}]}"
    found = by_name(stages(plan_of_folder([*only, rows]), figures))
    assert found["frozen", "ranking"].work == "1 networks: 50M patches"
    assert ("all", "mining") in found


def test_the_pairs_of_controls_are_mined_beside_those_of_the_method(figures):
    entries = (
        f"{kind}: {{train: ranking, from: random, subset: 5M, schedule: ranking-5M, pairs: {kind}}}"
        for kind in ("still", "any-frame")
    )
    rows = "table1=[{id: a, label: a, models: [unsup-5M, still, any-frame]}]"
    found = by_name(stages(plan_of_folder([rows, "comparisons=[]", f"models={{{', '.join(entries)}}}"]), figures))
    controls = found["all", "controls"]
    assert controls.work == "at most 2.0M patches of any-frame, still"
    assert controls.disk == 2 * found["all", "mining"].disk  # each at most as many pairs as the method
    assert isnan(controls.cores)


def test_the_networks_of_table_2_are_evaluated_on_the_images_of_the_split():
    for split, images in {"official": 654, "tuning": 159}.items():
        stage = by_name(stages(plan_of_folder([f"normals={{split: {split}}}"]), Figures()))["Table 2", "evaluation"]
        assert stage.work == f"5 networks on {images} images"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, r"--directory mine: No such file or directory; expected the folder of an experiment\n"),
        ("videos: {", r"config/config\.yaml: .*expected YAML\n"),
        ("- videos", r"config/config\.yaml: list; expected settings, such as `videos: \{shard_size: 10\}`\n"),
        ("day: 2026-13-45", r"config/config\.yaml: month must be in 1\.\.12; expected YAML\n"),
    ],
)
def test_a_folder_that_is_none_and_settings_that_are_none_are_one_line(text, line, tmp_path, capsys):
    if text:
        (tmp_path / "mine/config").mkdir(parents=True)
        (tmp_path / "mine/config/config.yaml").write_text(text)
    assert main(["--directory", "mine"]) == 1
    assert re.fullmatch(line, capsys.readouterr().err)


def test_a_wrong_setting_is_one_line(capsys):
    assert main(["--config", "videos={shard_size: none}"]) == 1
    assert re.fullmatch(r"config: videos\.shard_size.*\n", capsys.readouterr().err)


def test_every_figure_has_a_unit_and_a_source():
    with MEASURED.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            assert row["unit"], row
            assert row["source"], row
            assert (row["value"] == "") == (row["source"] == "not measured"), row
            assert row["value"] == "" or float(row["value"]) > 0, row


def test_the_readmes_table_is_the_commands(repository, capsys):
    assert main([]) == 0
    assert capsys.readouterr().out in Path(repository / "README.md").read_text()
