from pathlib import Path

import pytest
import yaml

from tracklearn.experiment.plan import Plan

PAPER = Path(__file__).parents[3] / "config/config.yaml"


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A function that plans the paper's experiment with changes, over 1,000 videos in shards of 100."""
    monkeypatch.chdir(tmp_path)
    Path("data/imagenet/train").mkdir(parents=True)
    Path("data/videos.tsv").write_text("\n".join(["video_id\tsource", *(f"v{n}\tclip.mp4" for n in range(1000))]))
    return lambda **changes: Plan(yaml.safe_load(PAPER.read_text()) | changes)


def test_every_trained_network_of_the_tables_has_a_card_and_random_ones_have_none(planned):
    plan = planned()
    trained = {name for name, model in plan.config["models"].items() if model["train"] not in ("none", "given")}
    assert set(plan.trained_models()) == trained
    assert "results/models/unsup-8M/card.md" in plan.cards.files()
    assert "results/models/voc2012-val/unsup-8M-ft/card.md" in plan.cards.files()


def test_copies_for_further_seeds_and_unused_models_have_none(planned):
    rows = ["scratch", "unsup-ft-8M"]
    evidence = {"seeds": 2, "rows": rows, "comparisons": [rows], "retrieval": {"random": ["random-1"]}}
    row = {"id": "scratch", "label": "scratch", "models": ["scratch-1"]}
    assert not [name for name in planned(evidence=evidence).trained_models() if "seed2" in name]
    alone = planned(table1=[row], comparisons=[], section6=None, table2=[])
    assert alone.trained_models() == ["scratch-1"]
    assert alone.cards.cells() == ["results/cells/table1/voc2012-val/scratch/mAP.json"]
    given = {"mine": {"train": "given", "weights": "mine.caffemodel"}}
    row = {"id": "mine", "label": "mine", "models": ["mine"]}
    models = planned().config["models"] | given
    assert planned(models=models, table1=[row], comparisons=[], section6=None, table2=[]).cards.files() == []


def test_a_card_has_the_cells_of_the_network_and_of_those_trained_from_it(planned):
    described = {model["name"]: model for model in planned().cards.described()}
    cells = [measure["cell"].removeprefix("results/cells/") for measure in described["unsup-8M"]["measures"]]
    assert cells == [
        "table1/voc2012-val/unsup-ft-8M/mAP.json",
        "table1/voc2012-val/unsup-ft-3x/mAP.json",
        "section6/voc2012-val/detection/pool5-8M.json",
        "section6/voc2012-val/detection/pool5-5M-8M.json",
        "section6/voc2012-val/retrieval/unsup-8M.json",
        "section6/voc2012-val/scenes/unsup-8M.json",
        "table2/voc2012-val/normals-unsup-8M.json",
        "table2/voc2012-val/normals-unsup-8M-frozen.json",
    ]
    assert described["unsup-8M"]["data"] == {"source": "data/videos.tsv", "videos": 1000, "patches_wanted": 8_000_000}
    iterative = described["unsup-5M-ft-r1-ft"]
    assert [each["name"] for each in iterative["ancestors"]] == ["unsup-5M-ft-r1", "unsup-5M-ft", "unsup-5M"]
    assert [each["label"] for each in iterative["measures"]] == ["unsup + iterative ft"]
    assert iterative["data"] == {"source": "PASCAL VOC 2012 train", "photos": 5717}


def test_what_lacks_imagenet_has_no_card_and_no_cell(planned):
    Path("data/imagenet/train").rmdir()
    plan = planned()
    assert not {"imagenet-2", "rcnn-70K-2", "imagenet-1"} & set(plan.trained_models())
    assert "rcnn-70K-1" in plan.trained_models()  # it starts from the released network
    assert not [cell for cell in plan.cards.cells() if "rcnn-70K-2x" in cell]


def test_a_card_states_the_loss_that_its_network_names(planned):
    models = planned().config["models"]
    models["unsup-8M"] = models["unsup-8M"] | {"loss": "wide"}
    described = {
        model["name"]: model for model in planned(models=models, losses={"wide": {"margin": 1}}).cards.described()
    }
    assert described["unsup-8M"]["loss"] == {"form": "paper", "sampling": None, "margin": 1.0, "negatives": 4}
    assert "loss" not in described["unsup-5M"]
