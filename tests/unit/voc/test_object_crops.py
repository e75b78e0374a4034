import simplejpeg

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
