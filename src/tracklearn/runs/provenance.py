"""What computed a result: the commit of the code and the versions of the libraries."""

import platform
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from tracklearn.runs.spool import Spool

# Libraries that compute, and the distributions that may hold each.
OPENCV = ["opencv-contrib-python-headless", "opencv-contrib-python", "opencv-python-headless", "opencv-python"]
LIBRARIES = ["torch", "torchvision", "numpy", "opencv", "av", "h5py", "scikit-learn", "scipy", "numba", "simplejpeg"]
TAG = "version."


def git_tags() -> dict[str, str]:
    """Commit of the code that runs, and whether files differ from the commit; nothing outside a repository."""
    # Tags are excluded, so that the answer is the full hash.
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude", "*"]
    try:
        answer = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    commit, _, dirty = answer.stdout.strip().partition("-")
    return {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": "true" if dirty else "false"}


def version_tags() -> dict[str, str]:
    """`{"version.torch": "2.11.0", ...}` of Python and the installed libraries, which are not imported."""
    from importlib import metadata  # noqa: PLC0415

    tags = {f"{TAG}python": platform.python_version()}
    for library in LIBRARIES:
        for distribution in OPENCV if library == "opencv" else [library]:
            try:
                tags.setdefault(f"{TAG}{library}", metadata.version(distribution))
            except metadata.PackageNotFoundError:
                continue
    return tags


def versions_behind(spool: Spool, keys: Iterable[str]) -> dict[str, dict[str, int]]:
    """Library versions of these runs and all runs behind their inputs: {library: {version: number of runs}}.

    A run that resumed with another version of a library counts for both versions; a run without recorded versions
    counts for none.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    waiting = list(dict.fromkeys(keys))
    found = set(waiting)
    while waiting:
        attempts = spool.attempts(waiting.pop())
        tags = {tag for attempt in attempts for tag in attempt["tags"].items() if tag[0].startswith(TAG)}
        for name, version in tags:
            counts[name.removeprefix(TAG)][version] += 1
        inputs = {key for attempt in attempts for named in attempt["inputs"].values() for key in named} - found
        found |= inputs
        waiting.extend(inputs)
    return {library: dict(sorted(counts[library].items())) for library in sorted(counts)}
