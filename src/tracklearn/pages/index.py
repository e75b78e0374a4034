"""results/index.html: the way to every page of an experiment, and from each of them to the others."""

import html
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tracklearn.pages.rendering import STAGES, render

TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
HEAD = 1000  # bytes of a page that hold its title


class Link(NamedTuple):
    """A page, relative to the index."""

    path: str
    title: str


def write_index(results: str | Path = "results") -> None:
    """Write index.html with a link to each page below a results folder; does nothing if there is none."""
    folder = Path(results)
    pages = {stage: _pages(folder, patterns) for stage, patterns in STAGES.items()}
    if any(pages.values()):
        render("index.html.jinja", folder / "index.html", pages=pages)


def _pages(folder: Path, patterns: tuple[str, ...]) -> list[Link]:
    """Pages with their titles; where several pages have one title, the folder of their protocol stands behind it."""
    found = sorted(path for pattern in patterns for path in folder.glob(pattern) if path.name != "index.html")
    titles = Counter(map(_title, found))
    links = []
    for page in found:
        path, title = page.relative_to(folder), _title(page)
        ambiguous = titles[title] > 1 and len(path.parts) > 2
        links.append(Link(path.as_posix(), f"{title} ({path.parts[1]})" if ambiguous else title))
    return links


def _title(page: Path) -> str:
    """The page's own title, or else its name."""
    with page.open(encoding="utf-8", errors="replace") as file:
        title = TITLE.search(file.read(HEAD))
    return html.unescape(title[1].strip()) if title else page.stem
