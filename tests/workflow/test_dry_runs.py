"""The experiments can be planned, and a mistake in the configuration is reported in one line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import Checkout

from tracklearn.videos.build_list import build_list


def jobs(output):
    """Number of jobs of each rule in the output of a dry run, and their total."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


@pytest.fixture
def paper(repository, tmp_path):
    """A function that plans the paper's experiment over a list of `videos` videos, in a temporary folder."""
    (tmp_path / "data").mkdir()

    def plan(*, settings="", videos=1000, target="results/table1.csv", given=(), ok=True):
        lines = ["video_id\tsource", *(f"v{n:06d}\thttp://127.0.0.1/{n}.mp4" for n in range(videos))]
        (tmp_path / "data/videos.tsv").write_text("\n".join(lines) + "\n")
        (tmp_path / "config").mkdir()
        (tmp_path / "config/config.yaml").write_text(settings or "{}")
        command_line = ("--config", *given) if given else ()
        arguments = (*command_line, "--dry-run", "--quiet", "rules", "--", target)
        return Checkout(repository).snakemake(*arguments, folder=str(tmp_path), ok=ok)

    return plan


def test_the_papers_experiment_is_planned_from_a_list_of_100k_videos(paper):
    output = paper(videos=100_000)
    for line in (
        "videos_download 1000",
        "patches_pack 1000",
        "models_ranking 4",
        # Without ImageNet's images, two of the eleven fine-tuned nets and the two rows that need them are left out.
        "models_given 1",
        "models_finetuning 9",
        "detection_evaluate 10",
        "detection_empty_cells 2",
        "detection_external 1",
        "tables_table1 1",
    ):
        rule, count = line.split()
        assert any(words.split() == [rule, count] for words in output.splitlines()), line
    assert "models_supervised" not in output
    assert {*CONTROLS}.isdisjoint(jobs(output))
    (line,) = {line for line in output.splitlines() if line.startswith("tracklearn: ")}
    assert line == (
        "tracklearn: data/imagenet/train: no ImageNet there, so released-caffenet takes a trained network's place, and "
        "the cells of rcnn-70K-2x, rcnn-70K-3x are empty; put ILSVRC 2012's training images there, one folder a class, "
        "or set imagenet.folder"
    )


CONTROLS = ("mining_any_frame", "mining_track_any_frame", "patches_any_frame", "patches_untracked", "patches_one_patch")


def test_controls_are_mined_for_the_models_that_ask_for_them(paper):
    """A control needs its jobs for each shard that the subset reads, and the other models need none of them."""
    entry = "train: ranking, from: random, subset: 1.5M, schedule: ranking-1.5M"
    models = f"{{still: {{{entry}, pairs: still}}, any: {{{entry}, pairs: any-frame}}, tracked: {{{entry}}}}}"
    target = "results/models/any/weights.safetensors"
    planned = jobs(paper(settings=f"models: {models}", target=target))
    shards = planned["patches_pack"]
    assert shards > 0
    assert planned == {
        **dict.fromkeys(("videos_download", "mining_filter", "mining_track", "patches_pack", *CONTROLS[:3]), shards),
        "models_ranking": 1,
        "total": 7 * shards + 1,
    }


def test_cards_are_one_job_behind_the_tables(paper):
    planned = jobs(paper(target="cards", settings="section6: null\ntable2: []\n"))
    assert planned["models_card"] == planned["cards"] == 1
    assert planned["detection_evaluate"] == 10


def test_gist_needs_the_photos_of_scenes_alone(paper):
    output = paper(videos=0, target="results/cells/section6/voc2012-val/scenes/gist.json")
    assert jobs(output) == {"scenes_download": 1, "scenes_gist": 1, "total": 2}


def test_a_folder_of_scenes_is_not_downloaded(paper):
    output = paper(
        settings="scenes: {root: photos, download: false}",
        videos=0,
        target="results/cells/section6/voc2012-val/scenes/random-1.json",
    )
    assert jobs(output) == {"models_random": 1, "scenes_network": 1, "total": 2}


