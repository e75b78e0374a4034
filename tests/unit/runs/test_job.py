"""What a run records of its job."""

from snakemake.iocontainers import Namedlist

from tracklearn.runs.job import by_name, cell_of, flatten


def test_nested_settings_are_named_by_dots():
    assert dict(flatten({"a": {"b": 1, "c": {"d": None}}, "e": [1, 2]})) == {"a.b": "1", "a.c.d": "None", "e": "[1, 2]"}


def test_long_settings_are_cut_and_counted():
    settings = dict(flatten({"videos": list(range(1000)), "text": "x" * 600}))
    assert settings["videos"].startswith("[0, 1, 2, ") and settings["videos"].endswith("... (1000 in all)")
    assert settings["text"] == "x" * 500 + "... (600 in all)"


def test_files_without_a_name_are_the_input():
    files = Namedlist(["a.h5", "b.h5", "c.h5", "d.h5"])
    files._add_name("stores")
    files._set_name("stores", 0, end=2)
    files._set_name("parent", 2)
    assert by_name(files) == {"stores": ["a.h5", "b.h5"], "parent": ["c.h5"], "input": ["d.h5"]}


def test_a_job_writes_one_cell_the_cells_of_a_row_or_none():
    cells = [f"results/cells/table1/voc2012-val/scratch/{name}.json" for name in ("cat", "dog")]
    assert cell_of(cells[:1]) == "table1/voc2012-val/scratch/cat"
    assert cell_of(["results/tables/table1.csv"]) is None
    assert cell_of(cells) == "table1/voc2012-val/scratch"
