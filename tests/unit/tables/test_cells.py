import numpy as np

from tracklearn.tables.cells import read_cell, row_metrics, write_cells, write_empty_row

CELLS = {"cat": {"value": None, "reason": "no test image"}, "dog": {"value": 31.0}, "mAP": {"value": 31.0}}


def test_each_cell_goes_to_the_path_named_after_its_class(tmp_path):
    paths = [tmp_path / "cells/table1/voc2007/scratch" / f"{name}.json" for name in CELLS]
    write_cells(paths, CELLS, row="scratch", runs=["a"])
    assert [read_cell(path) for path in paths] == [
        {"class": name, "row": "scratch", "runs": ["a"], **cell} for name, cell in CELLS.items()
    ]


def test_the_cells_of_an_empty_row_say_what_is_missing(tmp_path):
    paths = [tmp_path / f"{name}.json" for name in CELLS]
    missing = "no images; put them there"
    write_empty_row(
        row="rcnn", classes=["cat", "dog"], reason=missing, cells=paths, replicates=tmp_path / "rcnn.npz", runs=["a"]
    )
    cells = [read_cell(path) for path in paths]
    assert [(cell["row"], cell["class"], cell["value"]) for cell in cells] == [("rcnn", name, None) for name in CELLS]
    assert {cell["reason"] for cell in cells} == {missing}
    assert (cells[-1]["classes"], np.load(tmp_path / "rcnn.npz")["mAP"].shape) == (0, (0,))


def test_a_cell_without_a_value_is_no_metric():
    assert list(row_metrics(CELLS).items()) == [("mAP", 31.0), ("AP.dog", 31.0)]
