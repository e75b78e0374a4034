import json
import re

import pytest
from PIL import Image

from tracklearn.figures.page import figures_page


@pytest.fixture
def page(tmp_path):
    """A function that writes the page of figure 3 and of figure 6 of a protocol."""
    files = {".png": [], ".svg": [], ".json": []}
    for name in ("figure3", "p/figure6"):
        for suffix, listed in files.items():
            listed.append(tmp_path / f"results/figures/{name}{suffix}")
            listed[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2070, 300), "red").save(files[".png"][-1])
        content = {"caption": f"Caption of {name} & <b>", "drawn": ["first", "second"], "notes": ["v7: is gone"]}
        files[".json"][-1].write_text(json.dumps(content))

    def write(**change):
        path = tmp_path / "results/figures/p/figures.html"
        arguments = {
            "pngs": files[".png"],
            "svgs": files[".svg"],
            "descriptions": files[".json"],
            "left_out": {
                "figure2": "the pairs are imported",
                "figure5": "figures.unit_model names no model",
                "figure8": "table2 has no row of a network",
            },
            "pages": {"figure7": str(tmp_path / "results/retrieval/p/figure7.html")},  # which is not there
            "protocol": "p",
        }
        return figures_page(**arguments | change, page=path), path.read_text()

    return write


def test_every_figure_stands_beside_the_papers_or_says_why_not(page):
    metrics, text = page()
    assert metrics == {"figures": 2, "left_out": 3}
    for number in (2, 3, 5, 6, 7, 8):
        assert f"<h2>Figure {number}, section " in text
    assert "Left out: the pairs are imported." in text
    assert "Left out: figures.unit_model names no model." in text
    assert text.count('src="data:image/jpeg;base64,') == 2
    assert text.count("v7: is gone") == 2
    assert "Caption of figure3 &amp; &lt;b&gt;" in text
    assert text.count("<li>first</li>") == 2
    assert len(text) < 100_000


def test_links_lead_to_the_files_for_print_and_to_figure_7(page):
    _, text = page()
    for link in ("figures/figure3.png", "figures/figure3.svg", "figures/p/figure6.png", "retrieval/p/figure7.html"):
        assert f'href="../../{link}"' in text
    assert re.search(r"a target of its own, <code>\S+results/retrieval/p/figure7.html</code>", text)


def test_without_figure_7_the_page_says_so(page):
    metrics, text = page(pages={})
    assert metrics == {"figures": 2, "left_out": 4}
    assert "figure7.html" not in text
    assert "Left out: it needs annotated evaluation images" in text


def test_a_figure_may_have_a_page_of_its_own_beside(page, tmp_path):
    _, text = page(pages={"figure6": str(tmp_path / "results/figures/p/figure6.html")})
    assert '<a href="../../figures/p/figure6.html">figure 6</a>.</p>' in text
    assert text.count('src="data:image/jpeg;base64,') == 2
