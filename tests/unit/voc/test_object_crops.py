import pytest
import simplejpeg
from worlds.devkit import SETS, annotation

from tracklearn.errors import UserError
from tracklearn.voc.annotations import Voc
from tracklearn.voc.object_crops import crop_objects


def test_crops_are_the_boxes_of_the_objects(real_data, tmp_path):
    root = real_data / "voc_mini/VOCdevkit"
    metrics = crop_objects(voc=root, year=2012, image_set="train", folder=tmp_path)
    crops = sorted(tmp_path.glob("*/*.jpg"))
    assert metrics["objects"] == len(crops) > 100
    voc = Voc(root)
    crop = crops[0]
    image_id, _, number = crop.stem.rpartition("-")
    found = voc.objects(image_id)
    assert voc.classes[found.labels[int(number)]] == crop.parent.name
    x1, y1, x2, y2 = (round(float(corner)) for corner in found.boxes[int(number)])
    height, width, *_ = simplejpeg.decode_jpeg_header(crop.read_bytes())
    assert (width, height) == (x2 - x1 + 1, y2 - y1 + 1)
    assert min(width, height) >= 20


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        (
            [("cat", 9, 9, 22, 20, False), ("dog", 30, 30, 80, 48, False)],
            r"no object of the set train with a smallest side of at least 20 pixels \(8 are smaller, the largest "
            r"has 19\)",
        ),
        (
            [("cat", 9, 9, 60, 60, False), ("dog", 30, 30, 80, 80, True)],
            "all objects of the set train with a smallest side of at least 20 pixels are of the class cat; a network",
        ),
    ],
)
def test_objects_too_small_or_of_one_class_are_a_line_that_says_so(devkit, tmp_path, objects, found):
    for number in range(SETS["train"]):
        (devkit / f"VOC2012/Annotations/train_{number}.xml").write_text(annotation(objects))
    with pytest.raises(UserError, match=rf"VOC2012: {found}.* set imagenet.folder"):
        crop_objects(voc=devkit, year=2012, image_set="train", folder=tmp_path / "crops")
