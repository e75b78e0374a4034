"""The tables and the schema follow from the settings, and `--check` finds those that do not."""

import json
from pathlib import Path

import jsonschema
import pytest

from tracklearn.errors import UserError
from tracklearn.settings.__main__ import main
from tracklearn.settings.documentation import json_schema, table, with_tables

README = """# Configuration
<!-- settings: detection.detect -->
<!-- end -->
Text between.
<!-- settings: saving -->
| an old table |
<!-- end -->
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return [str(tmp_path / "README.md"), str(tmp_path / "schema.json")]


def test_a_table_states_default_unit_range_meaning_and_source() -> None:
    assert table("mining.frame") == (
        "| key | default | value | meaning |\n"
        "|---|---|---|---|\n"
        "| `height` | `448` | pixels; a whole number, at least 1 | Height of a resized frame. PAPER §4 |\n"
        "| `width` | `600` | pixels; a whole number, at least 1 | Width of a resized frame. PAPER §4 |\n"
    )


def test_an_assumption_is_marked() -> None:
    assert "Distance between two candidate frames. ASSUME: the paper does not say. " in table("mining.filter")


@pytest.mark.parametrize(
    ("block", "keys"),
    [
        ("mining", ["resample_fps", "timeout"]),  # its blocks have tables of their own
        ("detection", ["bootstrap", "server_scores"]),
        ("patches.import", ["folder", "list", "pairs_per_shard"]),
        ("subsets", ["share", "patches", "strict"]),
        ("table1", ["id", "label", "external", "models", "layer"]),
        ("top level", ["gpus_per_training", "comparisons", "section6", "frozen", "evidence", "evidence_normals"]),
    ],
)
def test_a_table_has_a_row_for_each_scalar_key(block: str, keys: list[str]) -> None:
    assert [row.split("`")[1] for row in table(block).splitlines()[2:]] == keys


def test_schedules_have_one_table_for_both_kinds() -> None:
    keys = [row.split("`")[1] for row in table("schedules").splitlines()[2:]]
    assert keys[:3] == ["lr", "iterations", "batch"]
    assert keys[-4:] == ["stages", "dropout", "fc8_lr", "fc7_lr"]
    assert len(keys) == len(set(keys))
    assert "| `lr` | required | a number above 0 |" in table("schedules")


def test_only_what_stands_between_markers_is_replaced() -> None:
    text = with_tables(README)
    assert text.startswith("# Configuration\n<!-- settings: detection.detect -->\n| key |")
    assert "\n<!-- end -->\nText between.\n<!-- settings: saving -->\n| key |" in text
    assert "an old table" not in text
    assert with_tables(text) == text


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(UserError, match=r"^settings: mining\.filtre is no block of the configuration; write its path"):
        with_tables("<!-- settings: mining.filtre -->\n<!-- end -->\n")


@pytest.mark.parametrize(
    "text",
    [
        "<!-- settings: saving -->\n",
        "<!-- settings: saving -->\n<!-- settings: threads -->\n<!-- end -->\n",
    ],
)
def test_a_marker_without_its_end_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected <!-- end --> after every table"):
        with_tables(text)


def test_files_are_written_and_then_up_to_date(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(files) == 0
    assert main([*files, "--check"]) == 0
    assert Path(files[0]).read_text(encoding="utf-8") == with_tables(README)
    assert capsys.readouterr().err == ""


def test_check_names_each_file_that_is_out_of_date_and_changes_none(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, "--check"]) == 1
    remedy = f"run python -m tracklearn.settings {files[0]} {files[1]}"
    assert capsys.readouterr().err.splitlines() == [f"{file} is out of date; {remedy}" for file in files]
    assert Path(files[0]).read_text(encoding="utf-8") == README
    assert not Path(files[1]).exists()


def test_a_broken_marker_is_one_line(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[0]).write_text("<!-- settings: saving -->\n", encoding="utf-8")
    assert main(files) == 1
    assert capsys.readouterr().err.startswith(f"{files[0]}: 1 markers of settings")


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({}, True),
        ({"patches": {"import": {"folder": "f", "list": "l", "pairs_per_shard": 2}}}, True),
        ({"subsets": {"a": {"share": [0, 1]}}}, True),
        ({"schedules": {"s": {"lr": 0.1, "iterations": 1, "batch": 1, "stages": "one"}}}, True),
        ({"network": {"mean_bgr": [1, 2]}}, False),
        ({"mining": {"filter": {"every": 0}}}, False),
        ({"video": {}}, False),
        ({"models": {"net": {}}}, False),
    ],
)
def test_the_schema_tells_right_from_wrong(config: dict[str, object], fits: bool) -> None:
    schema = json.loads(json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(config) is fits
