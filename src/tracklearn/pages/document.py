"""What the pages of a run are made of: one file with its style and its pictures inside."""

import base64
import html
from collections.abc import Mapping

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; } figure { display: inline-block; margin: .5rem; } figcaption { font-size: 13px; color: #555; }
"""


def document(title: str, heading: str, sections: Mapping[str, str]) -> str:
    """A page of sections by their headings, each already HTML."""
    body = "".join(f"<h2>{html.escape(name)}</h2>\n{content}\n" for name, content in sections.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{html.escape(heading)}</h1>\n{body}</html>\n"
    )


def embedded(picture: bytes, caption: str, *, kind: str = "png") -> str:
    """A picture (the bytes of a PNG or JPEG file) with its caption, inside the page."""
    source = base64.b64encode(picture).decode()
    text = html.escape(caption)
    return f'<figure><img src="data:image/{kind};base64,{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'
