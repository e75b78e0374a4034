"""`make evidence-real` and `make evidence-controls` can be planned: every network of every seed, and every table."""

import re
import shutil

import pytest
from checkout import Checkout

QUESTIONS = "results/tables/labelled-test/questions"
CONTROLS = [f"{QUESTIONS}/{name}.md" for name in ("tracking", "motion", "data", "negatives", "ensembles")]


@pytest.fixture
def plan(repository, tmp_path):
    """A function that plans tables of an experiment over so many videos; gives the number of jobs of each rule."""

    def planned(experiment, videos, *arguments):
        shutil.copytree(repository / experiment / "config", tmp_path / "config")
        for folder in ("data", "world"):
            (tmp_path / folder).mkdir(exist_ok=True)
            lines = ["video_id\tsource", *(f"v{number}\tv{number}.mp4" for number in range(videos))]
            (tmp_path / folder / "videos.tsv").write_text("\n".join(lines) + "\n")
        output = Checkout(repository).snakemake(*arguments, "-n", "--quiet", "rules", folder=str(tmp_path))
        return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}

    return planned


def test_the_real_evidence_has_four_networks_and_five_detectors_for_each_of_three_seeds(plan, tmp_path):
    lists = tmp_path / "data/fruit/VOC2012/ImageSets/Main"
    lists.mkdir(parents=True)
    for name in ("trainval", "test"):
        (lists / f"{name}.txt").write_text(f"{name}\n")
    jobs = plan("examples/real_evidence", 125, f"{QUESTIONS}/real.md")
    assert jobs["models_random"] == jobs["models_scaled"] == 3
    assert jobs["models_ranking"] == 6 and jobs["models_finetuning"] == jobs["detection_evaluate"] == 15
    assert jobs["frozen_images"] == jobs["frozen_masks"] == 12 and jobs["frozen_pairs"] == 2 * 12


@pytest.mark.parametrize(
    ("experiment", "videos", "trained", "evaluated"),
    [
        # Of 14 trained networks, two are only in ensembles, of which there are two; all have five seeds. Four of them,
        # and the one that is not trained, are asked for scenes too.
        ("demo", 480, 14 * 5, (12 + 1 + 2) * 5 + (4 + 1) * 5),
        # Three networks, of which the slope is asked, have five seeds, and the others three.
        ("examples/real_evidence", 125, 14 * 3 + 3 * 2, (12 + 1 + 2) * 3 + 3 * 2),
    ],
)
def test_every_control_is_trained_and_evaluated_once(plan, tmp_path, experiment, videos, trained, evaluated):
    jobs = plan(experiment, videos, *CONTROLS, "--configfile", str(tmp_path / "config/controls.yaml"))
    assert jobs["models_ranking"] == trained and jobs["tables_question"] == 5
    assert jobs["frozen_images"] == evaluated
