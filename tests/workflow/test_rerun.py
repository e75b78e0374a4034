"""An edit re-runs exactly the jobs whose result it can change."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

NOTHING = {}
PACKAGE = "src/tracklearn"
# These rules only join or draw. Nearly every edit re-runs them.
JOINS = {"all", "tables_table1", "tables_page", "tables_configured"}
SCORING = JOINS | {
    "detection_svms",
    "detection_detect",
    "detection_evaluate",
    "detection_section6",
    "detection_page",
    "detection_compare",
    "tables_section6",
}
SCORED = 5 + 1  # the rows of Table 1, and the row of section 6 that is scored by detection


def test_a_finished_experiment_re_runs_nothing(checkout):
    assert checkout.planned() == NOTHING


# Edits of code


def test_edits_of_code_that_change_no_result_re_run_nothing(checkout):
    for module, old, new in (
        ("training/progress.py", "iteration %d of %d", "step %d of %d"),
        ("training/launch.py", "2.0, 30.0", "2.0, 31.0"),
        ("ranking/stall.py", "try another seed", "take another seed"),
        ("networks/filters.py", "ZOOM = 4", "ZOOM = 5"),
        ("machine/limits.py", "DECODED_IMAGES_BYTES = 8e9", "DECODED_IMAGES_BYTES = 4e9"),
        ("runs/run.py", "KEPT = {", 'KEPT = {".gif", '),
    ):
        checkout.edit(f"{PACKAGE}/{module}", old, new)
    # A warning, docstrings and comments in modules that change results.
    text = (checkout.root / PACKAGE / "training/checkpoint.py").read_text()
    warning = re.search(r'log\.warning\(\s*"([^"]+)"', text)[1]
    checkout.edit(f"{PACKAGE}/training/checkpoint.py", warning, f"{warning}!")
    for module in ("mining/tracking/kcf.py", "detection/svm.py", "ranking/train.py"):
        path = checkout.root / PACKAGE / module
        path.write_text(path.read_text().replace('"""', '"""Edited: ', 1) + "\n# A comment.\n")
    another = '        Protocol("tuning", 2012, train="trainval", test="tune", of_voc=False),\n'
    checkout.edit(f"{PACKAGE}/voc/protocols.py", another, another + another.replace("tuning", "another"))
    assert checkout.planned() == NOTHING


def test_an_edit_of_kcf_re_runs_tracking_and_what_follows(checkout):
    edit_code(checkout, "mining/tracking/kcf.py")
    planned = checkout.planned()
    assert planned["mining_track"] == planned["patches_pack"] > 1
    assert planned["models_ranking"] == 2
    assert planned["detection_external"] == 3  # the column of each table
    assert {"videos_download", "mining_filter", "voc_proposals", "models_supervised"}.isdisjoint(planned)


def test_an_edit_of_reading_shards_re_packs_nothing(checkout):
    edit_code(checkout, "patches/store.py")
    planned = checkout.planned()
    assert planned["models_ranking"] == 2  # ranking trainings read shards
    assert {"patches_pack", "mining_track", "mining_filter"}.isdisjoint(planned)


def test_an_edit_of_svm_re_runs_only_svms_and_tables(checkout):
    edit_code(checkout, "detection/svm.py")
    planned = checkout.planned()
    assert set(planned) <= SCORING
    assert planned["detection_svms"] == SCORED


def test_an_edit_of_non_maximum_suppression_re_trains_nothing(checkout):
    edit_code(checkout, "detection/suppression.py")
    planned = checkout.planned()
    assert set(planned) <= SCORING - {"detection_svms"}
    assert planned["detection_detect"] == SCORED


def test_an_edit_of_the_pages_of_detections_draws_the_pages_alone(checkout):
    edit_code(checkout, "detection/errors_by_kind.py")
    planned = checkout.planned()
    assert set(planned) == {"detection_page", "detection_compare", "all"}
    assert planned["detection_page"] == 5  # rows of Table 1


def test_an_edit_of_elda_re_runs_no_network(checkout):
    edit_code(checkout, "retrieval/elda.py")
    planned = checkout.planned()
    assert planned["retrieval_elda"] == planned["retrieval_figure7"] == planned["tables_section6"] == 1
    assert {"retrieval_precision", "retrieval_statistics"}.isdisjoint(planned)


def test_an_edit_of_figure7_only_draws_the_page(checkout):
    edit_code(checkout, "retrieval/figure7.py")
    planned = checkout.planned()
    assert planned["retrieval_figure7"] == 1
    assert {"retrieval_precision", "retrieval_elda", "tables_section6"}.isdisjoint(planned)


def test_a_row_of_section_6_runs_the_systems_that_it_adds_and_the_table(checkout):
    joins = {"tables_section6", "all"}
    for task, row, systems in (
        ("retrieval", {"models": ["random-1", "scratch-1"]}, {"retrieval_precision": 1, "retrieval_figure7": 1}),
        ("scenes", {"models": ["random-1", "scratch-1"]}, {"scenes_network": 1, "scenes_page": 1}),
    ):
        rows = checkout.settings["section6"][task]
        checkout.configure({"section6": {task: [*rows, {"id": "added", "label": "added", **row}]}})
        planned = checkout.planned()
        external = {"detection_external"}
        assert set(planned) - external == {*systems, *joins, "tables_configured"}, task
        assert {rule: planned[rule] for rule in systems} == systems
        checkout.restore()


def test_a_row_of_table_2_runs_the_system_that_it_adds_and_the_table(checkout):
    added = {"id": "frozen", "label": "random conv layers kept", "models": ["normals-random-frozen"]}
    checkout.configure({"table2": [*checkout.settings["table2"], added]})
    joins = {"detection_external": 1, "tables_table2": 1, "tables_configured": 3, "all": 1}
    assert checkout.planned() == {"models_normals": 1, "models_page": 1, "normals_network": 1, **joins}


def test_an_edit_of_table_2_or_of_figure_8_computes_no_row(checkout):
    edit_code(checkout, "tables/table2.py")
    assert checkout.planned() == {"tables_table2": 1, "tables_configured": 3, "all": 1}
    edit_code(checkout, "normals/figure8.py")
    drawn = {"normals_figure8": 1, "figures_page": 1, "figures_configured": 1}
    assert checkout.planned() == {"tables_table2": 1, "tables_configured": 3, **drawn, "all": 1}


def edit_code(checkout, module):
    """Append a statement to a module."""
    path = checkout.root / PACKAGE / module
    path.write_text(path.read_text() + "\nEDITED = 1\n")


# Edits of the configuration


def test_a_changed_setting_re_runs_its_stage_and_what_follows(checkout):
    checkout.configure({"mining": {"track": {"frames": 20}}})
    planned = checkout.planned()
    assert "mining_track" in planned
    assert "mining_filter" not in planned
    checkout.configure({"mining": {"track": {"frames": 30}}})
    assert checkout.planned() == NOTHING


def test_settings_of_retrieval_re_run_what_they_can_change(checkout):
    checkout.configure({"retrieval": {"figure7": {"shown": 4}}})
    planned = checkout.planned()
    assert planned["retrieval_figure7"] == 1
    assert {"retrieval_precision", "retrieval_elda", "tables_section6"}.isdisjoint(planned)
    checkout.configure({"retrieval": {"elda": {"ridge": 0.02}}})
    planned = checkout.planned()
    assert planned["retrieval_elda"] == 1
    assert {"retrieval_precision", "retrieval_statistics"}.isdisjoint(planned)
    checkout.configure({"retrieval": {"elda": {"cells": 100}}})
    assert checkout.planned()["retrieval_statistics"] == 1


def test_settings_that_change_no_result_re_run_nothing(checkout):
    for changes in (
        {"saving": {"log_every": 3, "checkpoint_minutes": 1}},
        {"mining": {"timeout": 7200}},
        {"threads": {"mining": 2}},
        # Other digits, defaults, and 1 for 1.0.
        {"network": {"width": 0.250, "bias": 0.50}, "patches": {"quality": 95.0}, "ranking": {"margin": 0.5}},
        {"detection": {"svm": {"positive_weight": 2.0, "bias": 10}}},
        {"subsets": {"8M": {"strict": True}}},
        {"models": {"imagenet-1": {"stand_in": "released-caffenet"}}},
        {"features": {"processes": 2}},
    ):
        checkout.configure(changes)
    checkout.configure({}, reverse=True)
    assert checkout.planned() == NOTHING


@pytest.mark.parametrize(
    ("key", "value", "trained", "untouched"),
    [
        (
            "detection_fc7",
            48,
            {"models_random": 1, "models_supervised": 1, "models_finetuning": 4},
            {"models_ranking"},
        ),
        ("fc8_std", 0.02, {"models_supervised": 1, "models_finetuning": 4}, {"models_ranking", "models_random"}),
        # Two of the four fine-tuned nets start from ranking nets.
        ("ranking_fc7", 48, {"models_ranking": 2, "models_finetuning": 2}, {"models_supervised", "models_random"}),
    ],
)
def test_a_setting_of_one_head_re_trains_no_net_with_another_head(checkout, key, value, trained, untouched):
    checkout.configure({"network": {key: value}})
    planned = checkout.planned()
    assert {rule: planned.get(rule) for rule in trained} == trained
    assert untouched.isdisjoint(planned)


@pytest.mark.parametrize("change", [{"random_iterations": 4}, {"stages": "one"}])
def test_a_schedule_re_trains_only_the_models_that_name_it(checkout, change):
    checkout.configure({"schedules": {"ranking-1.5M": change}})
    assert checkout.planned() == NOTHING  # no row has a model with this schedule
    checkout.configure({"schedules": {"ranking-5M": change}})
    planned = checkout.planned()
    assert (planned["models_ranking"], planned["models_finetuning"]) == (2, 2)
    assert {"models_supervised", "models_random", "patches_pack"}.isdisjoint(planned)


def test_another_order_of_a_nets_shards_re_trains_the_net(checkout):
    # Shards 0 to 3 have the places 0, 1/2, 1/4 and 3/4. No net of a row trains on 1.5M. But the 8M net first reads the
    # shards of the subsets that lie inside 8M. Shard 0 leaves these subsets, so the 8M net reads it last, not first.
    checkout.configure({"subsets": {"1.5M": {"share": [0.1, 0.3]}}})
    planned = checkout.planned()
    assert planned["models_ranking"] == 1
    assert planned["models_finetuning"] == 1
    assert "patches_pack" not in planned


def test_another_name_of_a_subset_re_trains_nothing(checkout):
    configuration = yaml.safe_load((checkout.root / "config/config.yaml").read_text())
    models = {name: {"subset": "all"} for name, model in configuration["models"].items() if model.get("subset") == "8M"}
    checkout.configure({"subsets": {"all": configuration["subsets"]["8M"] | {"patches": None}}, "models": models})
    assert "models_ranking" not in checkout.planned()


def test_another_order_of_an_ensembles_models_re_trains_its_svms(checkout):
    rows = checkout.settings["table1"]
    ensemble = next(row for row in rows if row["id"] == "both")
    ensemble["models"].reverse()
    checkout.configure({"table1": rows})
    planned = checkout.planned()
    assert planned["detection_svms"] == planned["detection_detect"] == 1
    assert set(planned) <= SCORING


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"seed": 1}, {"figures_frames", "figures_pairs", "normals_figure8"}),
        ({"normals": 3}, {"normals_figure8"}),
        ({"frames": 2}, {"figures_frames"}),
        ({"units": 4}, {"figures_units"}),
        ({"conv1_models": ["unsup-8M-ft", "unsup-8M"]}, {"figures_filters"}),
    ],
)
def test_a_setting_of_a_figure_draws_this_figure_anew(checkout, change, rules):
    checkout.configure({"figures": change})
    pages = {"figures_page", "figures_configured", "all"}
    assert checkout.planned() == dict.fromkeys(rules | pages, 1)


@pytest.mark.parametrize(
    ("block", "change", "rules"),
    [
        ("svm", {"norm_of": "model"}, {"detection_svms", "detection_detect"}),
        ("detect", {"boxes_per_image": None}, {"detection_detect"}),
    ],
)
def test_an_edit_of_detection_re_runs_no_network(checkout, block, change, rules):
    checkout.configure({"detection": {block: change}})
    planned = checkout.planned()
    assert {rule: planned.get(rule, 0) for rule in ("detection_svms", "detection_detect")} == {
        rule: SCORED if rule in rules else 0 for rule in ("detection_svms", "detection_detect")
    }
    assert set(planned) <= SCORING


# Data that no rule makes


def test_appended_videos_make_one_new_shard_and_re_train_only_the_models_that_read_it(checkout):
    listed = checkout.root / "demo/world/videos.tsv"
    lines = listed.read_text().splitlines()
    copies = [f"again{number}\t{line.partition(chr(9))[2]}" for number, line in enumerate(lines[1:4])]
    listed.write_text("\n".join([*lines, *copies]) + "\n")
    planned = checkout.planned()
    assert [planned[rule] for rule in ("videos_download", "mining_filter", "mining_track", "patches_pack")] == [1] * 4
    # The fifth shard has the place 1/8. The subset 8M contains this place; the subset 5M (3/16 to 13/16) does not.
    assert planned["models_ranking"] == 1
    assert planned["models_finetuning"] == 1
    assert "models_supervised" not in planned


def test_an_appended_shard_re_runs_itself_the_index_and_the_page_of_all_pairs(checkout):
    checkout.snakemake("pairs")
    assert checkout.planned("pairs") == NOTHING
    with open(checkout.root / "demo/world/videos.tsv", "a") as listed:
        listed.write("again\tworld/videos/clip0001.mp4\n")
    stages = ("videos_download", "mining_filter", "mining_track", "patches_pack", "patches_gallery")
    assert checkout.planned("pairs") == dict.fromkeys((*stages, "patches_index", "patches_overview", "pairs"), 1)


def test_a_replaced_video_is_mined_again(checkout):
    clip = checkout.root / "demo/world/videos/clip0001.mp4"
    clip.write_bytes((checkout.root / "demo/world/videos/clip0002.mp4").read_bytes())
    planned = checkout.planned()
    assert [planned[rule] for rule in ("videos_download", "mining_filter", "mining_track", "patches_pack")] == [1] * 4


def test_a_photo_replaced_in_place_re_runs_the_jobs_that_read_it(checkout):
    replace_in_place(checkout, first_of(checkout, "test"), "JPEGImages", ".jpg")
    planned = checkout.planned()
    assert planned["voc_proposals"] == 1
    assert planned["features_extract"] == 4 + 1  # on the test set: fc7 of four nets, and pool5 of one
    assert planned["retrieval_precision"] == 2  # which computes its own features
    assert planned["retrieval_elda"] == planned["retrieval_figure7"] == 1
    assert {"detection_svms", "retrieval_statistics"}.isdisjoint(planned)
    assert {"models_finetuning", "models_supervised", "models_ranking"}.isdisjoint(planned)


def test_an_annotation_edited_in_place_re_runs_the_jobs_that_read_it(checkout):
    replace_in_place(checkout, first_of(checkout, "trainval"), "Annotations", ".xml")
    planned = checkout.planned()
    assert planned["models_finetuning"] == 4
    assert planned["retrieval_elda"] == 1
    assert {"voc_proposals", "models_supervised", "models_ranking", "retrieval_statistics"}.isdisjoint(planned)


def test_a_training_photo_replaced_in_place_changes_the_statistics_of_hog(checkout):
    replace_in_place(checkout, first_of(checkout, "trainval"), "JPEGImages", ".jpg")
    planned = checkout.planned("results/cells/section6/labelled-test/retrieval/elda.json")
    assert planned == {"voc_proposals": 1, "retrieval_statistics": 1, "retrieval_elda": 1}


def test_a_file_of_the_imagefolder_replaced_in_place_re_trains_the_net(checkout):
    photo = next((checkout.root / "demo/world/imagenet").glob("*/*.jpg"))
    photo.write_bytes(photo.read_bytes() + b" ")
    planned = checkout.planned()
    assert planned["models_supervised"] == 1
    assert planned["models_finetuning"] == 1
    assert "models_ranking" not in planned


def test_edits_of_scenes_re_run_what_they_change(checkout):
    folder = checkout.root / "demo/scenes"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            cells = np.random.default_rng([number, ord(name)]).integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(cells).resize((99, 99)).save(folder / name / f"{number}.png")
    own = {"root": "scenes", "download": False, "lists": None}
    checkout.configure({"scenes": own})
    targets = [f"results/cells/section6/labelled-test/scenes/{system}.json" for system in ("gist", "random-1")]
    checkout.snakemake(*targets)
    assert checkout.planned(*targets) == NOTHING
    for changes, rules in (
        ({"gist": {"cells": 2}, "svm": {"C": [1]}}, {"scenes_gist"}),
        ({"layer": "fc6", "softmax": {"C": [1]}}, {"scenes_network"}),
        ({"neighbours": {"k": 5}}, {"scenes_gist", "scenes_network"}),
    ):
        checkout.configure({"scenes": changes})
        assert set(checkout.planned(*targets)) == rules, changes
        checkout.restore()
        checkout.configure({"scenes": own})
    for module, rules in (
        ("scenes/gist.py", {"scenes_gist"}),
        ("features/whole_images.py", {"scenes_network"}),
    ):
        original = (checkout.root / PACKAGE / module).read_text()
        edit_code(checkout, module)
        assert set(checkout.planned(*targets)) == rules, module
        (checkout.root / PACKAGE / module).write_text(original)
    photo = folder / "a/3.png"
    photo.write_bytes((folder / "a/4.png").read_bytes())
    assert checkout.planned(*targets) == {"scenes_gist": 1, "scenes_network": 1}


def test_edits_of_normals_re_run_what_they_change(checkout):
    scores = {"normals_network", "normals_figure8"}
    trained = {"models_normals", *scores}
    learned = {"normals_codebook", "normals_baseline", *trained}
    target = "results/tables/labelled-test/table2.csv"
    targets = [target, "results/normals/labelled-test/figure8.png"]
    for changes, rules in (
        ({"codebook": {"decoding": "triangle"}}, scores),
        ({"bootstrap": 40}, {"normals_network", "normals_baseline"}),
        ({"fc7_std": 0.01}, trained),
        ({"codebook": {"cells": 5}}, {"normals_baseline", *trained}),
        ({"codebook": {"sample": 40}}, learned),
        ({"split": "tuning"}, learned),
        ({"plane_fits": {"least": 0.2}}, {"normals_truth", *learned}),
    ):
        checkout.configure({"normals": changes})
        planned = set(checkout.planned(*targets)) - {"tables_table2", "detection_external"}
        assert planned == rules, changes
        checkout.restore()
    for module, rules in (
        ("normals/scoring.py", {"normals_network", "normals_baseline", "normals_figure8"}),
        ("normals/decoding.py", {"normals_network", "normals_baseline", "normals_figure8"}),
        ("normals/colours.py", {"normals_figure8"}),
        ("normals/codebook_picture.py", set()),
        ("normals/train.py", trained),
        ("normals/plane_fits.py", {"normals_truth", *learned}),
    ):
        original = (checkout.root / PACKAGE / module).read_text()
        edit_code(checkout, module)
        planned = set(checkout.planned(*targets)) - {"tables_table2", "detection_external"}
        assert planned == rules, module
        (checkout.root / PACKAGE / module).write_text(original)
    joins = {"tables_table2", "detection_external"}
    os.utime(checkout.root / "demo/world/nyuv2/splits.mat", ns=(1, 1))
    assert set(checkout.planned(*targets)) - joins == learned
    os.utime(checkout.root / "demo/world/nyuv2/nyu_depth_v2_labeled.mat", ns=(1, 1))
    assert set(checkout.planned(*targets)) - joins == {"normals_truth", *learned}


def test_images_that_are_gone_leave_what_was_trained_on_them(checkout):
    (checkout.root / "demo/world/imagenet").rename(checkout.root / "demo/world/moved")
    assert checkout.planned() == NOTHING


def test_a_label_of_external_data_re_runs_only_its_column(checkout):
    rows = checkout.settings["table1"]
    rows[1]["external"] = "8 million"
    checkout.configure({"table1": rows})
    planned = checkout.planned()
    assert planned["detection_external"] == 1
    assert set(planned) <= JOINS | {"detection_external"}


def test_an_edit_of_the_papers_numbers_re_runs_only_the_joins(checkout):
    checkout.edit(f"{PACKAGE}/tables/paper/table1.csv", "\n", "\r\n")
    assert set(checkout.planned()) <= JOINS
    assert "tables_table1" in checkout.planned()


def test_an_imported_patch_replaced_in_place_is_imported_again(checkout, published):
    checkout.configure({"patches": {"import": published}})
    checkout.snakemake("results/patches/00000.json", "results/patches/00001.json")
    assert checkout.planned("results/patches/00000.json", "results/patches/00001.json") == NOTHING
    assert checkout.planned("pairs") == {"patches_index": 1, "patches_overview": 1, "pairs": 1}
    patch = checkout.root / "demo/patches/3.jpg"
    patch.write_bytes(patch.read_bytes() + b" ")
    assert checkout.planned("results/patches/00000.json", "results/patches/00001.json") == {"patches_import": 1}


def test_downloaded_photos_count_if_they_differ_from_what_was_unpacked(checkout):
    target = "results/voc/proposals/VOC2012/trainval-0.npz"
    checkout.configure({"voc": {"download": True}})  # everything is there, so nothing is downloaded
    checkout.snakemake(target)
    assert checkout.planned(target) == NOTHING
    checkout.configure({"voc": {"protocol": "tuning"}})
    assert checkout.planned(target) == NOTHING
    photo = checkout.root / f"demo/world/VOCdevkit/VOC2012/JPEGImages/{first_of(checkout, 'trainval')}.jpg"
    photo.write_bytes(photo.read_bytes() + b" ")
    os.utime(photo, ns=(10**18, 10**18))  # older than the download
    assert checkout.planned(target) == {"voc_proposals": 1}


def replace_in_place(checkout, image_id, folder, suffix):
    path = checkout.root / f"demo/world/VOCdevkit/VOC2012/{folder}/{image_id}{suffix}"
    path.write_bytes(path.read_bytes() + b" ")


def first_of(checkout, image_set):
    listed = checkout.root / f"demo/world/VOCdevkit/VOC2012/ImageSets/Main/{image_set}.txt"
    return listed.read_text().split()[0]


# Features


def test_a_test_annotation_edited_in_place_runs_no_network_but_that_of_retrievals_queries(checkout):
    replace_in_place(checkout, first_of(checkout, "test"), "Annotations", ".xml")
    planned = checkout.planned()
    assert planned["retrieval_precision"] == 2
    assert (planned["detection_evaluate"], planned["detection_section6"]) == (5, 1)
    assert planned["detection_page"] == 5
    assert {"features_extract", "detection_svms", "detection_detect"}.isdisjoint(planned)


def test_an_edit_of_the_features_re_runs_what_computes_them(checkout):
    edit_code(checkout, "features/computed.py")
    planned = checkout.planned()
    assert planned["features_extract"] == 2 * (4 + 1)  # two sets, fc7 of four nets, and pool5 of one
    assert planned["retrieval_precision"] == 2
    assert {"models_finetuning", "voc_proposals"}.isdisjoint(planned)


def test_the_precision_of_features_re_runs_what_computes_them(checkout):
    checkout.configure({"features": {"precision": "bf16"}})
    planned = checkout.planned()
    assert (planned["features_extract"], planned["detection_svms"]) == (2 * (4 + 1), SCORED)
    assert planned["retrieval_precision"] == 2
    assert "models_finetuning" not in planned


def test_features_that_are_not_kept_are_computed_in_svms_and_detection(checkout):
    target = "results/cells/table1/labelled-test/both/mAP.json"  # of two networks
    stored = json.loads((checkout.root / "demo" / target).read_text())["value"]
    checkout.configure({"features": {"keep": False, "processes": 2}})
    assert checkout.planned(target) == {"detection_svms": 1, "detection_detect": 1, "detection_evaluate": 1}
    shutil.rmtree(checkout.root / "demo/results/features")
    checkout.snakemake(target)
    assert not (checkout.root / "demo/results/features").exists()
    computed = json.loads((checkout.root / "demo" / target).read_text())["value"]
    assert computed == pytest.approx(stored, abs=0.1)
    assert checkout.planned(target) == NOTHING
    replace_in_place(checkout, first_of(checkout, "test"), "JPEGImages", ".jpg")
    assert checkout.planned(target) == {"voc_proposals": 1, "detection_detect": 1, "detection_evaluate": 1}


# Protocols and cells


def test_two_protocols_stand_side_by_side(checkout):
    labelled = {"voc": {"protocol": "labelled-test"}}
    checkout.configure({"voc": {"protocol": "tuning"}, "table1": [row("scratch", "scratch-1")], "comparisons": []})
    target = "results/table1.csv"
    planned = checkout.planned(target)
    assert planned["models_finetuning"] == 1
    assert {"models_ranking", "mining_track", "models_supervised"}.isdisjoint(planned)
    checkout.snakemake(target)
    results = checkout.root / "demo/results"
    assert (results / "cells/table1/labelled-test/scratch/mAP.json").exists()
    assert (results / "cells/table1/tuning/scratch/mAP.json").exists()
    checkout.restore()
    checkout.configure(labelled)
    assert checkout.planned() == {"tables_configured": 1, "all": 1}  # which copies results/table1.csv


def row(name, *models):
    return {"id": name, "label": name, "external": "0", "models": list(models)}


def test_the_old_path_of_a_target_is_refused_with_its_new_path(checkout):
    for old, new in (
        ("results/cells/table1/scratch/mAP.json", "results/cells/table1/labelled-test/scratch/mAP.json"),
        ("results/models/scratch-1/conv1.png", "results/models/labelled-test/scratch-1/conv1.png"),
        ("results/mining/00000/gallery.html", "results/patches/00000.html"),
    ):
        output = checkout.snakemake("--dry-run", old, ok=False)
        assert f"tracklearn: {old}: this target is now {new}" in output
        assert "Traceback" not in output


def test_a_deleted_cell_re_runs_only_the_evaluation_of_its_row(checkout):
    cells = sorted((checkout.root / "demo/results/cells/table1/labelled-test/both").glob("*.json"))
    before = json.loads(cells[0].read_text())
    cells[0].unlink()
    target = str(cells[0].relative_to(checkout.root / "demo"))
    assert checkout.planned(target) == {"detection_evaluate": 1}
    checkout.snakemake(target)
    after = json.loads(cells[0].read_text())
    assert after["value"] == before["value"]


def test_each_run_records_the_versions_of_the_libraries_that_compute(finished):
    starts = []
    for events in (finished.root / "demo/results/mlflow/runs").glob("*/events.jsonl"):
        with open(events) as lines:
            starts.append(json.loads(next(line for line in lines if line.strip())))
    assert starts
    for start in starts:
        assert {"version.torch", "version.numpy", "version.opencv", "version.av"} <= set(start["tags"])
