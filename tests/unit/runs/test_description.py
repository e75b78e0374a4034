"""The description of a run, within the characters that a tag holds."""

import re

from tracklearn.runs.description import STAGES, description

PAGES = [(f"results/detection/voc/pages/row{number}.html", f"#/runs/{number}") for number in range(200)]


def test_a_description_of_few_pages_links_them_all():
    text = description("mining_track", "done", [*PAGES[:1], ("results/t.html", "")], 8000)
    assert text == (
        f"{STAGES['mining']}\n\ndone\n\nPages: [results/detection/voc/pages/row0.html](#/runs/0), `results/t.html`"
    )
    assert description("mining_track", "", [], 8000) == STAGES["mining"]


def test_a_description_of_200_pages_ends_after_a_whole_link_and_counts_the_others():
    every = description("mining_track", "done", PAGES, 20_000)
    assert every.endswith("(#/runs/199)")
    for length in (400, 8000, len(every) - 1):
        text = description("mining_track", "done", PAGES, length)
        links, left = text.rpartition(", and ")[::2]
        shown = re.findall(r"\[(.*?)\]\((.*?)\)", links)
        assert 0 < len(shown) < 200 and shown == PAGES[: len(shown)]
        assert left == f"{200 - len(shown)} more, see results/index.html"
        assert length - 100 < len(text) <= length
    assert description("mining_track", "done", PAGES, len(every)) == every
