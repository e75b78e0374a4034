"""Settings of the block `videos`: the list of videos and their download."""

from typing import ClassVar

from tracklearn.settings.base import Count, Natural, NotNegative, Positive, Settings, setting


class Listing(Settings):
    """The list of videos and the folder in which they are kept."""

    where: ClassVar[str] = "videos"

    list: str = setting(
        "data/videos.tsv",
        "TSV file with the columns `video_id` and `source`. A source is a YouTube id, a URL that yt-dlp takes, or a "
        "local path relative to the working folder. Append new videos at the end, so that existing shards keep their "
        "videos",
    )
    directory: str = setting("data/videos", "Folder in which downloads are kept")
    shard_size: Count = setting(100, "Number of videos of one shard, the unit of work", unit="videos")


class Download(Settings):
    """Which videos are fetched, how fast, and how long that may take."""

    where: ClassVar[str] = "videos"

    max_height: Count = setting(
        480,
        "Largest length of the shorter side of a download: the height, or the width of a portrait video",
        unit="pixels",
        assume="the smallest usual size that holds a frame of 448 pixels",
    )
    max_duration: Positive = setting(
        600,
        "Longest duration of a video that is downloaded",
        unit="seconds",
        assume="uploads of more than ten minutes rarely show one scene",
    )
    timeout: Positive = setting(
        900,
        "Time that the download of one video may take, retries included; the rests that a host asks for do not count. "
        "Reading what a file holds may take as long",
        unit="seconds",
    )
    retries: Natural = setting(
        3, "Number of tries after the first try fails; the wait doubles from one try to the next"
    )
    max_speed: Positive | None = setting(
        None,
        "Highest speed of one download job, whose `threads.download` downloads get equal parts of it; `null` sets no "
        "limit. Each job has this speed: `snakemake --resources downloads=1` runs one download job at a time",
        unit="bytes per second",
    )
    pause: NotNegative = setting(
        0, "Shortest time between the starts of two downloads of one job from the same host", unit="seconds"
    )
    max_wait: NotNegative = setting(
        300,
        "Longest rest that a host may ask for (`Retry-After`). All downloads of the job from this host wait as long as "
        "it asks; if it asks for longer, its videos are `unreachable` at once",
        unit="seconds",
        assume="a host that is busy for longer is asked again by `snakemake retry_unreachable`",
    )


class Videos(Download, Listing):
    """The list of videos, where they are kept, and their download."""
