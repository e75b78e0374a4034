"""Which runs stand behind a cell or a page."""

from tracklearn.runs.lineage import Lineage
from tracklearn.runs.spool import Spool

START = {
    "event": "start", "time": 0.0, "name": "rule", "params": {}, "tags": {"rule": "rule"},
    "inputs": {}, "cell": None, "pages": [], "network": None,
}  # fmt: skip


def add(spool, key, *inputs, time=0.0, **start):
    """A run that finished, made from these runs."""
    spool.append(key, START | {"time": time, "inputs": {"files": list(inputs)}} | start)
    spool.append(key, {"event": "end", "time": time, "status": "FINISHED", "line": f"done {key}"})


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


def test_a_run_that_grew_is_read_from_where_it_ended_and_anew_only_after_a_start_or_an_end(tmp_path, monkeypatch):
    spool = Spool(tmp_path)
    add(spool, "net")
    lineage = Lineage(spool)
    lineage.refresh()
    offsets, whole = [], []
    starts_and_ends = Spool.starts_and_ends

    def observed(self, key, offset=0):
        (offsets if offset else whole).append(offset)
        return starts_and_ends(self, key, offset)

    monkeypatch.setattr(Spool, "starts_and_ends", observed)
    first = spool.size("net")
    for step in range(3):
        spool.append("net", {"event": "metrics", "time": 0.0, "step": step, "values": {"loss": 1.0}})
        lineage.refresh()
    assert len(offsets) == 3 and offsets == sorted(set(offsets)) and offsets[0] == first and not whole
    half, rest = b'{"event": "end", "time": 0.0, "status": "FAILED", ', b'"line": "no disk"}\n'
    for part, line in ((half, "done net"), (rest, "no disk")):
        with open(spool.events_file("net"), "ab") as file:
            file.write(part)
        lineage.refresh()
        assert lineage.nodes["net"].line == line
    spool.events_file("net").unlink()
    spool.append("net", START | {"network": "net"})
    lineage.refresh()
    assert lineage.nodes["net"].is_network and lineage.sizes == {"net": spool.size("net")}