def test_a_cell_of_table_2_whose_parent_lacks_its_images_is_empty(paper):
    output = paper(
        settings="models: {normals-imagenet: {train: normals, from: imagenet-2, schedule: normals}}",
        videos=0,
        target="results/cells/table2/voc2012-val/normals-imagenet.json",
    )
    assert jobs(output) == {"tables_empty_cell": 1, "total": 1}
    assert "Table 2 leaves out normals-imagenet; put ILSVRC 2012's training images there" in output


def test_a_cell_of_frozen_networks_whose_network_lacks_its_images_is_empty(paper):
    output = paper(
        settings="frozen: {sets: {photos: {folder: photos}}, rows: [{id: a, label: a, models: [imagenet-2]}]}",
        videos=0,
        target="results/cells/frozen/voc2012-val/photos/imagenet-2.json",
    )
    assert jobs(output) == {"tables_empty_cell": 1, "total": 1}


def test_with_imagenet_s_images_every_row_is_computed_and_nothing_is_released(paper, tmp_path):
    (tmp_path / "data/imagenet/train/n01440764").mkdir(parents=True)
    output = paper()
    for line in ("models_supervised 3", "models_finetuning 11", "detection_evaluate 12", "detection_external 1"):
        assert any(words.split() == line.split() for words in output.splitlines()), line
    assert "models_given" not in output
    assert "tracklearn: " not in output


@pytest.mark.parametrize(
    "settings", ["models: {imagenet-1: {stand_in: null}}", "{network: {width: 0.25, fc_std: 0.01}}"]
)
def test_without_a_stand_in_that_fits_all_rows_of_imagenet_are_empty(paper, settings):
    output = paper(settings=settings)
    assert output.count("tracklearn: ") == 1
    assert "no ImageNet there, so the cells of rcnn-70K, rcnn-70K-2x, rcnn-70K-3x, rcnn-200K are empty" in output
    for line in ("models_finetuning 7", "detection_evaluate 8", "detection_empty_cells 4", "tables_table1 1"):
        assert any(words.split() == line.split() for words in output.splitlines()), line
    assert "models_given" not in output


def test_the_protocol_of_the_test_server_plans_a_submission_for_every_row(paper):
    output = paper(settings="{voc: {protocol: voc2012-test}, imagenet: {folder: null}}")
    assert any(words.split() == ["detection_submission", "12"] for words in output.splitlines())


def test_a_short_list_of_videos_names_a_shard_size_that_works(paper):
    message = "config: subsets.5M: none of the 1 shards lies in its share [0.1875, 0.8125]; set videos.shard_size to "
    assert f"tracklearn: {message}6 or less, or widen the share" in paper(videos=13, ok=False)


def test_a_short_list_with_smaller_shards_is_planned(paper):
    output = paper(videos=13, settings="videos: {shard_size: 6}")
    assert any(words.split() == ["models_ranking", "4"] for words in output.splitlines())


def test_settings_of_the_command_line_are_merged_into_their_blocks(paper, tmp_path):
    (tmp_path / "data/mine.tsv").write_text("\n".join(["video_id\tsource", *(f"v{n}\t{n}.mp4" for n in range(30))]))
    given = ["videos={shard_size: 10}", "models={unsup-8M: {seed: 7}}", "section6=null", "table2=[]"]
    planned = jobs(paper(settings="videos: {list: data/mine.tsv}", given=given, target="all"))
    assert planned["videos_download"] == 3
    assert planned["models_ranking"] == 4
    assert {"tables_section6", "tables_table2"}.isdisjoint(planned)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "videos={shard_size: ten}",
            "tracklearn: config: videos.shard_size is 'ten'; expected a whole number, at least 1",
        ),
        ("videos={shard_size: [}", "tracklearn: --config videos={shard_size: [}: expected the node content, but found"),
        ("saving={log_evry: 5}", "tracklearn: config: saving.log_evry: unknown key; did you mean log_every?"),
    ],
)
def test_a_mistake_on_the_command_line_is_reported_in_one_line(paper, given, message):
    output = paper(given=[given], ok=False)
    assert message in output
    assert "Traceback" not in output


def test_a_list_too_short_for_every_subset_is_an_error_with_a_remedy(paper):
    output = paper(videos=1, settings="videos: {shard_size: 1}", ok=False)
    assert "add videos (2 or more are needed) or widen the share" in output


