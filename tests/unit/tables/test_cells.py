from tracklearn.tables.cells import read_cell, row_metrics, write_cells

CELLS = {"cat": {"value": None, "reason": "no test image"}, "dog": {"value": 31.0}, "mAP": {"value": 31.0}}


def test_each_cell_goes_to_the_path_named_after_its_class(tmp_path):
    paths = [tmp_path / "cells/table1/voc2007/scratch" / f"{name}.json" for name in CELLS]
    write_cells(paths, CELLS, row="scratch", runs=["a"])
    assert [read_cell(path) for path in paths] == [
        {"class": name, "row": "scratch", "runs": ["a"], **cell} for name, cell in CELLS.items()
    ]


def test_a_cell_without_a_value_is_no_metric():
    assert list(row_metrics(CELLS).items()) == [("mAP", 31.0), ("AP.dog", 31.0)]
