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
    told = "Few clips. (protocol labelled-test; `make evidence-controls`)"
    assert f"## Does more help?\n\n{told}\n\n| line | sun8.linear |\n" in text
    assert "Real clips: does more data help?" not in text
    assert "## Evidence\n\n(demo; protocol labelled-test; `make evidence`)\n\n" in text
    assert "\n\n### mAP\n\n| row |" in text


def test_a_table_of_earlier_settings_says_so(evidence_page, root):
    table = root / "demo/results/tables/labelled-test/evidence.md"
    table.parent.mkdir(parents=True)
    table.write_text("# Evidence\n\n## mAP\n\n| row |\n")
    assert evidence_page.CHANGED not in evidence_page.page(root)
    config = root / "demo/config/config.yaml"
    config.write_text(config.read_text().replace("seeds: 3", "seeds: 4"))
    os.utime(config, (table.stat().st_mtime + 1,) * 2)
    assert evidence_page.page(root).count(evidence_page.CHANGED) == 1
    os.utime(table, (table.stat().st_mtime + 2,) * 2)  # computed anew
    assert evidence_page.CHANGED not in evidence_page.page(root)
