from tracklearn.tables.formats import grid, write_csv


def test_grid_is_markdown():
    assert grid([{"a": 1, "b": 2}]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert grid([{"a": 1, "b": 2}], ["c", "d"]) == "| c | d |\n| --- | --- |\n| 1 | 2 |"


def test_a_csv_keeps_every_digit_and_leaves_missing_values_empty(tmp_path):
    write_csv(tmp_path / "t.csv", [{"row": "a, b", "mAP": 40.0}, {"row": "c", "mAP": None}])
    assert (tmp_path / "t.csv").read_text().splitlines() == ["row,mAP", '"a, b",40.0', "c,"]


def test_a_csv_without_rows_has_a_header(tmp_path):
    write_csv(tmp_path / "t.csv", [], ["row", "mAP"])
    assert (tmp_path / "t.csv").read_text().splitlines() == ["row,mAP"]
