"""The shards of videos and of the pairs mined from them, as the rules of videos, mining and patches look them up."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.experiment.file_digests import ABSENT, digest_of_files, text_digest
from tracklearn.experiment.video_index import VideoIndex, video_index
from tracklearn.files import keep_text, read_json
from tracklearn.patches.pairs_list import read_shard_lines, shard_starts
from tracklearn.videos.lists import ledger_of, plan_shards
from tracklearn.videos.manifest import COLUMNS as MANIFEST_COLUMNS

LEDGER = Path("results/videos/shards.json")
KEPT_INDEX = Path(".snakemake/tracklearn/videos.json")


class MiningPlan:
    """What follows from the blocks `videos` and `patches` of a complete configuration.

    Args:
        config: the configuration.
        of_job, videos: as those of `Plan`.
    """

    def __init__(self, config: Mapping[str, Any], *, of_job: bool, videos: int | None) -> None:
        self._settings, self._published = config["videos"], config["patches"]["import"]
        self._of_job, self._videos = of_job, videos

    @cached_property
    def _list(self) -> VideoIndex:
        """The list of videos, which is read when a target needs it."""
        return video_index(self._settings["list"], kept=KEPT_INDEX, of_job=self._of_job)

    @cached_property
    def shards(self) -> dict[str, range]:
        """The places in the list of each shard's videos; none where pairs are imported."""
        if self._published:
            return {}
        size = self._settings["shard_size"]
        if self._videos is not None:
            return plan_shards(self._videos, [], size)
        ledger = read_json(LEDGER) if LEDGER.exists() else []
        if not len(self._list):
            raise UserError(f"{self._settings['list']}: the list holds no video; append lines of `video_id<TAB>source`")
        return plan_shards(len(self._list), ledger, size)

    @property
    def patch_shards(self) -> list[str]:
        """Names of the shards of patches, mined or imported."""
        return list(self.shards) or [f"{number:05d}" for number in range(len(self._published_starts))]

    def record_boundaries(self) -> None:
        """Keep where the shards in use begin and end: videos appended to the list start a new shard."""
        if vars(self).get("shards"):
            keep_text(LEDGER, json.dumps(ledger_of(self.shards)))

    def sources(self, shard: str) -> "Deferred":
        """[video_id, source] of a shard's videos, and of a video that is listed again the id of the first.

        The scheduler holds the digest of these lines: those of 10 million videos take 2 GB.
        """
        return Deferred(self._of_lines(lambda: self._list.digest(self.shards[shard])), lambda: self._sources(shard))

    def _sources(self, shard: str) -> list[list[str]]:
        first = self._list.repeats
        videos = self._list.videos(self.shards[shard])
        return [[*video, *([first[video.video_id]] if video.video_id in first else [])] for video in videos]

    def _of_lines(self, digest: Callable[[], str]) -> str:
        """A digest of lines; "" if the list has changed since it was indexed, which the job that reads them reports."""
        try:
            return digest()
        except UserError:  # of an error raised here when a job starts, Snakemake would print a traceback
            return ""

    def local_videos_digest(self, shard: str) -> str:
        """Digest of a shard's local video files: a shard with a replaced file is probed and mined again."""

        def digest() -> str:
            videos = self._list.videos(self.shards[shard]) if self._list.has_files else []
            files = [video.source for video in videos if "://" not in video.source]
            return digest_of_files(files, known=dict.fromkeys(files, ABSENT))

        return self._of_lines(digest)

    def shards_with_unreachable_videos(self) -> list[str]:
        """The finished shards that have videos whose download may succeed later."""
        paths = {shard: Path(f"results/videos/{shard}.tsv") for shard in self.shards}
        return [shard for shard, path in paths.items() if path.exists() and _has_unreachable(path)]

    def finished_shards_digest(self) -> str:
        """Digest of the manifests and patch counts that are there: with another shard, the crawl's summary is new."""
        patterns = ("results/videos/{}.tsv", "results/patches/{}.json")
        return digest_of_files(pattern.format(shard) for pattern in patterns for shard in self.shards)

    def shard_files(self, suffix: str) -> list[str]:
        """One file of each shard in results/patches."""
        return [f"results/patches/{shard}{suffix}" for shard in self.patch_shards]

    def mined_files(self, pattern: str) -> list[str]:
        """One file of each mined shard, `{}` being its name; imported shards have none."""
        return [pattern.format(shard) for shard in self.shards]

    @cached_property
    def _published_starts(self) -> list[int]:
        try:
            return shard_starts(self._published["list"], self._published["pairs_per_shard"])
        except FileNotFoundError as error:
            raise UserError(
                f"patches.import.list: no file {self._published['list']}; expected lines of `path label`"
            ) from error

    def imported_pairs_digest(self, shard: str) -> str:
        """Digest of a shard's lines in the published list, and of the patch files that these lines name."""
        start = self._published_starts[int(shard)]
        lines = read_shard_lines(self._published["list"], start, self._published["pairs_per_shard"])
        files = (Path(self._published["folder"], line.rsplit(maxsplit=1)[0].lstrip("/")) for line in lines)
        return text_digest("\n".join([*lines, digest_of_files(files)]))


class Deferred(str):
    """A param that is a digest to Snakemake, and to the script the list that is read when the job starts.

    Snakemake holds the params of all jobs, and pickles those of a job that starts.
    """

    _read: Callable[[], list[Any]]

    def __new__(cls, digest: str, read: Callable[[], list[Any]]) -> "Deferred":
        """A digest, and what reads the list."""
        self = super().__new__(cls, digest)
        self._read = read
        return self

    def __reduce__(self) -> tuple[type[Any], tuple[Any]]:
        try:
            return list, (self._read(),)
        except UserError as error:  # of an error raised here, Snakemake would print a traceback
            return Unreadable, (str(error),)


class Unreadable(str):
    """Why a list could not be read: a job that goes through it instead of the list reports this in one line."""

    def __iter__(self) -> Iterator[str]:
        """Give nothing.

        Raises:
            UserError: with the reason.
        """
        raise UserError(str(self))


def _has_unreachable(manifest: Path) -> bool:
    """Whether a manifest has a row of this status; only rows are split that have the word, as there are millions."""
    status = MANIFEST_COLUMNS.index("status")
    lines = manifest.read_text(encoding="utf-8").split("\n")
    return any(line.split("\t")[status] == "unreachable" for line in lines if "\tunreachable\t" in line)
