"""What is wrong with the links of a folder of HTML pages."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Read(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value or "")
            elif name in ("href", "src") and value and not urlsplit(value).scheme:
                self.links.append(value)


def wrong_links(root: Path) -> list[str]:
    """Links that lead nowhere, anchors that their page lacks, and pages to which no way leads from index.html.

    MLflow's own folder is left out. Links to other hosts are not followed.
    """
    root = root.resolve()
    pages = {page: Read(page) for page in root.rglob("*.html") if page.relative_to(root).parts[0] != "mlflow"}
    wrong, leads_to = [], {}
    for page, read in pages.items():
        parts = [urlsplit(link) for link in read.links]
        targets = [(page.parent / unquote(part.path)).resolve() if part.path else page for part in parts]
        leads_to[page] = set(targets) & pages.keys()
        for link, part, target in zip(read.links, parts, targets, strict=True):
            if not target.exists():
                wrong.append(f"{page.relative_to(root)}: {link} leads nowhere")
            elif target in pages and unquote(part.fragment) not in pages[target].anchors:
                wrong.append(f"{page.relative_to(root)}: {link} leads to no anchor")
    reached, ways = set(), [root / "index.html"]
    while ways:
        page = ways.pop()
        if page not in reached:
            reached.add(page)
            ways += leads_to.get(page, ())
    return wrong + [f"{page.relative_to(root)} is not reached" for page in sorted(pages.keys() - reached)]
