"""All of detection, from photos to cells, on a few real photos."""

import json

import pytest

from tracklearn.detection.average_precision import score, write_row
from tracklearn.detection.detect import detect
from tracklearn.detection.svm import train_svms
from tracklearn.features.extraction import open_features
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import save_weights
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.proposals import propose

IMAGES = 14
FEW = {"max_boxes": 60, "colours": ["hsv"], "k": [100]}  # boxes of an image


@pytest.mark.real
def test_real_photos_from_proposals_to_cells(real_data, tmp_path):
    source = real_data / "voc_mini/VOCdevkit/VOC2012"
    root = tmp_path / "VOCdevkit/VOC2012"
    (root / "ImageSets/Main").mkdir(parents=True)
    for name in ("JPEGImages", "Annotations"):
        (root / name).symlink_to(source / name)
    save_weights(tmp_path / "net.safetensors", CaffeNet(width=1 / 16, input_size=67, fc7=64))
    common = {"voc": root.parent, "year": 2012}
    for name in ("trainval", "test"):
        ids = (source / f"ImageSets/Main/{name}.txt").read_text().split()[:IMAGES]
        (root / f"ImageSets/Main/{name}.txt").write_text("\n".join(ids))
        propose(**common, image_set=name, out=tmp_path / f"{name}.npz", proposals=FEW)
    svms, detections = tmp_path / "svms.npz", tmp_path / "detections.npz"
    features = {
        name: open_features(
            **common,
            proposals=[tmp_path / f"{name}.npz"],
            weights=[tmp_path / "net.safetensors"],
            layer="pool5",
            ground_truth=name == "trainval",
        )
        for name in ("trainval", "test")
    }
    trained = train_svms(**common, source=features["trainval"], out=svms)
    detect(source=features["test"], svms=svms, out=detections)
    cells = [tmp_path / f"{name}.json" for name in (*CLASSES, "mAP")]
    scored = score(**common, image_set="test", detections=detections, svms=svms, draws=20)
    write_row(scored, row="real", cells=cells, replicates=tmp_path / "real.npz")
    filled = [json.loads(cell.read_text()) for cell in cells]
    assert 0 < trained["classes"] < len(CLASSES)
    for cell in filled[:-1]:
        assert (cell["value"] is None) == bool(cell["reason"])
    assert any("training object of class" in cell["reason"] for cell in filled)
    assert filled[-1]["classes"] == sum(cell["value"] is not None for cell in filled[:-1]) > 0
