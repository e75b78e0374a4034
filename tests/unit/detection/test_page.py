import re
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from worlds.devkit import HEIGHT, WIDTH

from tracklearn.detection.average_precision import score, write_row
from tracklearn.detection.boxes_on_photos import COLOURS, Evaluated, draw_boxes
from tracklearn.detection.compare import differences, write_comparison
from tracklearn.detection.page import count_kinds, write_pages
from tracklearn.errors import UserError
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import read_cell
from tracklearn.voc.annotations import Voc

CLASSES = ["cat", "dog", "bird"]


@pytest.fixture
def devkit_of(devkit):
    return {"voc": devkit, "year": 2012, "image_set": "test", "classes": CLASSES}


@pytest.fixture
def evaluated(devkit_of, tmp_path):
    """A function that evaluates a row of detections (class, image, object or box, score); there is no SVM for birds."""
    photos = Voc(devkit_of["voc"], classes=CLASSES)
    ids = photos.images("test")

    def evaluate(row, found):
        label, image, boxes, scores = zip(*found, strict=True)
        boxes = [
            photos.objects(ids[at]).boxes[box] if np.isscalar(box) else box
            for at, box in zip(image, boxes, strict=True)
        ]
        np.savez(tmp_path / f"{row}.npz", ids=ids, classes=CLASSES, label=label, image=image,
                 boxes=np.array(boxes, np.float32), scores=np.array(scores, float))  # fmt: skip
        np.savez(tmp_path / "svms.npz", classes=CLASSES, reasons=["", "", "no training object of class bird"])
        cells = [tmp_path / f"cells/{row}/{name}.json" for name in (*CLASSES, "mAP")]
        scored = score(**devkit_of, detections=tmp_path / f"{row}.npz", svms=tmp_path / "svms.npz", draws=100)
        write_row(scored, row=row, cells=cells, replicates=tmp_path / f"bootstrap-{row}.npz")
        return tmp_path / f"{row}.npz", cells, tmp_path / f"bootstrap-{row}.npz"

    return evaluate


# Three cats, a dog taken for a cat, a corner of the background; and the difficult dog.
OURS = [(0, 0, 0, 3.0), (0, 1, 0, 2.5), (0, 3, 1, 2.0), (0, 2, 0, 1.0), (0, 4, [0, 80, 9, 89], -1.0), (1, 1, 1, 1.0)]
THEIRS = [(0, 0, 0, 3.0), (0, 4, 0, 2.0), (1, 0, 1, 1.0)]


@pytest.fixture
def pages(devkit_of, evaluated, tmp_path):
    def write(row="ours", found=OURS, **changes):
        detections, cells, _ = evaluated(row, found)
        class_pages = [tmp_path / f"pages/{row}/{name}.html" for name in CLASSES]
        metrics = write_pages(
            **devkit_of | changes, detections=detections, cells=cells, row=row, label="<i>ours</i>", protocol="p",
            page=tmp_path / f"pages/{row}.html", class_pages=class_pages,
        )  # fmt: skip
        return metrics, (tmp_path / f"pages/{row}.html").read_text(), [path.read_text() for path in class_pages]

    return write


def rows_of(text):
    """The texts of the cells of every row of the tables on a page."""
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)] for row in rows
    ]


def test_a_row_and_each_class_have_a_page(pages):
    metrics, row, (cat, dog, bird) = pages()
    assert metrics["pictures"] == cat.count("<img ") + dog.count("<img ") == (3 + 2 + 2) + 4
    lines = {line[0]: line[1:] for line in reversed(rows_of(row)) if line}  # the first table has the last word
    # Best F1: 3 of 5 cats by 4 boxes.
    assert lines["cat"][1:] == ["5", "3", "66.7%", "1.0000", "3", "0", "0", "1", "0", "2"]
    assert lines["dog"][1:] == ["4", "0", "-", "-", "0", "0", "0", "0", "0", "4"]
    assert lines["bird"] == ["no training object of class bird"]
    assert "&lt;i&gt;ours" in row
    assert "This class has no figures: no training object of class bird." in bird
    kinds = {line[0]: line[1:4] for line in rows_of(cat) if line and len(line) == 6}
    assert kinds == {
        "right": ["3", "3", "3"], "localisation": ["0"] * 3, "double": ["0"] * 3,
        "other class": ["1"] * 3, "background": ["1", "0", "1"], "missed": ["2"] * 3,
    }  # fmt: skip
    assert re.findall(r"<figcaption>(test_3|test_4): ([^,]+), score", cat) == [
        ("test_3", "other class (dog)"), ("test_4", "background")
    ]  # fmt: skip
    assert cat.count("no box overlaps it") == 2 * 2  # two missed cats, as alt and as caption
    assert "best F1" in cat
    assert "nan" not in dog
    assert "polyline" in cat
    assert "polyline" not in dog  # its only box does not count


