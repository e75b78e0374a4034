from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.targets import check_targets

PAPER = Path(__file__).parents[3] / "config/config.yaml"
FROZEN = {
    "sets": {"sun8": {"folder": "photos"}},
    "masks": {"davis": {"folder": "davis"}},
    "pairs": {"clips": {"folder": "h"}},
}
QUESTION = {
    "id": "q",
    "question": "Does it help?",
    "data": "Few clips.",
    "seeds": 2,
    "lines": {"random": ["random-1"], "unsup": ["unsup-8M"]},
    "figures": ["sun8.linear", "sun8.knn", "clips.recall"],
}
CELLS = "results/cells/frozen/voc2012-val"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def planned(question=QUESTION, **changes):
    return Plan(yaml.safe_load(PAPER.read_text()) | {"frozen": FROZEN, "questions": [question]} | changes)


def test_every_network_and_seed_has_one_cell_for_each_column():
    plan = planned()
    names = ["random-1", "random-1-seed2", "unsup-8M", "unsup-8M-seed2"]
    assert plan.questions.cells("q") == [
        f"{CELLS}/{column}/{name}.json" for column in ("sun8", "clips") for name in names
    ]
    assert len(plan.questions.bootstraps("q")) == 8 and plan.questions.detections("q") == []
    assert plan.seed("unsup-8M-seed2") == plan.seed("unsup-8M") + 2000


def test_an_ensemble_is_one_system_of_a_seed():
    lines = {"one": ["random-1"], "both": ["random-1", "random-2"]}
    plan = planned(QUESTION | {"lines": lines, "figures": ["sun8.linear"], "ensembles": True})
    names = ["random-1", "random-1-seed2", "random-1+random-2", "random-1-seed2+random-2-seed2"]
    assert plan.questions.cells("q") == [f"{CELLS}/sun8/{name}.json" for name in names]
    assert plan.frozen.ensembles() == names[2:]
    assert plan.frozen.members(names[3]) == [plan.weights("random-1-seed2"), plan.weights("random-2-seed2")]


def test_only_networks_that_ranking_trained_have_a_log_of_ranking():
    logs = planned(QUESTION | {"seeds": 1, "lines": {"random": ["random-1"], "ft": ["unsup-8M-ft", "unsup-8M"]}})
    assert logs.questions.logs("q") == ["results/models/unsup-8M/log.csv"]


def test_a_question_about_a_network_that_lacks_its_data_is_refused():
    plan = planned(QUESTION | {"lines": {"ImageNet": ["imagenet-2"]}, "seeds": 1})
    with pytest.raises(UserError, match=r"config: questions: q cannot be computed: .* to train imagenet-2"):
        check_targets(plan, ["results/tables/voc2012-val/questions/q.md"])


def test_detection_asks_for_the_rows_of_all_seeds_with_their_parents():
    plan = planned(QUESTION | {"detection": {"unsup": "unsup-ft-8M"}})
    folder = "results/cells/table1/voc2012-val"
    assert plan.questions.detections("q") == [f"{folder}/unsup-ft-8M{seed}/mAP.json" for seed in ("", "-seed2")]
    assert plan.rows["unsup-ft-8M-seed2"]["models"] == ["unsup-8M-ft-seed2"]
    assert plan.model_entry("unsup-8M-ft-seed2")["from"] == "unsup-8M-seed2"


def test_a_question_about_frozen_networks_needs_no_photos_of_voc_but_the_pairs_of_its_networks():
    changes = {"voc": {"root": "none", "download": False}}
    target = "results/tables/voc2012-val/questions/q.md"
    check_targets(planned(QUESTION | {"lines": {"random": ["random-1"]}}, **changes), [target])
    with pytest.raises(UserError, match=r"models\.unsup-8M, which the target needs, learns from pairs"):
        check_targets(planned(**changes), [target])
    with pytest.raises(UserError, match=r"none/VOC2012/ImageSets/Main/train\.txt: no such file"):
        check_targets(planned(QUESTION | {"detection": {"random": "scratch"}}, **changes), [target])


def test_a_table_of_no_question_is_refused():
    with pytest.raises(UserError, match=r"questions/r\.csv: config: questions: unknown question r; .*q"):
        check_targets(planned(), ["results/tables/voc2012-val/questions/r.csv"])


def test_a_network_scaled_by_data_reads_the_shards_of_its_subset():
    Path("data").mkdir()
    Path("data/videos.tsv").write_text("video_id\tsource\n" + "".join(f"v{n}\tv{n}.mp4\n" for n in range(4)))
    entry = {"train": "scaled", "subset": "8M", "seed": 1}
    paper = yaml.safe_load(PAPER.read_text())
    plan = planned(models=paper["models"] | {"scaled": entry}, videos={"shard_size": 2})
    assert plan.model_paths("scaled") == ["scaled"]
    assert plan.subsets.shards("scaled") == ["results/patches/00000.h5", "results/patches/00001.h5"]
    assert "conv_std" in plan.network("scaled") and plan.seed("scaled") == 1


def test_a_cell_of_pairs_depends_on_its_shards_alone(tmp_path):
    (tmp_path / "h").mkdir()
    before = planned().frozen.digest("clips")
    (tmp_path / "h/00000.h5").write_bytes(b"1")
    frozen = planned().frozen
    assert frozen.stores("clips") == ["h/00000.h5"] and frozen.digest("clips") != before
    assert frozen.of_pairs("clips") == {"bootstrap": 1000, "pairs": {"clips": {"folder": "h", "layer": "pool5"}}}
    assert "pairs" not in frozen.of_images("sun8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lines": {"a": ["nobody"]}}, "config: question q: unknown model nobody"),
        ({"figures": ["sun8.recall"]}, r"config: question q: unknown figure sun8\.recall; did you mean"),
        ({"figures": ["davis.J&F"], "ensembles": True}, r"unknown figure davis\.J&F"),
        ({"detection": {"a": "nobody"}}, "config: question q: unknown row nobody"),
        ({"lines": {}, "figures": []}, "question q has no lines; expected lines of models, or detection"),
        ({"figures": []}, "question q has lines or figures alone; expected both"),
        ({"figures": ["linear"]}, "figures has 'linear'; expected {column}.{figure}"),
        (
            {"comparisons": [["unsup", "best"]]},
            "comparisons names 'best'; expected one of random, unsup, chance, true cells",
        ),
        ({"comparisons": [["unsup", "true cells"]]}, "no figure has both 'unsup' and 'true cells'; take the pair out"),
        ({"lines": {"chance": ["unsup"]}}, "a line is called chance, as a line of every table is; rename it"),
        ({"slope": True}, "a slope needs at least three lines of one model each"),
    ],
)
def test_names_of_a_question_are_checked(changes, message):
    with pytest.raises(UserError, match=message):
        planned(QUESTION | changes)


def test_two_questions_of_one_id_are_refused():
    with pytest.raises(UserError, match="questions: two rows have the id q"):
        planned(questions=[QUESTION, QUESTION])
