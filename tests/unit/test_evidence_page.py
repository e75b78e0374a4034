"""docs/evidence.md: the tables that are there, and the names of those that are not."""

import importlib
import os
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


def test_tables_that_are_there_stand_in_the_page(evidence_page, root):
    table = root / "examples/real_evidence/results/tables/labelled-test/questions/data.md"
    table.parent.mkdir(parents=True)
    table.write_text("## Does more help?\n\nFew clips.\n\n| line | sun8.linear |\n")
    table = root / "demo/results/tables/labelled-test/evidence.md"
    table.parent.mkdir(parents=True)
    table.write_text("# Evidence\n\n## mAP\n\n| row |\n")
    text = evidence_page.page(root)
    shutil.rmtree(root / "examples/real_evidence/results")
    shutil.rmtree(root / "demo/results")
    assert evidence_page.page(root) == text  # the tables are kept where the results are not
    assert "## Does more help?\n\nFew clips. (protocol labelled-test; `make evidence-controls`" in text
    assert "\n\n| line | sun8.linear |\n" in text
    assert "Real clips: does more data help?" not in text
    assert "## Evidence\n\n(demo; protocol labelled-test; `make evidence`" in text
    assert "\n\n### mAP\n\n| row |" in text


def test_a_table_of_earlier_settings_says_so_until_it_is_computed_anew(evidence_page, root):
    table = root / "demo/results/tables/labelled-test/evidence.md"
    table.parent.mkdir(parents=True)
    table.write_text("# Evidence\n\n## mAP\n\n| old |\n")
    config = root / "demo/config/config.yaml"
    computed = table.stat().st_mtime

    def page(text, *, written):
        config.write_text(text)
        os.utime(config, (written,) * 2)
        return evidence_page.page(root)

    settings = config.read_text()
    assert evidence_page.CHANGED not in page(settings, written=computed - 1)
    assert evidence_page.CHANGED not in page(settings.replace("This world grants", "It grants"), written=computed + 1)
    changed = settings.replace("seeds: 3", "seeds: 4")
    text = page(changed, written=computed + 1)
    assert text.count(f"\n\n{evidence_page.CHANGED}\n\n") == 1 and "| old |" in text
    table.write_text("# Evidence\n\n## mAP\n\n| new |\n")
    os.utime(table, (computed + 2,) * 2)
    text = page(changed, written=computed + 1)
    assert evidence_page.CHANGED not in text and "| new |" in text
    table.write_text("# Evidence\n\n## mAP\n\n| old |\n")  # results of another machine, from before the change
    os.utime(table, (computed,) * 2)
    assert page(changed, written=computed + 1) == text
