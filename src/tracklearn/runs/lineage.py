"""The graph of runs: which runs a run was made from, and which cells of tables and which pages it stands behind."""

from dataclasses import dataclass, field

from tracklearn.runs.spool import Event, Spool


@dataclass(frozen=True)
class Node:
    """One run in the graph."""

    start: Event  # of the last attempt
    inputs: frozenset[str]  # keys of the runs that wrote its inputs, over all attempts behind its outputs
    line: str  # what it said at its end; "" before

    @property
    def is_network(self) -> bool:
        return bool(self.start.get("network"))


@dataclass
class Lineage:
    """The graph of all runs of a spool, as `refresh` last found it.

    Attributes:
        nodes: runs that began, by key.
        sizes: bytes of events, by key.
    """

    spool: Spool
    nodes: dict[str, Node] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    _offsets: dict[str, int] = field(default_factory=dict)  # bytes of events that were read, in whole lines
    _made_from: dict[str, set[str]] = field(default_factory=dict)  # run -> the runs that it is an input of

    def refresh(self) -> None:
        """Read what is new of each run: a long training, whose curves grow by the second, is not read again."""
        for key in self.spool.keys():  # noqa: SIM118 (no dictionary)
            size = self.spool.size(key)
            before = self.sizes.get(key, 0)
            if size == before:
                continue
            self.sizes[key] = size
            offset = self._offsets.get(key, 0) if size > before else 0  # a smaller file is another one
            new, self._offsets[key] = self.spool.starts_and_ends(key, offset)
            node = self._node(key) if new else None
            if node:
                for behind in self.nodes[key].inputs if key in self.nodes else ():
                    self._made_from[behind].discard(key)
                for behind in node.inputs:
                    self._made_from.setdefault(behind, set()).add(key)
                self.nodes[key] = node

    def targets(self, key: str) -> list[str]:
        """Keys of the runs that made a cell or a page from what this run wrote, itself included, newest first."""
        # Followed when asked for: most runs are asked for once, and following all of them takes seconds for thousands.
        seen = {key} & self.nodes.keys()
        waiting = list(seen)
        while waiting:
            new = self._made_from.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        starts = {name: self.nodes[name].start for name in seen}
        made = [name for name, start in starts.items() if start.get("cell") or start.get("pages")]
        return sorted(made, key=lambda name: (starts[name]["time"], name), reverse=True)

    def networks(self, key: str) -> list[str]:
        """The nearest runs behind a run that made a network: of a network, those that it was trained from."""
        found: list[str] = []
        waiting, seen = self._inputs(key), {key}
        while waiting:
            behind = waiting.pop(0)
            if behind not in seen:
                seen.add(behind)
                if self.nodes[behind].is_network:
                    found.append(behind)
                else:
                    waiting += self._inputs(behind)
        return found

    def _inputs(self, key: str) -> list[str]:
        return sorted(self.nodes[key].inputs & self.nodes.keys()) if key in self.nodes else []

    def _node(self, key: str) -> Node | None:
        starts = self.spool.attempts(key)
        inputs = frozenset(name for start in starts for keys in start["inputs"].values() for name in keys)
        return Node(starts[-1], inputs, self.spool.last_line(key)) if starts else None
