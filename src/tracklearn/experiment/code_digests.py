"""Digests of the code behind a rule, so that an edit re-runs exactly the jobs whose result it can change.

Snakemake re-runs a job when the script of its rule changes, but not when a module changes that the script imports.
Every rule therefore has the parameter `code`, the digest of all modules of this package that its script imports,
directly or through each other, and of the data files that these modules name. Some edits cannot change a result and
are left out of the digest:

- comments, docstrings, calls that log or warn, and the texts of `UserError`s;
- the modules listed in `SILENT`, which report, limit or arrange what a job does.
"""

import ast
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tracklearn.experiment.file_digests import file_state
from tracklearn.files import write_json

PACKAGE = Path(__file__).parents[1]

SILENT = frozenset(
    {
        "download",  # accepts only files with the expected contents
        "errors",
        "experiment",  # decides which jobs there are; what it tells a job is in the job's parameters
        "files",
        "hdf5",
        "machine",  # devices, threads, memory
        "networks.filters",  # the picture of conv1
        "normals.codebook_picture",
        "ranking.stall",  # a warning
        "report",
        "runs",
        "scenes.confusion",  # a picture
        "settings",  # a job's parameters hold every setting, defaults included
        "training.launch",  # as many processes as there are compute what one does
        "training.progress",
        "videos.deadline",  # limits of time are no parameters either
        "videos.downloads",  # decides when a download is tried and how fast it is
        "videos.progress",
        "videos.shard_loop",  # as many processes as there are find what one does
    }
)
SPEAKERS = {"log", "progress", "warnings"}  # objects with methods that only tell people something, ...
SPEECH = {"debug", "info", "warning", "error", "exception", "critical", "warn"}  # ... which are these
VERSIONED = {"type_params", "type_comment", "kind"}  # fields that only some versions of Python have


def digests_of(scripts: Path, *, kept: Path) -> dict[str, str]:
    """Digest of each script, by its path below the folder `scripts`.

    Every job plans anew, and parsing the package would take longer than the rest of its plan. `kept` therefore holds
    the digests, and what was read of each source: after an edit, only sources that have another size or time are
    parsed. They go by their paths relative to the package, so that nothing is parsed in a copy of the project either.
    """
    package, paths = _package_files(), sorted(scripts.rglob("*.py"))
    states = {_name(path): list(file_state(path)) for path in [*package, *paths]}
    rules = list(file_state(__file__))
    earlier = _earlier(kept, rules)
    if earlier["states"] == states:
        return dict(earlier["digests"])
    code = Code(package)
    if earlier["states"].keys() == states.keys():  # a new file may be what a name in an old one means
        for name, (digest, used) in earlier["sources"].items():
            if name in states and earlier["states"][name] == states[name]:
                code.sources[_path(name)] = Source(digest, frozenset(map(_path, used)))
    digests = {str(path.relative_to(scripts)): code.digest(path) for path in paths}
    sources = {
        _name(file): [source.digest, sorted(map(_name, source.used))] for file, source in sorted(code.sources.items())
    }
    found = {"rules": rules, "states": states, "sources": sources, "digests": digests}
    with suppress(OSError):  # it need not be writable
        write_json(kept, found, indent=None, shared=True)
    return digests


def _earlier(kept: Path, rules: list[int]) -> dict[str, Any]:
    """What `digests_of` kept, or nothing of it where the file is missing or spoilt, or this module was another one."""
    blocks = ("states", "sources", "digests")
    with suppress(OSError, ValueError):
        found = json.loads(kept.read_text())
        if not isinstance(found, dict) or found.get("rules") != rules:
            found = {}
        if all(isinstance(found.get(block), dict) for block in blocks):
            return found
    return {block: {} for block in blocks}


def _package_files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]


def _name(file: Path) -> str:
    return os.path.relpath(file, PACKAGE)


def _path(name: str) -> Path:
    return Path(os.path.normpath(PACKAGE / name))


