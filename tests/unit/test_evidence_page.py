"""docs/evidence.md: the tables that are there, and the names of those that are not."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def evidence_page():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(REPOSITORY), *sys.path])
        yield importlib.import_module("benchmarks.evidence_page")


@pytest.fixture
def root(tmp_path):
    for folder in ("demo", "demo/hard", "examples/real_evidence", "examples/real_mini"):
        shutil.copytree(REPOSITORY / folder / "config", tmp_path / folder / "config")
    return tmp_path


def test_what_is_not_computed_is_named_with_its_command(evidence_page, root):
    text = evidence_page.page(root)
    assert text.count("**Not computed yet**") == 2 + 2 + 5 + 5 + 3
    assert "## Real clips: does more data help?" in text
    assert "**Not computed yet**: `make evidence-real` makes this table." in text


def test_tables_of_a_command_stand_in_the_page_with_the_texts_of_the_configuration(evidence_page, root):
    table = root / "examples/real_evidence/results/tables/labelled-test/questions/data.md"
    table.parent.mkdir(parents=True)
    compared = (
        "| row | against |\n| --- | --- |\n| a | b |\n| c | d |\n\n| figure | slope |\n| --- | --- |\n| e | 1 |\n"
    )
    table.write_text(f"## An older question?\n\nAn older text.\n\n| line | sun8.linear |\n\n{compared}")
    table = root / "demo/results/tables/labelled-test/evidence.md"
    table.parent.mkdir(parents=True)
    table.write_text("# Evidence\n\nAn older text.\n\nMeans over 3 seeds.\n\n## mAP\n\n| row |\n")
    assert evidence_page.page(root).count("**Not computed yet**") == 17  # nobody said that they are new
    text = evidence_page.page(root, ["evidence", "evidence-controls"])
    shutil.rmtree(root / "examples/real_evidence/results")
    shutil.rmtree(root / "demo/results")
    assert evidence_page.page(root) == text  # the tables are kept where the results are not
    assert text.count("**Not computed yet**") == 15 and "An older" not in text
    assert "The page has 3 differences and slopes; " in text
    assert "on two cores)\n\n| line | sun8.linear |\n" in text
    assert "\n\n### mAP\n\n| row |" in text


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("This world grants", "It grants", 0),
        ("seeds: 3\n  rows", "seeds: 4\n  rows", 1),
        ("ranking-5M: {lr: 0.006", "ranking-5M: {lr: 0.007", 1),
        ("normals: {lr: 0.00002", "normals: {lr: 0.00003", 0),  # no network of the table is trained so
        ("padding: 0.6", "padding: 0.7", 1),
        ("1.5M: {patches: null}", "1.5M: {share: [0, 0.5], patches: null}", 1),  # the shards of 8M are read after these
        ("features: {keep: true}", "features: {keep: true}\nsaving: {log_every: 7}", 1),
        ("features: {keep: true}", "features: {keep: true}\nthreads: {train: 2}", 0),
        ("title: Evidence on the small", "title: Evidence on a small", 0),
    ],
)
def test_a_table_of_earlier_settings_says_so_until_it_is_computed_anew(evidence_page, root, old, new, marked):
    table = root / "demo/results/tables/labelled-test/evidence.md"
    table.parent.mkdir(parents=True)
    table.write_text("# Evidence\n\nIt grants.\n\nMeans over 3 seeds.\n\n## mAP\n\n| old |\n")
    assert evidence_page.CHANGED not in evidence_page.page(root, ["evidence"])
    config = root / "demo/config/config.yaml"
    before = config.read_text()
    assert old in before
    config.write_text(before.replace(old, new))
    table.write_text("# Evidence\n\nIt grants.\n\nMeans over 3 seeds.\n\n## mAP\n\n| new |\n")
    text = evidence_page.page(root)
    assert text.count(f"\n\n{evidence_page.CHANGED}\n\n") == marked and "| old |" in text
    text = evidence_page.page(root, ["evidence"])
    assert evidence_page.CHANGED not in text and "| new |" in text


def test_a_question_depends_on_its_own_columns_and_rows(evidence_page, root):
    def digests():
        config = evidence_page.experiment(evidence_page.PAPER, root / "examples/real_evidence/config/config.yaml")
        return {each["id"]: evidence_page.settings_of(config, each) for each in config["questions"]}

    file = root / "examples/real_evidence/config/config.yaml"
    before, text = digests(), file.read_text()
    changed = {}
    for old, new in (
        ("sun8-choose: {folder: data/scenes,", "sun8-choose: {folder: data/other_scenes,"),
        ("models: [scratch-ft]}", "layer: pool5, models: [scratch-ft]}"),
        ("infonce: {form: infonce, temperature: 0.1", "infonce: {form: infonce, temperature: 0.2"),
        ("train_images: 15", "train_images: 14"),
    ):
        assert old in text
        file.write_text(text.replace(old, new))
        changed[old.split(":")[0]] = {name for name, digest in digests().items() if digest != before[name]}
    assert [*changed.values()] == [{"choose"}, {"real"}, {"real", "choose"}, {"real", "choose"}]
