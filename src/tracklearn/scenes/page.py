"""The page of the scenes: which categories are taken for which."""

from collections.abc import Sequence
from pathlib import Path

from tracklearn.pages.rendering import Picture, render


def scenes_page(*, confusions: Sequence[str | Path], protocol: str, page: str | Path) -> dict[str, float]:
    """Write the page, with the picture of the confusions of each network, or of GIST, in a file named after it."""
    pictures = [Picture(Path(path).read_bytes(), Path(path).stem) for path in confusions]
    render("scenes.html.jinja", page, pictures=pictures, protocol=protocol)
    return {"pictures": len(pictures)}
