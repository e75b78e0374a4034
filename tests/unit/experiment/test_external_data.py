"""What the plan says about the data that a row learned from."""

import pytest

from tracklearn.experiment.plan import Plan

ROW = "rcnn-70K"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A function that plans one row over a network which is trained or given as the entry `first` says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/n01440764").mkdir(parents=True)

    def planned(first, **changes):
        models = {"first": first, "tuned": {"train": "voc", "from": "first", "transfer": "fc7", "schedule": "tuning"}}
        schedule = {"lr": 0.01, "step": 1, "iterations": 1, "batch": 2}
        return Plan(
            {
                "models": models,
                "schedules": {"tuning": schedule},
                "table1": [{"id": ROW, "label": ROW, "models": ["tuned"]}],
            }
            | {"subsets": {}, "comparisons": []}
            | changes
        )

    return planned


@pytest.mark.parametrize(("folder", "external"), [("photos", True), (None, False)])
def test_crops_of_the_challenge_s_own_images_are_no_external_data(plan, folder, external):
    trained = {"train": "imagenet", "from": "random", "schedule": "tuning"}
    one = plan(trained, imagenet={"folder": folder})
    assert one.uses_external_data(ROW) == external
    data = one.external_data("table1")[ROW]
    assert (bool(data["images"]), data["crops"]) == (external, not external)


def test_given_weights_have_the_name_of_their_model(plan):
    one = plan({"train": "given", "weights": "mine/weights.safetensors"})
    assert one.uses_external_data(ROW)
    assert one.external_data("table1")[ROW]["given"] == ["first (weights.safetensors)"]


def test_a_row_whose_stand_in_has_another_width_says_so(plan):
    models = {
        "first": {"train": "imagenet", "from": "random", "schedule": "tuning", "stand_in": "released"},
        "released": {"train": "given", "weights": "bvlc_reference_caffenet"},
        "tuned": {"train": "voc", "from": "first", "schedule": "tuning"},
    }
    assert plan({}, models=models).lacks(ROW) == ""
    reason = plan({}, models=models, network={"width": 0.5}).lacks(ROW)
    assert "to train first, and the width or input_size of released is not that of `network:`; put ILSVRC" in reason
