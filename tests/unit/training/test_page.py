import re

import pandas as pd
import pytest

from tracklearn.training.page import curves, models_page

CLOCK = {"lr": 0.1, "images_per_s": 1234.5, "waiting": 0}
RANKING = pd.DataFrame({"iteration": [1, 2], "loss": [1, 0.5], "violated": [1, 0.5], **CLOCK})
SOFTMAX = pd.DataFrame({"iteration": [5], "loss": [2], "accuracy": [0.25], **CLOCK})
MODELS = {
    "alex": {"train": "ranking", "from": "random", "subset": "8M", "schedule": "long", "seed": 3, "loss": "mild"},
    "tuned": {"train": "voc", "from": "alex", "schedule": "short"},
    "<given>": {"train": "given", "weights": "x.caffemodel"},
}


@pytest.fixture
def made(tmp_path):
    logs, filters = [], []
    for name, log in {"alex": RANKING, "tuned": SOFTMAX, "<given>": None}.items():
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "conv1.png").write_bytes(b"filters")
        filters.append(folder / "conv1.png")
        if log is not None:
            log.to_csv(folder / "log.csv", index=False)
            logs.append(folder / "log.csv")
    metrics = models_page(models=MODELS, logs=logs, filters=filters, protocol="val", page=tmp_path / "models.html")
    return metrics, (tmp_path / "models.html").read_text()


def test_the_page_tells_what_each_network_learned_from_and_where_its_training_ended(made):
    metrics, page = made
    assert metrics == {"networks": 3, "trainings": 2}
    rows = [
        [cell.split("</td>")[0] for cell in row.split("<td>")[1:]] for row in page.split("<tr>")[1:] if "<td>" in row
    ]
    heads = [head.split("</th>")[0] for head in page.split("<th>")[1:]]
    alex, tuned, given = (dict(zip(heads, row, strict=True)) for row in rows)
    assert alex | {"network": "alex", "train": "ranking", "subset": "8M", "seed": "3", "iteration": "2"} == alex
    assert (alex["ranking loss"], tuned["ranking loss"]) == ("mild", "-")
    assert (alex["loss"], alex["violated"], alex["accuracy"], alex["images_per_s"]) == ("0.5", "0.5", "-", "1,234")
    assert "pairs" not in heads  # all pairs are tracked
    assert (tuned["from"], tuned["iteration"], tuned["loss"], tuned["accuracy"]) == ("alex", "5", "2", "0.25")
    assert (given["network"], given["train"], given["loss"]) == ("&lt;given&gt;", "given", "-")


def test_the_page_names_the_kind_of_pairs_of_a_control(tmp_path):
    models = {"mine": MODELS["alex"], "its control": MODELS["alex"] | {"pairs": "random-box"}}
    models_page(models=models, logs=[], filters=[], protocol="val", page=tmp_path / "models.html")
    page = (tmp_path / "models.html").read_text()
    assert "<th>subset</th><th>pairs</th><th>schedule</th>" in re.sub(r">\s+<", "><", page)
    assert page.count("<td>random-box</td>") == 1


def test_every_picture_is_named(made):
    _, page = made
    captions = [caption.split("</figcaption>")[0] for caption in page.split("<figcaption>")[1:]]
    assert captions == ["alex", "tuned", "alex", "tuned", "&lt;given&gt;"]  # two kinds of training, three networks


def test_curves_have_a_panel_for_each_measurement_and_a_line_for_each_network():
    figure = curves({"alex": RANKING, "berta": RANKING})
    panels, (legend,) = figure.axes, figure.legends
    assert [panel.get_title() for panel in panels] == ["loss", "violated"]
    assert [text.get_text() for text in legend.get_texts()] == ["alex", "berta"]
    assert panels[0].lines[0].get_ydata().tolist() == [1, 0.5]


def test_many_networks_look_different_and_the_legend_covers_none():
    figure = curves({f"network {number}": RANKING for number in range(40)})
    for panel in figure.axes:
        assert len({(line.get_color(), line.get_linestyle()) for line in panel.lines}) == 40
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert all(panel.get_window_extent().x1 <= legend.x0 for panel in figure.axes)
