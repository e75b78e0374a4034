"""Digests of the code that a stage runs, so that an edit re-runs exactly the stages it can change.

Snakemake re-runs a job when the script of its rule changes, not when a module that the script imports does. Every rule
therefore carries `params: code=digest("workflow/scripts/...")`. The digest covers the modules of this package that the
script imports, directly or not, as syntax trees without comments and docstrings. Modules that change no result
(logging, error types) are left out.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

# These talk about results but never make them: an edit of a log line must not train eight networks again.
SILENT = frozenset({"runs", "report", "errors", "files", "experiment"})

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest(script: str | Path) -> str:
    """Digest the package code reachable from `script` (first 16 hex digits of a SHA-256)."""
    whole = hashlib.sha256()
    for module in sorted(reachable(script)):
        whole.update(f"{module.relative_to(PACKAGE)}={_tree_digest(module)};".encode())
    return whole.hexdigest()[:16]


def reachable(script: str | Path) -> set[Path]:
    """Files of this package that `script` imports, directly or through each other, `SILENT` ones left out."""
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        for module in _imports(waiting.pop()) - found:
            found.add(module)
            waiting.append(module)
    return found


@cache
def _imports(path: Path) -> set[Path]:
    """Files of this package that the file at `path` imports itself, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            # `from tracklearn.mining import kcf` may name a module or something inside one: both are tried.
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return {file for name in names for file in _files(name)}


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """Dotted name of the module that a `from ... import` refers to."""
    if node.level == 0:
        return node.module or ""
    package = path.parents[node.level - 1].relative_to(PACKAGE.parent)
    return ".".join([*package.parts, *([node.module] if node.module else [])])


def _files(name: str) -> list[Path]:
    """The module's file and the `__init__` of the packages between it and `tracklearn`; none outside this package."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name or (len(parts) > 1 and parts[1] in SILENT):
        return []
    files = []
    for depth in range(2, len(parts) + 1):
        base = PACKAGE.parent.joinpath(*parts[:depth])
        files += [file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()]
    return files


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _tree_digest(path: Path) -> str:
    """Digest of a file's syntax tree; comments are not in it, docstrings are taken out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
