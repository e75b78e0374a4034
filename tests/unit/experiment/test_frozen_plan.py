from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.targets import check_targets

PAPER = Path(__file__).parents[3] / "config/config.yaml"
FROZEN = {
    "sets": {"sun8": {"folder": "photos"}, "grey": {"folder": "grey", "half": "choose"}},
    "masks": {"davis": {"folder": "davis", "sequences": ["dog"]}},
    "rows": [
        {"id": "random", "label": "random", "models": ["random-1", "random-2"]},
        {"id": "both", "label": "both", "models": ["random-1", "imagenet-2"]},
    ],
}
COLUMNS = ("sun8", "grey", "davis")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def planned(frozen=FROZEN, **changes):
    return Plan(yaml.safe_load(PAPER.read_text()) | {"frozen": frozen} | changes)


def test_without_the_block_there_is_nothing():
    frozen = planned(None).frozen
    assert [frozen.rows, frozen.columns(), frozen.cells(), frozen.bootstraps(), frozen.empty()] == [[]] * 5


def test_every_network_has_a_cell_for_each_data_set_and_one_that_lacks_images_an_empty_one():
    frozen = planned().frozen
    folder = "results/cells/frozen/voc2012-val"
    names = ("random-1", "random-2", "imagenet-2")
    assert frozen.cells() == [f"{folder}/{column}/{name}.json" for column in COLUMNS for name in names]
    assert frozen.empty() == [f"{column}/imagenet-2" for column in COLUMNS]
    assert "no ImageNet there" in frozen.lack("imagenet-2")
    assert len(frozen.bootstraps()) == 6
    assert "imagenet-2" not in frozen.computed_models()


def test_a_cell_depends_on_its_own_data_set():
    settings = planned().frozen.of_images("grey")
    assert settings["sets"] == {"grey": {"folder": "grey", "half": "choose"}}
    assert not settings.keys() & {"rows", "masks", "propagation"} and settings["precision"] == {"k": 20}
    settings = planned().frozen.of_masks("davis")
    assert settings.keys() == {"masks", "propagation", "bootstrap"} and settings["masks"]["davis"]["folder"] == "davis"


def test_a_photo_that_is_added_counts():
    assert planned().frozen.digest("sun8") == ""
    Path("photos/a").mkdir(parents=True)
    Path("photos/a/1.jpg").write_bytes(b"1")
    before = planned().frozen.digest("sun8")
    Path("photos/a/2.jpg").write_bytes(b"2")
    assert planned().frozen.digest("sun8") not in ("", before)


def test_the_table_needs_the_photos_of_voc_only_for_networks_that_learned_from_them():
    changes = {"voc": {"root": "none", "download": False}}
    rows = {"sets": FROZEN["sets"], "rows": FROZEN["rows"][:1]}
    check_targets(
        planned(rows, **changes), ["results/frozen.csv", "results/frozen/voc2012-val/bootstraps/sun8/random-1.npz"]
    )
    rows["rows"] = [{"id": "scratch", "label": "scratch", "models": ["scratch-1"]}]
    with pytest.raises(UserError, match=r"none/VOC2012/ImageSets/Main/train\.txt: no such file"):
        check_targets(planned(rows, **changes), ["results/frozen.csv"])


def test_a_table_without_rows_is_refused():
    with pytest.raises(UserError, match="config: frozen has no rows; write some to get their table"):
        check_targets(planned(None), ["results/frozen.md"])


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        ({"sets": FROZEN["sets"], "rows": [{"id": "a", "label": "a", "models": ["nobody"]}]}, "frozen row a: .*nobody"),
        ({"sets": FROZEN["sets"], "rows": FROZEN["rows"][:1] * 2}, "frozen.rows: two rows have the id random"),
        ({"rows": FROZEN["rows"]}, "frozen.rows has rows, but no data set; write"),
        ({"sets": {"a/b": {"folder": "photos"}}}, "frozen.sets: the name is 'a/b'; expected letters"),
        ({"masks": {"a/b": {"folder": "photos"}}}, "frozen.masks: the name is 'a/b'; expected letters"),
        (
            {"sets": {"a": {"folder": "photos"}}, "masks": {"a": {"folder": "davis"}}},
            r"frozen\.masks\.a: a set has this name too; a column needs a name of its own",
        ),
    ],
)
def test_rows_and_names_are_checked(frozen, message):
    with pytest.raises(UserError, match=message):
        planned(frozen)


def test_what_the_rows_learned_from_is_told():
    assert set(planned().external_data("frozen")) == {"random", "both"}


def test_a_row_may_name_the_copies_of_further_seeds():
    row = {"id": "unsup", "label": "unsup", "models": ["unsup-8M", "unsup-8M-seed2"]}
    evidence = {
        "seeds": 2,
        "rows": ["unsup-ft-8M"],
        "retrieval": {"a": ["unsup-8M"]},
        "comparisons": [["unsup-ft-8M"] * 2],
    }
    assert planned({"sets": FROZEN["sets"], "rows": [row]}, evidence=evidence).frozen.networks() == row["models"]
    with pytest.raises(UserError, match=r"frozen row unsup: .*unsup-8M-seed2"):
        planned({"sets": FROZEN["sets"], "rows": [row]}, evidence=None)
