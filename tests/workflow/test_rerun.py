"""What an edit runs again: exactly what it can change (architecture: What re-runs, and why)."""

import json

NOTHING = {}


def test_a_finished_experiment_has_nothing_to_do(checkout):
    assert checkout.planned() == NOTHING


def test_a_constant_in_kcf_runs_tracking_and_what_follows(checkout):
    checkout.edit("src/tracklearn/mining/kcf.py", '"""', 'EDITED = 1\n"""')
    planned = checkout.planned()
    assert planned["mining_track"] == planned["patches_pack"] > 1
    assert planned["models_ranking"] == 2
    assert {"videos_download", "mining_filter", "voc_proposals", "models_supervised"}.isdisjoint(planned)


def test_an_edit_of_svm_runs_svms_and_tables_only(checkout):
    checkout.edit("src/tracklearn/detection/svm.py", "def train_svms(", "EDITED = 1\n\n\ndef train_svms(")
    planned = checkout.planned()
    assert set(planned) <= {"detection_svms", "detection_detect", "detection_evaluate", "table1", "table1_page", "all"}
    assert planned["detection_svms"] == 5


def test_comments_and_docstrings_run_nothing(checkout):
    for module in ("mining/kcf.py", "detection/svm.py", "ranking/train.py"):
        path = checkout.root / "src/tracklearn" / module
        path.write_text(path.read_text().replace('"""', '"""Edited: ', 1) + "\n# A comment.\n")
    assert checkout.planned() == NOTHING


def test_a_config_value_runs_its_own_stage_and_what_follows(checkout):
    checkout.edit("demo/config/config.yaml", "frames: 30", "frames: 20")
    planned = checkout.planned()
    assert "mining_track" in planned
    assert "mining_filter" not in planned
    checkout.edit("demo/config/config.yaml", "frames: 20", "frames: 30")
    assert checkout.planned() == NOTHING


def test_how_often_to_save_runs_nothing(checkout):
    checkout.edit("demo/config/config.yaml", "log_every: 2", "log_every: 3\n  checkpoint_minutes: 1")
    assert checkout.planned() == NOTHING


def test_how_long_a_video_may_take_runs_nothing(checkout):
    checkout.edit("demo/config/config.yaml", "mining:\n", "mining:\n  timeout: 7200\n")
    assert checkout.planned() == NOTHING


def test_appended_videos_are_one_new_shard_and_models_that_take_it(checkout):
    listed = checkout.root / "demo/world/videos.tsv"
    lines = listed.read_text().splitlines()
    copies = [f"again{number}\t{line.partition(chr(9))[2]}" for number, line in enumerate(lines[1:4])]
    listed.write_text("\n".join([*lines, *copies]) + "\n")
    planned = checkout.planned()
    assert [planned[rule] for rule in ("videos_download", "mining_filter", "mining_track", "patches_pack")] == [1] * 4
    # The fifth shard's place is 1/8: 8M takes it, 5M (3/16 to 13/16) does not.
    assert planned["models_ranking"] == 1
    assert planned["models_finetuning"] == 1
    assert "models_supervised" not in planned


def test_a_replaced_video_is_mined_again(checkout):
    clip = checkout.root / "demo/world/videos/clip0001.mp4"
    clip.write_bytes((checkout.root / "demo/world/videos/clip0002.mp4").read_bytes())
    planned = checkout.planned()
    assert [planned[rule] for rule in ("videos_download", "mining_filter", "mining_track", "patches_pack")] == [1] * 4


def test_a_deleted_cell_runs_its_rows_evaluation_only(checkout):
    cells = sorted((checkout.root / "demo/results/cells/table1/both").glob("*.json"))
    before = json.loads(cells[0].read_text())
    cells[0].unlink()
    target = str(cells[0].relative_to(checkout.root / "demo"))
    assert checkout.planned(target) == {"detection_evaluate": 1}
    checkout.snakemake(target)
    after = json.loads(cells[0].read_text())
    assert after["value"] == before["value"]
