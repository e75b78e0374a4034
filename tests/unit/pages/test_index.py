import re
from pathlib import Path

import pytest
from worlds.links import wrong_links

from tracklearn.pages.index import write_index
from tracklearn.pages.rendering import STAGES, render


@pytest.fixture
def results(tmp_path):
    """A results folder with two pages of templates, and a page that has no title."""
    folder = tmp_path / "results"
    for page, heading in {"scenes/val/scenes.html": "a", "scenes/test/scenes.html": "b"}.items():
        (folder / page).parent.mkdir(parents=True)
        render("scenes.html.jinja", folder / page, pictures=[], protocol=heading)
    (folder / "patches").mkdir()
    (folder / "patches/00000.html").write_text("<title>Mining &amp; <b> 00000</title>")
    (folder / "table1.html").write_text("no title")
    write_index(folder)
    return folder


def links(page):
    return re.findall(r'href="([^"]*)"', page.read_text())


def test_the_index_leads_to_every_page_under_its_stage(results):
    text = (results / "index.html").read_text()
    assert links(results / "index.html")[len(STAGES) :] == [
        "table1.html",
        "patches/00000.html",
        "scenes/test/scenes.html",
        "scenes/val/scenes.html",
    ]
    assert text.index('id="scenes"') < text.index("scenes/test/scenes.html") < text.index('id="normals"')
    assert "Mining &amp; &lt;b&gt; 00000" in text
    assert ">table1</a>" in text  # by its file, since it has no title
    assert ">Scenes (test)</a>" in text
    assert ">Scenes (val)</a>" in text
    assert text.count("No page yet.") == len(STAGES) - 3


def test_every_page_leads_back_to_an_existing_heading_of_the_index(results):
    headings = re.findall(r'id="(\w+)"', (results / "index.html").read_text())
    assert headings == [stage.lower() for stage in STAGES]
    for page in (results / "scenes/val/scenes.html", results / "index.html"):
        ways = links(page)[: len(STAGES)]
        assert [way.partition("#")[2] for way in ways] == headings
        for way in ways:
            assert (page.parent / way.partition("#")[0]).resolve() == results / "index.html"


def test_a_page_elsewhere_has_no_way_to_an_index(tmp_path):
    render("scenes.html.jinja", tmp_path / "page.html", pictures=[], protocol="val")
    assert "<nav>" not in (tmp_path / "page.html").read_text()


def test_without_pages_there_is_no_index(tmp_path):
    write_index(tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_relative_results_folder_has_the_same_ways(results, monkeypatch):
    monkeypatch.chdir(results.parent)
    render("scenes.html.jinja", Path("results/scenes/val/scenes.html"), pictures=[], protocol="val")
    assert links(results / "scenes/val/scenes.html")[0] == "../../index.html#tables"


def test_wrong_links_are_found(tmp_path):
    pages = {
        "index.html": '<a href="a%20b.html#top">a</a><a href="https://example.org/gone"></a>',
        "a b.html": '<p id="top"></p><img src="gone.png" alt=""><a href="index.html#no">i</a>',
        "sub/new.html": '<a href="../index.html">i</a><a href="#mine">m</a>',
        "mlflow/run.html": '<a href="gone.html">g</a>',
    }
    for name, text in pages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert sorted(wrong_links(tmp_path)) == [
        "a b.html: gone.png leads nowhere",
        "a b.html: index.html#no leads to no anchor",
        "sub/new.html is not reached",
        "sub/new.html: #mine leads to no anchor",
    ]
