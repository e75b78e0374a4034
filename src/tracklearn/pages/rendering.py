"""Pages from the Jinja2 templates in `templates/`; what a template shows is escaped unless the template says `safe`."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracklearn.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


STAGES = {
    "Tables": ("table*.html", "section6.html", "frozen.html"),
    "Figures": ("figures.html",),
    "Mining": (
        "videos/summary.html",
        "patches/[0-9]*.html",
    ),
    "Pairs": ("patches/pairs.html",),
    "Models": ("models/*/models.html",),
    "Detection": ("detection/*/pages/*.html", "detection/*/compared/*/*.html"),  # a row's page leads to its classes
    "Retrieval": ("retrieval/**/*.html",),
    "Scenes": ("scenes/**/*.html",),
    "Normals": ("normals/**/*.html",),
}
"""Where the pages of each stage lie below results/. Every page leads to these headings of the index."""


class Picture(NamedTuple):
    """A picture for the macro `figure` of a template.

    Attributes:
        image: the bytes of an image file.
        caption: text below the picture.
        kind: "png" or "jpeg".
    """

    image: bytes
    caption: str
    kind: str = "png"

    @classmethod
    def of(cls, figure: "Figure", caption: str) -> Self:
        """A figure of matplotlib."""
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=110)
        return cls(image.getvalue(), caption)

    @property
    def source(self) -> str:
        """The image as a `data:` URL, so that the page needs no other file."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.image).decode()}"


def render(template: str, page: str | Path, **content: Any) -> None:
    """Write a page.

    Args:
        template: file name of a template, in full: by it, the template is part of the digest of the caller's code.
        page: the HTML file to write.
        content: the variables of the template, all of which must be given.
    """
    text = TEMPLATES.get_template(template).render(content, home=_home(Path(page)), stages=list(STAGES))
    write_text(page, text)


def _home(page: Path) -> str | None:
    """The index of all pages as seen from a page below results/; None for a page elsewhere."""
    folders = page.parts[:-1]
    return "../" * folders[::-1].index("results") + "index.html" if "results" in folders else None
