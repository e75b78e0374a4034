"""The data sets that a job reads: name, digest and source, from the params and inputs that its rule declares."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklearn.runs.output import counted
from tracklearn.runs.spool import key_of

SUFFIX = "_digest"  # of a param that holds the digest of data
ORDER = "reading_order"  # the digest of an order, which no data set has
SHARDS = "results/patches/"


def datasets_of(
    params: Mapping[str, Any], inputs: Mapping[str, Sequence[str]], origins: Mapping[str, Any], image_set: str = ""
) -> list[dict[str, str]]:
    """The data sets of a job as `[{"name", "digest", "source"}]`.

    Args:
        params: a param `{kind}_digest` holds the digest of the photos, annotations or other files that the job reads,
            or one digest for each image set.
        inputs: paths by name.
        origins: by path, what stands for the file: the key of the run that wrote the file, or its path, size and time.
            The digest of patch shards follows from their origins and the subset, because hashing terabytes takes hours.
        image_set: the set that a wildcard names, if one does.
    """
    image_set = image_set or params.get("image_set") or _image_set(inputs)
    found = []
    for param, value in params.items():
        kind = param.removesuffix(SUFFIX)
        if not param.endswith(SUFFIX) or kind == ORDER or not value:
            continue
        if source := _source(kind, params, inputs):
            of_several_sets = isinstance(value, list | tuple)
            place = "NYUv2" if kind == "split" or "nyuv2" in params else Path(source).name
            what = "given normals" if kind == "given" else kind.replace("_", " ")
            words = [place, "" if of_several_sets else image_set, what]
            digest = key_of(value) if of_several_sets else str(value)
            found.append({"name": " ".join(filter(None, words)), "digest": digest, "source": source})
    if shards := [
        path for paths in inputs.values() for path in paths if path.startswith(SHARDS) and path[-3:] == ".h5"
    ]:
        subset = [params.get("patches"), params.get("inner")]
        number = "all" if subset[0] is None else subset[0]
        digest = key_of([[origins[path] for path in shards], subset])
        name = f"{number} patches of {counted(len(shards), 'shard')}" if "patches" in params else "patch shards"
        found.append({"name": name, "digest": digest, "source": " ".join(shards)})
    return found


def _source(kind: str, params: Mapping[str, Any], inputs: Mapping[str, Sequence[str]]) -> str:
    """The folder or file that a digest is of; "" if the job reads none of this kind."""
    if kind == "given":
        return str(params["settings"].get("given") or "")
    if devkit := params.get("devkit"):
        return f"{devkit['voc']}/VOC{devkit['year']}"
    if scenes := params.get("scenes"):
        return str(scenes["root"])
    if "split_digest" in params:
        return next(iter(inputs.get("truth", [])), "NYUv2")
    return str(next((params[name] for name in ("nyuv2", "folder", "directory") if params.get(name)), "data"))


def _image_set(inputs: Mapping[str, Sequence[str]]) -> str:
    """The image set that the files of proposals, `{set}-{part}.npz`, are of."""
    sets = {Path(path).stem.rpartition("-")[0] for path in inputs.get("proposals", [])}
    return sets.pop() if len(sets) == 1 else ""