class Source(NamedTuple):
    """What counts of a file."""

    digest: str
    """Of a data file's bytes, or of a module's syntax tree without what changes no result."""
    used: frozenset[Path]
    """The modules and data files of this package that it names itself."""


class Code:
    """The files of this package and the scripts that use it, each read when it is first asked for.

    Args:
        files: the files of the package.

    Attributes:
        sources: what was read so far.
    """

    def __init__(self, files: Iterable[Path] | None = None) -> None:
        self.sources: dict[Path, Source] = {}
        no_data = {".py", ".typed", ".nbi", ".nbc"}  # the last two are numba's
        listed = _package_files() if files is None else files
        self._data = {path.name: path for path in listed if path.suffix not in no_data}

    def digest(self, script: str | Path) -> str:
        """Digest of the package's code and data behind a script: the first 16 hex digits of a SHA-256."""
        whole = hashlib.sha256()
        for file in sorted(self.reachable(script)):
            whole.update(f"{file.relative_to(PACKAGE)}={self._source(file).digest};".encode())
        return whole.hexdigest()[:16]

    def reachable(self, script: str | Path) -> set[Path]:
        """Modules of this package that `script` imports, directly or through each other, and the data that they name.

        The data are files that are no code, such as page templates and the paper's numbers.
        """
        found: set[Path] = set()
        waiting = [Path(script)]
        while waiting:
            new = self._source(waiting.pop()).used - found
            found |= new
            waiting += new
        return found

    def _source(self, file: Path) -> Source:
        if file not in self.sources:
            self.sources[file] = self._module(file) if file.suffix == ".py" else self._data_file(file)
        return self.sources[file]

    def _data_file(self, file: Path) -> Source:
        content = file.read_bytes()
        # A template names those that it extends.
        used = {path for name, path in self._data.items() if name.encode() in content} - {file}
        return Source(hashlib.sha256(content).hexdigest(), frozenset(used))

    def _module(self, file: Path) -> Source:
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        modules: set[str] = set()
        used: set[Path] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(node, file)
                # `from tracklearn.mining import surf` may name a module or something inside one: both are tried.
                modules |= {base} | {f"{base}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in self._data:
                used.add(self._data[node.value])
        used |= {path for name in modules for path in _module_files(name)}
        text = _text(_Silenced().visit(tree))
        return Source(hashlib.sha256(text.encode()).hexdigest(), frozenset(used))


def _absolute(node: ast.ImportFrom, file: Path) -> str:
    """Dotted name of the module that a `from ... import` refers to."""
    if node.level == 0:
        return node.module or ""
    package = file.parents[node.level - 1].relative_to(PACKAGE.parent)
    return ".".join([*package.parts, *([node.module] if node.module else [])])


def _module_files(name: str) -> list[Path]:
    """The module's file and the `__init__` of the packages around it; nothing outside this package or silent."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name or {".".join(parts[1:2]), ".".join(parts[1:3])} & SILENT:
        return []
    bases = [PACKAGE.parent.joinpath(*parts[:depth]) for depth in range(2, len(parts) + 1)]
    return [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()]


def _text(node: object) -> str:
    """A syntax tree as text that is the same in every version of Python; `ast.dump` shows empty fields in some."""
    if isinstance(node, ast.AST):
        fields = [(name, getattr(node, name, None)) for name in node._fields if name not in VERSIONED]
        inside = ",".join(f"{name}={_text(value)}" for name, value in fields if value is not None and value != [])
        return f"{type(node).__name__}({inside})"
    return f"[{','.join(map(_text, node))}]" if isinstance(node, list) else repr(node)


class _Silenced(ast.NodeTransformer):
    """Takes docstrings, calls that log or warn, and the texts of `UserError`s out of a syntax tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant):  # a docstring, of an attribute too
            return None
        match node.value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=speaker), attr=method)):
                if speaker in SPEAKERS and method in SPEECH:
                    return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) and node.exc.func.id == "UserError":
            node.exc = node.exc.func
        return self.generic_visit(node)