def test_pairs_of_one_video_need_no_other_data(repository, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a clip.mp4").touch()
    build_list(out=tmp_path / "data/videos.tsv", folder=tmp_path / "clips")
    planned = jobs(Checkout(repository).snakemake("-n", "--quiet", "rules", "--", "pairs", folder=str(tmp_path)))
    stages = ("videos_download", "mining_filter", "mining_track", "patches_pack", "patches_gallery")
    assert planned == dict.fromkeys((*stages, "patches_index", "patches_overview", "pairs"), 1) | {"total": 8}


def test_both_paths_of_the_snakefile_plan_the_same(repository, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/videos.tsv").write_text("video_id\tsource\na\ta.mp4\nb\tb.mp4\n")
    assert (repository / "workflow/Snakefile").readlink() == Path("../Snakefile")
    by_root, by_link = (
        jobs(
            Checkout(repository).snakemake(
                "--snakefile", str(repository / path), "-n", "--quiet", "rules", "--", "pairs", folder=str(tmp_path)
            )
        )
        for path in ("Snakefile", "workflow/Snakefile")
    )
    assert by_root == by_link
    assert by_root["mining_track"] == 1


def test_the_workflow_is_planned_as_a_module_of_another_snakefile(repository, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/videos.tsv").write_text("video_id\tsource\na\ta.mp4\nb\tb.mp4\n")
    shutil.copytree(repository / "config", tmp_path / "config")
    (tmp_path / "Snakefile").write_text(
        'configfile: "config/config.yaml"\n'
        f'module tracklearn:\n    snakefile: "{repository}/workflow/Snakefile"\n    config: config\n'
        "use rule * from tracklearn\n"
    )
    arguments = ("-n", "--quiet", "rules", "--", "pairs")
    as_module = Checkout(repository).snakemake(
        "--snakefile", str(tmp_path / "Snakefile"), *arguments, folder=str(tmp_path)
    )
    assert jobs(as_module) == jobs(Checkout(repository).snakemake(*arguments, folder=str(tmp_path)))
    assert jobs(as_module)["mining_track"] == 1


def test_pairs_are_planned_from_a_list_of_10k_videos(paper):
    planned = jobs(paper(videos=10_000, target="pairs"))
    assert planned["mining_track"] == planned["patches_gallery"] == 100
    assert planned["patches_index"] == planned["patches_overview"] == 1
    assert planned["total"] == 503


def test_values_of_options_are_no_targets(repository, tmp_path):
    (tmp_path / "patches_mine").mkdir()
    output = Checkout(repository).snakemake("-n", folder=str(tmp_path / "patches_mine"), ok=False)
    assert "which the target needs, learns from pairs" in output  # not a target of pairs


def test_pairs_need_no_photos(paper):
    assert jobs(paper(settings="voc: {download: false, root: nowhere}", target="pairs"))["pairs"] == 1


OWN = """
voc: {root: VOCdevkit, download: false, protocol: labelled-test, classes: [cat, dog]}
network: {width: 0.25, input_size: 99}
models:
  mine: {train: given, weights: mine.caffemodel}
  mine-ft: {train: voc, from: mine, schedule: voc-200K}
table1:
  - {id: mine, label: my network, models: [mine]}
"""


@pytest.fixture
def own(repository, devkit, tmp_path):
    """A function that plans a table on the photos of `devkit` with given weights, without a list of videos."""
    lists = devkit / "VOC2012/ImageSets/Main"
    (lists / "trainval.txt").write_text((lists / "train.txt").read_text())
    (tmp_path / "mine.caffemodel").touch()
    (tmp_path / "config").mkdir()

    def plan(*targets, settings, ok=True):
        (tmp_path / "config/config.yaml").write_text(OWN + settings)
        return Checkout(repository).snakemake("-n", "--quiet", "rules", "--", *targets, folder=str(tmp_path), ok=ok)

    return plan


def test_given_weights_have_no_card(own):
    assert jobs(own("cards", settings="comparisons: []\nsection6: null\ntable2: []\n")) == {"cards": 1, "total": 1}


def test_a_table_of_given_weights_needs_no_list_of_videos(own):
    output = own("results/table1.csv", settings="comparisons: []\n")
    assert jobs(output) == {
        "models_given": 1,
        "voc_proposals": 2,
        **dict.fromkeys(("detection_svms", "detection_detect", "detection_evaluate", "detection_external"), 1),
        **dict.fromkeys(("tables_table1", "tables_configured"), 1),
        "total": 9,
    }
    assert "ImageNet" not in output


def test_the_page_of_given_weights_needs_no_list_of_videos(own):
    planned = jobs(own(settings="comparisons: []\nsection6: null\ntable2: []\n"))
    assert planned["tables_page"] == planned["all"] == 1
    assert "tables_section6" not in planned
    assert {"videos_download", "patches_sheet", "models_ranking"}.isdisjoint(planned)


def test_what_stays_of_the_papers_experiment_is_named(own):
    output = own("results/table1.csv", settings="", ok=False)
    assert "tracklearn: config: comparisons: unknown row unsup-ft-8M; known: mine; or write `comparisons: []`" in output
    output = own(settings="comparisons: []\npatches: {size: 99}\n", ok=False)
    assert "tracklearn: data/videos.tsv: no list of videos; make one: " in output
    assert (
        "(models.unsup-1.5M, which the target needs, learns from pairs); to do without pairs, write section6." in output
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("minning: {}", "tracklearn: config: minning: unknown key; did you mean mining?"),
        (
            "videos: {list: no.tsv}",
            "tracklearn: no.tsv: no list of videos; make one: python -m tracklearn.videos.build_list",
        ),
        (
            # The list has 1,001 lines, one of which is the header.
            "patches: {import: {folder: data, list: data/videos.tsv, pairs_per_shard: 100}}",
            "tracklearn: data/videos.tsv, line 1001: a query without a tracked patch",
        ),
        ("voc: {download: false}", "no such file; point voc.root at a folder that holds VOC2012"),
        ("voc: {protocol: voc2013}", "voc.protocol is 'voc2013'; expected one of voc2012-val"),
    ],
)
def test_a_mistake_in_the_configuration_is_reported_in_one_line(paper, settings, message):
    output = paper(settings=settings, ok=False)
    assert message in output
    assert "Traceback" not in output


def test_the_demo_and_its_evidence_are_planned(repository, tmp_path):
    demo = tmp_path / "demo"
    shutil.copytree(repository / "demo", demo, ignore=shutil.ignore_patterns("results", "world", ".snakemake"))
    world = ["--videos", "8", "--frames", "2", "--train", "2", "--val", "2", "--tune", "2", "--test", "2"]
    command = [sys.executable, demo / "make_world.py", "--out", demo / "world", *world]
    subprocess.run([*command, "--per-class", "1", "--per-scene", "2", "--rooms", "1"], check=True)
    # A plan depends on the number of videos, which the demo has 480 of, and not on what they show.
    head, *rows = (demo / "world/videos.tsv").read_text().splitlines()
    copies = [f"copy{number}_{row}" for number in range(60) for row in rows]
    (demo / "world/videos.tsv").write_text("\n".join([head, *copies]) + "\n")
    checkout = Checkout(repository)
    table = checkout.snakemake("--dry-run", "--quiet", "rules", folder=str(demo))
    assert any(words.split() == ["detection_evaluate", "12"] for words in table.splitlines())
    evidence = checkout.snakemake("--dry-run", "--quiet", "rules", "--", "results/evidence.md", folder=str(demo))
    assert any(words.split() == ["tables_evidence", "1"] for words in evidence.splitlines())
    target = "results/evidence_normals.md"
    evidence = checkout.snakemake("--dry-run", "--quiet", "rules", "--", target, folder=str(demo))
    assert jobs(evidence)["tables_evidence_normals"] == 1
    shutil.copytree(demo / "world", demo / "hard/world")  # of the same categories
    hard = str(demo / "hard")
    evidence = checkout.snakemake("--dry-run", "--quiet", "rules", "--", "results/evidence.md", folder=hard)
    assert [jobs(evidence)[rule] for rule in ("models_ranking", "models_finetuning", "tables_evidence")] == [3, 9, 1]


def test_the_real_example_is_planned(repository, real_data, tmp_path):
    example = tmp_path / "real_mini"
    ignored = shutil.ignore_patterns("results", "data", ".snakemake")
    shutil.copytree(repository / "examples/real_mini", example, ignore=ignored)
    for name in ("nyu_depth_v2_labeled.mat", "splits.mat"):  # files that lie there are kept
        file = example / "data/nyuv2" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    subprocess.run([sys.executable, example / "prepare.py", real_data], check=True)
    output = Checkout(repository).snakemake("--dry-run", "--quiet", "rules", folder=str(example))
    assert any(words.split() == ["voc_object_crops", "1"] for words in output.splitlines())
    assert any(words.split() == ["detection_evaluate", "12"] for words in output.splitlines())


ELDA = """
comparisons: []
patches: {size: 99}
section6:
  detection: []
  retrieval:
    - {id: elda, label: ELDA on HOG, method: elda}
    - {id: mine, label: mine, models: [mine]}
    - {id: unsup-8M, label: unsupervised, models: [unsup-8M]}
  scenes: []
"""


MINE = ELDA.replace("    - {id: unsup-8M, label: unsupervised, models: [unsup-8M]}\n", "")


def test_retrieval_of_given_weights_says_what_still_needs_pairs(own):
    output = own(settings=MINE, ok=False)
    assert (
        "(models.unsup-8M, which the target needs, learns from pairs); to do without pairs, write figures.unit_model, "
        "figures.conv1_models, table2 without such networks, or section6: null, which leaves out the figures too, and "
        "table2: []\n" in output
    )
    planned = jobs(own(settings=f"{MINE}figures: {{unit_model: mine, conv1_models: [mine]}}\ntable2: []\n"))
    once = ("figures_units", "figures_filters", "figures_page", "retrieval_figure7", "tables_section6", "all")
    assert [planned[rule] for rule in once] == [1] * len(once)
    assert {"videos_download", "models_ranking", "figures_pairs"}.isdisjoint(planned)


def test_the_page_of_the_figures_needs_nothing_of_retrieval(own):
    planned = jobs(
        own("results/figures.html", settings=f"{ELDA}figures: {{unit_model: mine, conv1_models: []}}\ntable2: []\n")
    )
    assert set(planned) == {
        "voc_proposals",
        "models_given",
        "figures_units",
        "figures_page",
        "figures_configured",
        "total",
    }


def test_the_cell_of_elda_needs_no_network_and_no_list_of_videos(own):
    planned = jobs(own("results/cells/section6/labelled-test/retrieval/elda.json", settings=ELDA))
    assert set(planned) == {"voc_proposals", "retrieval_statistics", "retrieval_elda", "total"}


def test_a_cell_of_retrieval_needs_no_other_method(own):
    planned = jobs(own("results/cells/section6/labelled-test/retrieval/mine.json", settings=ELDA))
    assert set(planned) == {"voc_proposals", "models_given", "retrieval_precision", "total"}


def test_the_table_of_frozen_networks_needs_their_weights_alone(own):
    frozen = """comparisons: []
frozen:
  sets: {photos: {folder: photos}}
  masks: {davis: {folder: davis}}
  rows: [{id: mine, label: mine, models: [mine]}, {id: random, label: random, models: [random-1, random-2]}]
"""
    planned = jobs(own("results/frozen.csv", "results/frozen.html", settings=frozen))
    assert planned == {
        "models_given": 1,
        "models_random": 2,
        "frozen_images": 3,
        "frozen_masks": 3,
        "detection_external": 1,
        "tables_frozen": 1,
        "tables_configured": 2,
        "total": 13,
    }
    output = own("results/frozen.csv", settings="comparisons: []\n", ok=False)
    assert "config: frozen has no rows; write some to get their table" in output


def test_figure7_needs_the_networks_of_retrieval(own):
    output = own("results/retrieval/labelled-test/figure7.html", settings=ELDA, ok=False)
    assert "models.unsup-8M, which the target needs, learns from pairs" in output
    planned = jobs(own("results/retrieval/figure7/test_0-1.html", settings=MINE))
    assert (planned["retrieval_query"], planned["retrieval_elda"], planned["retrieval_precision"]) == (1, 1, 1)


def test_a_query_of_no_evaluation_image_is_refused_before_anything_runs(own):
    output = own("results/retrieval/figure7/nowhere-0.html", settings=ELDA, ok=False)
    assert "nowhere-0.html: image nowhere is none of the 5 images of " in output and "such as test_0" in output