def test_every_link_leads_to_a_page(pages, tmp_path):
    pages()
    for page in (tmp_path / "pages").rglob("*.html"):
        links = [link for link in re.findall(r'href="([^"]+)"', page.read_text()) if "tables" not in link]
        assert links
        assert all((page.parent / link).is_file() for link in links), page
        (table,) = set(re.findall(r'href="([^"]+tables[^"]+)"', page.read_text()))
        below = Path("results/detection/p") / page.relative_to(tmp_path).parent
        assert (tmp_path / below / table).resolve() == (tmp_path / "results/tables/p/table1.html").resolve()


def test_an_object_whose_box_comes_below_the_threshold_is_not_shown_as_right(devkit_of, evaluated):
    images = Evaluated.read(**devkit_of)
    judged = images.judged(evaluated("ours", OURS)[0])["cat"]
    late, right = (images.picture_of_object(judged, 2, 0, threshold=threshold) for threshold in (1.5, 1.0))
    assert late.caption.endswith(": found only at score 1.000, below 1.500, overlap 1.00")
    assert right.caption.endswith(": right, score 1.000, overlap 1.00")
    pixels = [simplejpeg.decode_jpeg(picture.image).astype(int) for picture in (late, right)]
    shown = [
        [bool((abs(each - COLOURS[name]).max(axis=2) < 40).any()) for name in ("late", "right")] for each in pixels
    ]
    assert shown == [[True, False], [False, True]]


def test_rows_with_one_label_have_their_own_headings(pages):
    headings = {re.search("<h1>(.*)</h1>", text)[1] for row in ("a", "b") for text in (pages(row)[1], *pages(row)[2])}
    assert len(headings) == 2 * (1 + len(CLASSES))


def test_counts_of_right_and_wrong_boxes_add_up(devkit_of, evaluated):
    detections, _, _ = evaluated("ours", OURS)
    judged = Evaluated.read(**devkit_of).judged(detections)["cat"]
    right, *wrong, missed = count_kinds(judged, best=1.0)
    assert [right[at] + sum(line[at] for line in wrong) for at in (2, 3, 4)] == [5, 4, 5]
    assert [right[at] + missed[at] for at in (2, 3, 4)] == [5, 5, 5]
    assert right.gain is None
    assert missed.gain > 0


def test_detections_of_other_images_are_refused(pages):
    with pytest.raises(UserError, match=r"ours\.npz: its images are not the 3 evaluation images; detect again"):
        pages(image_set="val")


def test_boxes_are_drawn_where_they_are():
    drawn = draw_boxes(
        np.full((HEIGHT, WIDTH, 3), 200, np.uint8), [(np.array([60, 45, 119, 89]), (0, 0, 255))], side=60
    )
    assert drawn.shape == (45, 60, 3)
    blue = np.argwhere((drawn == (0, 0, 255)).all(axis=2))
    assert (blue.min(axis=0) - (22, 30)).tolist() == pytest.approx([0, 0], abs=1)  # half of 45 and 60
    assert blue.max(axis=0).tolist() == [44, 59]


def test_two_rows_side_by_side(devkit_of, evaluated, tmp_path):
    files = [evaluated("ours", OURS), evaluated("theirs", THEIRS)]
    detections, cells, bootstraps = zip(*files, strict=True)
    metrics = write_comparison(
        **devkit_of, rows=["ours", "theirs"], labels=["a", "<b>"], detections=detections, cells=cells,
        bootstraps=bootstraps, protocol="p", page=tmp_path / "compared.html",
    )  # fmt: skip
    page = (tmp_path / "compared.html").read_text()
    assert metrics == {"only_ours": 2, "only_theirs": 2}
    lines = rows_of(page)
    assert ["cat", "1", "2", "1", "1"] in lines  # of five: the first, the second and third, the last, the fourth
    assert ["dog", "0", "0", "1", "3"] in lines
    assert re.findall(r"<figcaption>(test_\d)", page) == ["test_1", "test_2", "test_4", "test_0"]
    assert page.count("<svg ") == 2
    assert "&lt;b&gt;" in page
    values = [read_cell(paths[0])["value"] for paths in cells]
    cat = next(line for line in lines if line and line[0] == "cat" and len(line) == 5 and "[" in line[4])
    assert cat[1:4] == [f"{values[0]:.1f}", f"{values[1]:.1f}", f"{values[0] - values[1]:+.1f}"]
    assert ["bird", "-", "-", "-", "-"] in lines


def test_the_interval_of_a_difference_is_paired(evaluated):
    (_, cells, ours), (_, other, theirs) = evaluated("ours", OURS), evaluated("theirs", THEIRS)
    by_class = [{read_cell(path)["class"]: read_cell(path) for path in paths} for paths in (cells, other)]
    replicates = [np.load(path) for path in (ours, theirs)]
    mean, cat, *_ = differences(by_class, [ours, theirs], CLASSES)
    assert (mean.name, cat.name) == ("mAP", "cat")
    assert cat.interval == interval(replicates[0]["replicates"][:, 0] - replicates[1]["replicates"][:, 0])
    assert cat.interval[0] < cat.difference < cat.interval[1]
    same = differences([by_class[0]] * 2, [ours, ours], CLASSES)
    assert [line.interval for line in same] == [[0, 0], [0, 0], [0, 0], None]
