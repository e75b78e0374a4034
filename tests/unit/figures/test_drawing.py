import json

import numpy as np
from PIL import Image

from tracklearn.figures.drawing import (
    WIDTH,
    Outputs,
    draw_without_replacement,
    in_print,
    inches,
    new_figure,
    repeats_last,
    write_figure,
    write_placard,
)


def outputs(folder, name):
    return Outputs(*(folder / f"{name}.{suffix}" for suffix in ("png", "svg", "json")))


@in_print
def drawn(files):
    figure = new_figure(2)
    axes = inches(figure, 1, 0.5, 1, 1)
    axes.imshow(np.zeros((4, 4)), cmap="gray")
    figure.text(0.8, 0.5, "text")
    write_figure(figure, files, caption="A square", drawn=["a"], notes=["b"])


def test_a_figure_has_300_dpi_the_width_of_print_and_its_parts_in_inches(tmp_path):
    drawn(outputs(tmp_path, "a"))
    image = Image.open(tmp_path / "a.png")
    assert image.size == (round(300 * WIDTH), 600)
    assert np.allclose(image.info["dpi"], 300, atol=0.1)
    pixels = np.asarray(image.convert("L"))
    assert not pixels[152:448, 302:598].any()
    assert (pixels[:148] == 255).all()
    assert json.loads((tmp_path / "a.json").read_text()) == {"caption": "A square", "drawn": ["a"], "notes": ["b"]}


def test_equal_figures_give_equal_files(tmp_path):
    for name in "ab":
        drawn(outputs(tmp_path, name))
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_placard_notes_its_reason(tmp_path):
    write_placard(outputs(tmp_path, "a"), "Figure 9: nothing is there; add something")
    described = json.loads((tmp_path / "a.json").read_text())
    assert described == {"caption": "", "drawn": [], "notes": ["Figure 9: nothing is there; add something"]}
    assert (np.asarray(Image.open(tmp_path / "a.png").convert("L")) < 100).any()


def test_repeats_come_after_all_first_places():
    assert repeats_last(["a", "a", "b", "a", "c", "b"]) == [0, 2, 4, 1, 5, 3]
    assert repeats_last([]) == []


def test_a_draw_depends_on_its_seed_alone_and_repeats_no_number():
    numbers = draw_without_replacement(1000, 3, 7, 2)
    assert numbers == draw_without_replacement(1000, 3, 7, 2) != draw_without_replacement(1000, 3, 8, 2)
    assert len(set(numbers)) == 60
    assert sorted(draw_without_replacement(5, 3, 7, 2)) == [0, 1, 2, 3, 4]
    assert draw_without_replacement(0, 3, 7, 2) == []
