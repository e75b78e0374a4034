"""Which runs stand behind a cell or a page."""

from tracklearn.runs.lineage import Lineage
from tracklearn.runs.spool import Spool


def add(spool, key, *inputs, time=0.0, **start):
    """A run that finished, made from these runs."""
    event = {"time": time, "inputs": {"files": list(inputs)}, "cell": None, "pages": [], "network": None}
    spool.append(key, {"event": "start", **event, **start})
    spool.append(key, {"event": "end", "status": "FINISHED", "line": f"done {key}"})


def test_targets_and_nearest_networks_of_a_graph_by_hand(tmp_path):
    #   shard -> first -> second -> cell2 -> page
    #              \---> cell1 -------------/
    spool = Spool(tmp_path)
    add(spool, "shard", "a-run-that-is-gone")
    add(spool, "first", "shard", network="first")
    add(spool, "second", "first", network="second")
    add(spool, "cell1", "first", cell="table1/p/one", time=1.0)
    add(spool, "cell2", "second", cell="table1/p/two", time=2.0)
    add(spool, "page", "cell1", "cell2", pages=["t.html"], time=3.0)
    lineage = Lineage(spool)
    lineage.refresh()
    assert lineage.targets("shard") == lineage.targets("first") == ["page", "cell2", "cell1"]
    assert lineage.targets("second") == ["page", "cell2"]
    assert lineage.targets("page") == ["page"]
    assert lineage.networks("shard") == []
    assert lineage.networks("second") == lineage.networks("cell1") == ["first"]
    assert sorted(lineage.networks("page")) == ["first", "second"]
    assert lineage.nodes["page"].line == "done page"


def test_a_run_that_changed_is_read_again(tmp_path):
    spool = Spool(tmp_path)
    add(spool, "a")
    lineage = Lineage(spool)
    lineage.refresh()
    add(spool, "b", "a", cell="table2/p/net")
    lineage.refresh()
    assert lineage.targets("a") == ["b"]
    add(spool, "b", cell="table2/p/net")  # made again, whole, from nothing
    lineage.refresh()
    assert lineage.targets("a") == []
