"""The graph of runs: which runs a run was made from, and which cells of tables and which pages it stands behind."""

from collections.abc import Iterator
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
    _behind: dict[str, list[str]] = field(default_factory=dict)  # run -> the runs after it that made a cell or a page

    def refresh(self) -> None:
        """Read what is new of each run: a long training, whose curves grow by the second, is not read again."""
        changed = False
        for key in self.spool.keys():  # noqa: SIM118 (no dictionary)
            size = self.spool.size(key)
            before = self.sizes.get(key, 0)
            if size == before:
                continue
            self.sizes[key] = size
            offset = self._offsets.get(key, 0) if size > before else 0  # a smaller file is another one
            new, self._offsets[key] = self.spool.starts_and_ends(key, offset)
            node = self._node(key) if new else None
            if node and node != self.nodes.get(key):
                self.nodes[key] = node
                changed = True
        if changed:
            self._follow_targets()

    def targets(self, key: str) -> list[str]:
        """Keys of the runs that made a cell or a page from what this run wrote, itself included, newest first."""
        return self._behind.get(key, [])

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

    def _follow_targets(self) -> None:
        """Walk from each run that made a cell or a page to all runs behind it."""
        self._behind = {}
        made = [key for key, node in self.nodes.items() if node.start.get("cell") or node.start.get("pages")]
        for target in sorted(made, key=lambda key: self.nodes[key].start["time"], reverse=True):
            for key in self._with_all_behind(target):
                self._behind.setdefault(key, []).append(target)

    def _with_all_behind(self, target: str) -> Iterator[str]:
        seen, waiting = {target}, [target]
        while waiting:
            key = waiting.pop()
            yield key
            new = (self.nodes[key].inputs - seen) & self.nodes.keys()
            seen |= new
            waiting += new
