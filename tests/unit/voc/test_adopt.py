"""Photos and annotations as people have them become a VOCdevkit that the project reads."""

import csv
import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from tracklearn.errors import UserError
from tracklearn.voc.adopt import _main, adopt
from tracklearn.voc.annotations import Voc

WIDTH, HEIGHT = 60, 40
BOX = (11, 6, 30, 25)  # 1-based, inclusive: a square of 20 pixels


def painted(seed=0, size=(WIDTH, HEIGHT), box=BOX):
    """A grey photo with a red box, distinct for each seed."""
    pixels = np.full((size[1], size[0], 3), 90 + seed, np.uint8)
    pixels[box[1] - 1 : box[3], box[0] - 1 : box[2]] = (230, 20, 20)
    return Image.fromarray(pixels)


def xml(*objects, size=(WIDTH, HEIGHT), filename="?", folder=""):
    """An annotation of objects (name, x1, y1, x2, y2)."""
    found = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for name, x1, y1, x2, y2 in objects
    )
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    return f"<annotation><folder>{folder}</folder><filename>{filename}</filename>{stated}{found}</annotation>"


@pytest.fixture
def photos(tmp_path):
    """A folder with two plain photos of a cat."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for seed, name in enumerate(("plain_1", "plain_2")):
        painted(seed).save(folder / f"{name}.jpg", quality=95)
        (folder / f"{name}.xml").write_text(xml(("cat", *BOX)))
    return folder


@pytest.fixture
def run(photos, tmp_path):
    """Adopt the folder; returns its reader, and the reasons by file as the table has them."""

    def adopted(classes=("cat",), **changed):
        out = tmp_path / "devkit"
        adopt(**{"images": photos, "annotations": photos, "out": out} | changed)
        with open(out / "adopted.tsv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        reasons = {row["file"].removeprefix("mine/"): [] for row in rows}
        for row in rows:
            reasons[row["file"].removeprefix("mine/")].append((row["outcome"], row["reason"]))
        return Voc(out, classes=classes), reasons

    return adopted


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def adopted_ids(voc):
    return sorted(voc.images("trainval") + voc.images("test"))


def test_a_clean_folder_is_copied_and_a_second_run_gives_the_same_bytes(photos, run):
    before = everything(photos)
    voc, reasons = run()
    assert all(of_file == [("kept", "")] for of_file in reasons.values())
    assert len(reasons) == 4
    assert adopted_ids(voc) == ["plain_1", "plain_2"]
    for image_id in adopted_ids(voc):
        assert voc.photo_path(image_id).read_bytes() == (photos / f"{image_id}.jpg").read_bytes()
        assert voc.objects(image_id).boxes.tolist() == [[10, 5, 29, 24]]
    first = everything(voc.root)
    assert {"adopted.html", "adopted.tsv"} <= {path.name for path in first}
    run()
    assert everything(voc.root) == first
    assert everything(photos) == before


def test_a_second_run_forgets_what_is_gone(photos, run):
    painted(9).save(photos / "extra.jpg")
    (photos / "extra.xml").write_text(xml(("cat", *BOX)))
    assert "extra" in adopted_ids(run()[0])
    (photos / "extra.jpg").unlink()
    voc, reasons = run()
    assert adopted_ids(voc) == ["plain_1", "plain_2"]
    assert not voc.photo_path("extra").exists()
    assert reasons["extra.xml"] == [("dropped", "no photo has its name")]


def test_what_a_killed_run_left_is_no_obstacle(run, tmp_path):
    (tmp_path / "devkit/.VOC2012.tmp/JPEGImages").mkdir(parents=True)
    (tmp_path / "devkit/.VOC2012.tmp/JPEGImages/old.jpg").write_text("")
    (tmp_path / "devkit/.adopted.tmp.tsv").write_text("")
    voc, _ = run()
    assert adopted_ids(voc) == ["plain_1", "plain_2"]
    assert sorted(path.stem for path in (voc.folder / "JPEGImages").iterdir()) == ["plain_1", "plain_2"]


@pytest.mark.parametrize("foreign", ["notes.txt", "VOC2012/JPEGImages/mine.jpg", "VOC2007/a"])
def test_a_folder_with_something_else_is_left_alone(foreign, run, tmp_path):
    file = tmp_path / "devkit" / foreign
    for _ in range(2):  # before any run, and beside an earlier result
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
        with pytest.raises(UserError, match=r"an earlier run has not written .*(notes|mine|VOC2007)"):
            run()
        assert file.read_text() == "mine"
        file.unlink()
        if file.parent.name == "VOC2007":
            file.parent.rmdir()
        run()


def test_wrong_arguments_are_one_line(photos, run, tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such folder"):
        run(images=tmp_path / "nowhere")
    with pytest.raises(UserError, match="lie in one another"):
        run(out=photos / "devkit")
    with pytest.raises(UserError, match="lie in one another"):
        run(out=tmp_path)
    with pytest.raises(UserError, match="split is 1"):
        run(split=1)
    (tmp_path / "devkit").write_text("a file")
    with pytest.raises(UserError, match="this is a file"):
        run()


def test_too_few_photos_are_an_error_and_the_page_says_why(photos, run, tmp_path):
    for file in photos.glob("*.xml"):
        file.unlink()
    for _ in range(2):
        with pytest.raises(UserError, match=r"0 of 2 photos can be used \(2 x no annotation has its name\)"):
            run()
    assert "mine/plain_1.jpg" in (tmp_path / "devkit/adopted.html").read_text()
    assert not list((tmp_path / "devkit").glob("*VOC2012*"))


# Where EXIF leaves the size as it is, an annotation cannot say that it was drawn in the stored photo.
@pytest.mark.parametrize(
    ("orientation", "drawn_in"),
    [*((each, "upright") for each in range(1, 9)), *((each, "stored") for each in (5, 6, 7, 8))],
)
def test_boxes_follow_a_photo_that_exif_turns(orientation, drawn_in, photos, run):
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    stored = io.BytesIO()
    painted(5).save(stored, "jpeg", quality=95, exif=exif)
    (photos / "turned.jpg").write_bytes(stored.getvalue())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(stored)), int)
    red = np.argwhere((upright[..., 0] > 160) & (upright[..., 1] < 60))
    (y1, x1), (y2, x2) = red.min(axis=0), red.max(axis=0)
    if drawn_in == "upright":
        size, box = upright.shape[1::-1], (x1 + 1, y1 + 1, x2 + 1, y2 + 1)
    else:
        size, box = (WIDTH, HEIGHT), BOX
    (photos / "turned.xml").write_text(xml(("cat", *box), size=size))
    voc, reasons = run()
    assert voc.size("turned") == upright.shape[1::-1]
    assert voc.objects("turned").boxes.tolist() == [[x1, y1, x2, y2]]
    assert np.abs(voc.image("turned").astype(int) - upright).mean() < 3
    assert (("repaired", "turned upright") in reasons["turned.jpg"]) == (orientation > 1)
    assert not Image.open(voc.photo_path("turned")).getexif().get(Base.Orientation, 1) > 1


def test_without_a_size_the_boxes_tell_in_which_photo_they_were_drawn(photos, run):
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    painted(5).save(photos / "turned.jpg", exif=exif)  # upright: 40 x 60
    (photos / "turned.xml").write_text(xml(("cat", 41, 6, 60, 25), size=(0, 0)))
    voc, reasons = run()
    assert voc.objects("turned").boxes.tolist() == [[40 - 25, 40, 40 - 6, 59]]
    assert ("repaired", "its boxes are turned with the photo") in reasons["turned.xml"]


@pytest.mark.parametrize(
    ("objects", "size", "boxes", "reason"),
    [
        ([("cat", *BOX)], (0, 0), [[10, 5, 29, 24]], "its size is missing or 0 x 0"),
        ([("cat", *BOX)], None, [[10, 5, 29, 24]], "its size is missing or 0 x 0"),
        ([("cat", *BOX)], ("60.0", "40.0"), [[10, 5, 29, 24]], ""),
        ([("cat", *BOX)], (WIDTH, HEIGHT + 9), [[10, 5, 29, 24]], "its size is another"),
        ([("cat", 21, 11, 60, 50)], (2 * WIDTH, 2 * HEIGHT), [[10, 5, 29, 24]], "its boxes are scaled"),
        ([("cat", 30, 25, 11, 6)], (WIDTH, HEIGHT), [[10, 5, 29, 24]], "the corners of a box are swapped"),
        ([("cat", 0, -3, 99, 20)], (WIDTH, HEIGHT), [[0, 0, 59, 19]], "a box is clipped to the photo"),
        ([("cat", *BOX), ("cat", 9, 9, 9, 20)], (WIDTH, HEIGHT), [[10, 5, 29, 24]], "a box without area is dropped"),
        (
            [("cat", *BOX), ("cat", 70, 9, 90, 20)],
            (WIDTH, HEIGHT),
            [[10, 5, 29, 24]],
            "a box outside the photo is dropped",
        ),
        (
            [("cat", *BOX), ("cat", "", "x", 3, 4)],
            (WIDTH, HEIGHT),
            [[10, 5, 29, 24]],
            "an object without four corners is dropped",
        ),
        ([("cat", *BOX), (" ", *BOX)], (WIDTH, HEIGHT), [[10, 5, 29, 24]], "an object without a class is dropped"),
        ([("\n cat ", *BOX)], (WIDTH, HEIGHT), [[10, 5, 29, 24]], "a class name is mended"),
        ([("Cat", *BOX)], (WIDTH, HEIGHT), [[10, 5, 29, 24]], "a class name is mended"),
        ([], (WIDTH, HEIGHT), [], ""),
    ],
)
def test_objects_are_repaired(objects, size, boxes, reason, photos, run):
    painted(7).save(photos / "odd.jpg")
    (photos / "odd.xml").write_text(xml(*objects, size=size))
    voc, reasons = run()
    assert voc.objects("odd").boxes.tolist() == boxes
    assert reasons["odd.xml"] == [("repaired", reason) if reason else ("kept", "")]


@pytest.mark.parametrize(
    "objects", [[("cat", 9, 9, 9, 20)], [("cat", 70, 9, 90, 20)], [("cat", "nan", 1, "inf", 9)], [("", *BOX)]]
)
def test_a_photo_whose_boxes_are_all_useless_is_no_background(objects, photos, run):
    painted(7).save(photos / "odd.jpg")
    (photos / "odd.xml").write_text(xml(*objects))
    voc, reasons = run()
    assert "odd" not in adopted_ids(voc)
    assert reasons["odd.xml"] == [("dropped", "its boxes cannot be used")]
    assert reasons["odd.jpg"] == [("dropped", "its partner is dropped")]


def test_boxes_of_another_picture_are_not_guessed(photos, run):
    painted(7).save(photos / "odd.jpg")
    (photos / "odd.xml").write_text(xml(("cat", 5, 5, 150, 90), size=(200, 100)))
    assert run()[1]["odd.xml"] == [("dropped", "its boxes cannot be used")]


def test_photos_in_other_formats_become_jpegs(photos, run):
    rgba = painted(3).convert("RGBA")
    rgba.putpixel((0, 0), (0, 0, 0, 0))
    rgba.save(photos / "rgba.jpg", format="png")
    painted(4).save(photos / "PNG.PNG")
    painted(5).convert("CMYK").save(photos / "cmyk.jpeg")
    Image.fromarray(np.full((HEIGHT, WIDTH), 257 * 128, np.uint16)).save(photos / "grey16.png")
    whole = io.BytesIO()
    painted(6).save(whole, "jpeg", quality=95)
    after_jfif = 2 + 18  # the start of the image and its first segment
    (photos / "dirty.jpg").write_bytes(whole.getvalue()[:after_jfif] + b"\x12\x34" + whole.getvalue()[after_jfif:])
    (photos / "cut.jpg").write_bytes(whole.getvalue()[:300])
    for name in ("rgba", "PNG", "cmyk", "grey16", "dirty", "cut"):
        (photos / f"{name}.xml").write_text(xml(("cat", *BOX)))
    voc, reasons = run()
    assert adopted_ids(voc) == ["PNG", "cmyk", "dirty", "grey16", "plain_1", "plain_2", "rgba"]
    assert voc.image("rgba")[0, 0].min() > 200  # what is transparent is white
    assert abs(int(voc.image("grey16").mean()) - 128) <= 1
    assert voc.image("dirty")[15, 20, 0] > 180 > voc.image("dirty")[15, 20, 1]
    assert ("repaired", "converted to JPEG") in reasons["PNG.PNG"]
    assert ("repaired", "renamed") in reasons["PNG.PNG"]
    assert reasons["dirty.jpg"] == [("repaired", "encoded anew, because a strict decoder refuses it")]
    assert reasons["cut.jpg"] == [("dropped", "it cannot be decoded")]
    assert reasons["cut.xml"] == [("dropped", "its partner is dropped")]


def test_a_photo_is_taken_once_whatever_its_name_and_format(photos, run):
    pixels = painted(8)
    pixels.save(photos / "first.png")
    pixels.save(photos / "second.bmp")
    (photos / "copy of plain_1.jpg").write_bytes((photos / "plain_1.jpg").read_bytes())
    for name in ("first", "second", "copy of plain_1"):
        (photos / f"{name}.xml").write_text(xml(("cat", *BOX)))
    voc, reasons = run()
    assert adopted_ids(voc) == ["copy_of_plain_1", "first", "plain_2"]
    assert reasons["second.bmp"] == reasons["plain_1.jpg"] == [("dropped", "it has the pixels of another photo")]


def test_large_photos_are_scaled_down_if_that_is_asked_for(photos, run):
    box = (21, 11, 60, 50)
    painted(9, (4 * WIDTH, 4 * HEIGHT), box).save(photos / "large.jpg", quality=95)
    (photos / "large.xml").write_text(xml(("cat", *box), size=(4 * WIDTH, 4 * HEIGHT)))
    assert run()[0].size("large") == (4 * WIDTH, 4 * HEIGHT)
    voc, reasons = run(longest_side=2 * WIDTH)
    assert voc.size("large") == (2 * WIDTH, 2 * HEIGHT)
    assert voc.objects("large").boxes.tolist() == [[10, 5, 29, 24]]
    assert voc.image("large")[15, 20, 0] > 180 > voc.image("large")[15, 20, 1]
    assert reasons["large.jpg"] == [("repaired", "scaled down")]
    assert reasons["plain_1.jpg"] == [("kept", "")]
    with pytest.raises(UserError, match="longest_side is 0"):
        run(longest_side=0)


def test_ids_are_plain_and_distinct(photos, run):
    for seed, name in enumerate(("IMG (3)", "照片", "图片", "Ünï.cödé", "a/same", "b/Same")):
        file = photos / f"{name}.jpg"
        file.parent.mkdir(exist_ok=True)
        painted(20 + seed).save(file)
        file.with_suffix(".xml").write_text(xml(("cat", *BOX)))
    voc, reasons = run()
    ids = adopted_ids(voc)
    assert len({image_id.lower() for image_id in ids}) == 8
    assert all(image_id.isascii() and " " not in image_id for image_id in ids)
    assert {"IMG_3", "Uni_code", "photo", "same"} <= set(ids)
    assert reasons["IMG (3).jpg"] == [("repaired", "renamed")]


def test_other_files_and_hidden_files_are_reported(photos, run):
    for name in ("._plain_1.jpg", "._plain_1.xml", "classes.txt"):
        (photos / name).write_bytes(b"\0")
    (photos / "pom.xml").write_text("<project/>")
    (photos / "broken.xml").write_text("<annotation><object>")
    (photos / "link.jpg").symlink_to("gone.jpg")
    (photos / "link.xml").write_text(xml(("cat", *BOX)))
    (photos / "gone.xml").symlink_to("nowhere.xml")
    (photos / "lonely.jpg").write_bytes((photos / "plain_1.jpg").read_bytes())
    _, reasons = run()
    assert reasons["._plain_1.jpg"] == reasons["._plain_1.xml"] == [("dropped", "a hidden file")]
    assert reasons["classes.txt"] == [("dropped", "neither a photo of --images nor an XML file of --annotations")]
    assert reasons["pom.xml"] == reasons["broken.xml"] == [("dropped", "not a VOC annotation")]
    assert reasons["link.jpg"] == [("dropped", "it cannot be decoded")]
    assert reasons["gone.xml"] == [("dropped", "it cannot be read")]
    assert reasons["lonely.jpg"] == [("dropped", "no annotation has its name")]


def test_the_report_names_photos_of_one_name(photos, run):
    for seed, name in enumerate(("plain_1.png", "x/both.jpg", "y/both.jpg")):
        (photos / name).parent.mkdir(exist_ok=True)
        painted(30 + seed).save(photos / name)
    (photos / "both.xml").write_text(xml(("cat", *BOX)))
    (photos / "PLAIN_2.xml").write_text(xml(("cat", *BOX)))
    _, reasons = run()
    unclear = [("dropped", "an annotation may belong to any of several photos")]
    assert reasons["both.xml"] == reasons["x/both.jpg"] == reasons["y/both.jpg"] == unclear
    assert reasons["plain_1.png"] == [("dropped", "another photo of its name has the annotation")]
    assert reasons["PLAIN_2.xml"] == [("dropped", "its photo has another annotation")]


def test_the_command_prints_the_classes_and_writes_the_page(photos, tmp_path, capsys):
    painted(11).save(photos / "dog.jpg")
    (photos / "dog.xml").write_text(xml(("dog &amp; bone", *BOX)))
    out = tmp_path / "devkit"
    arguments = ["--images", str(photos), "--annotations", str(photos), "--out", str(out), "--year", "2007"]
    assert _main([*arguments, "--split", "0.4", "--seed", "5"]) == 0
    printed = capsys.readouterr().out
    assert '["cat", "dog_&_bone"]' in printed
    assert sorted(path.name for path in (out / "VOC2007/ImageSets/Main").iterdir()) == [
        *("test.txt", "train.txt", "trainval.txt", "val.txt")
    ]
    page = (out / "adopted.html").read_text()
    assert "3 photos adopted" in page
    assert "dog_&amp;_bone" in page
    assert page.count("data:image/jpeg") == 3
    (out / "else").write_text("")
    assert _main(arguments) == 1
    assert "an earlier run has not written else" in capsys.readouterr().err


def test_real_annotations_lose_nothing(real_data, tmp_path):
    folder = real_data / "voc20_mini"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    labelled, image_sets, remarks = adopt(images=folder / "images", annotations=folder / "gts", out=tmp_path / "out")
    assert {remark.outcome for remark in remarks} == {"kept"}
    assert (len(image_sets["trainval"]) + len(image_sets["test"]), len(labelled)) == (100, 100)
    voc = Voc(tmp_path / "out")
    for name in ("trainval", "test"):
        assert {label for image_id in voc.images(name) for label in voc.objects(image_id).labels} == set(range(20))
    assert sum(len(voc.objects(photo.image_id).boxes) for photo in labelled) == 273
