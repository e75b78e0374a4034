"""Settings of the blocks `patches` and `subsets`: the stored pairs of patches, and which of them a training sees."""

from typing import ClassVar, Self

from pydantic import model_validator

from tracklearn.settings.base import Count, NotNegative, Positive, Settings, Share, setting


class Packing(Settings):
    """How pairs of patches are stored, and which pairs are dropped."""

    where: ClassVar[str] = "patches"

    size: Count = setting(
        227, "Side of a stored patch; a box with another side is resized to it", unit="pixels", paper="§4"
    )
    quality: int = setting(95, "Quality of the stored JPEGs", ge=1, le=100)
    duplicate_bits: int | None = setting(
        5,
        "A pair is dropped if the difference hashes (64 bits) of both its patches differ in at most this many bits "
        "from the hashes of a kept pair of the same video. `null` keeps all pairs",
        unit="bits",
        ge=0,
        le=64,
        assume="on real clips the nearest pairs are 21 bits apart with one candidate in 30 frames, and 8 bits with one "
        "candidate in 10 frames",
    )
    min_change: NotNegative | None = setting(
        1,
        "A pair is dropped as a frozen image if its box stays in place and its two patches differ on average by less "
        "than this value. `null` keeps all pairs",
        unit="grey levels",
        assume="the patches of every pair of real clips differ by 4 or more",
    )


class Published(Settings):
    """A published set of patches that takes the place of mining."""

    where: ClassVar[str] = "patches.import"

    folder: str = setting(..., "Folder of the patches")
    list: str = setting(..., "Text file with one `path label` a line; two consecutive lines are a pair")
    pairs_per_shard: Count = setting(..., "Number of pairs of one shard", unit="pairs")


class Patches(Packing):
    """How pairs are stored, how many a video yields, and where they come from."""

    per_video: Positive = setting(
        80,
        "Number of patches that a video is expected to yield; the plan computes from it how many shards a subset needs",
        unit="patches",
        paper="§4",
    )
    published: Published | None = setting(
        None, "Published patches that take the place of mined patches; `null` mines the videos", alias="import"
    )


class Subset(Settings):
    """A named part of the patches: an interval of the shards, and a number of patches in it.

    Shard n has the n-th place of the van der Corput sequence 0, 1/2, 1/4, 3/4, ... in [0, 1), so any number of shards
    is divided evenly, and a shard that is appended moves no other.
    """

    where: ClassVar[str] = "subsets"

    share: tuple[Share, Share] = setting(
        ..., "Interval [low, high) within [0, 1): the part of the shards that the subset may use"
    )
    patches: int | None = setting(
        None,
        "Number of patches of the subset. The shards of the interval are taken in order until they hold this many "
        "patches; if the whole interval holds fewer, the training takes them all, and the table states how many. "
        "`null` takes all patches of the interval",
        unit="patches",
        ge=2,
        multiple_of=2,
    )
    strict: bool = setting(False, "Whether a training with fewer than `patches` patches is an error")

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        low, high = self.share
        if low >= high:
            raise ValueError(f"share is [{low}, {high}]; expected an interval from low to high")
        return self
