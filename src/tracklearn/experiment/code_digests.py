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
from contextlib import suppress
from functools import cache
from pathlib import Path

from tracklearn.experiment.file_digests import digest_of_files
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

    Every job plans anew, and parsing the package would take longer than the rest of its plan. The digests are kept in a
    file until a script or a file of the package has another size or time.
    """
    names = sorted(str(path.relative_to(scripts)) for path in scripts.rglob("*.py"))
    sources = [path for path in PACKAGE.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    state = digest_of_files([*sources, *(scripts / name for name in names)])
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(kept.read_text())
        if found["state"] == state:
            return dict(found["digests"])
    digests = {name: digest(scripts / name) for name in names}
    with suppress(OSError):  # it need not be writable
        write_json(kept, {"state": state, "digests": digests}, indent=None, shared=True)
    return digests


def digest(script: str | Path) -> str:
    """Digest of the package's code and data behind a script: the first 16 hex digits of a SHA-256."""
    whole = hashlib.sha256()
    for file in sorted(reachable(script)):
        whole.update(f"{file.relative_to(PACKAGE)}={_file_digest(file)};".encode())
    return whole.hexdigest()[:16]


def reachable(script: str | Path) -> set[Path]:
    """Modules of this package that `script` imports, directly or through each other, and the data files they name."""
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        new = _used_by(waiting.pop()) - found
        found |= new
        waiting += new
    return found


@cache
def _used_by(file: Path) -> set[Path]:
    """Modules and data files of this package that a module, or a template, names itself."""
    data = _data_files()
    if file.suffix != ".py":  # a template names those that it extends
        return {path for name, path in data.items() if name in file.read_text(encoding="utf-8")} - {file}
    modules: set[str] = set()
    used: set[Path] = set()
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, file)
            # `from tracklearn.mining import surf` may name a module or something inside one: both are tried.
            modules |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in data:
            used.add(data[node.value])
    return used | {path for name in modules for path in _module_files(name)}


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


@cache
def _data_files() -> dict[str, Path]:
    """Files of the package that are no code, by name: page templates and the paper's numbers."""
    code = {".py", ".pyc", ".nbi", ".nbc", ".typed"}  # .nbi and .nbc are numba's
    return {path.name: path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in code}


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


@cache
def _file_digest(file: Path) -> str:
    """Digest of a data file's bytes, or of a module's syntax tree without what changes no result."""
    if file.suffix != ".py":
        return hashlib.sha256(file.read_bytes()).hexdigest()
    _used_by(file)  # is kept; the tree that it reads changes in the next line
    tree = _Silenced().visit(_parsed(file))
    return hashlib.sha256(_text(tree).encode()).hexdigest()


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
