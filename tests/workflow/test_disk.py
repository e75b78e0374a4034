"""The disk that Table 1 takes at the paper's size, videos and patches aside: every output of the plan, added up."""

import re
from fnmatch import fnmatch

import pytest
import torch
from checkout import Checkout

from tracklearn.networks.caffenet import CaffeNet
from tracklearn.settings.detection import Detect
from tracklearn.voc.protocols import official_size

LIMIT = 20e9
CLASSES = 20
WINDOWS = 2000  # of a photo, by selective search
PHOTOS = {name: official_size(2012, name) for name in ("train", "val")}
VOC = 2 * 2.0e9  # the archive of 2012 and the unpacked photos
TRAININGS = 4  # at a time
SMALL = 1e6  # tables, logs of losses, pictures of filters


def network(fc7=4096, outputs=21):
    """Bytes of a network's weights."""
    with torch.device("meta"):
        net = CaffeNet(fc7=fc7, outputs=outputs)
    return 4 * sum(parameter.numel() for parameter in net.parameters())


SOFTMAX, IMAGENET = network(), network(outputs=1000)
# Two checkpoints are kept and one is being written, each with weights and velocities.
CHECKPOINTS = 3 * 2 * IMAGENET
DETECTION = 8 + 8 + 16 + 4  # label, image, box, score
BYTES = {
    "results/videos/*": 0,
    "results/mining/*": 0,
    "results/patches/*": 0,
    "results/models/imagenet-?/weights.safetensors": IMAGENET,
    "results/models/*/weights.safetensors": SOFTMAX,  # ranking networks are smaller
    "results/models/*": SMALL,
    "results/voc/VOC2012/*.json": 60 * 2 * sum(PHOTOS.values()),  # size and time of each unpacked file
    "results/voc/proposals/*.npz": 500 * WINDOWS * 16,  # of 500 photos
    "results/detection/*/svms/*.npz": 3 * CLASSES * 4096 * 4 + 20 * PHOTOS["train"],
    "results/detection/*/detections/*.npz": CLASSES * PHOTOS["val"] * Detect().boxes_per_image * DETECTION,
    "results/detection/*/external/*.json": 1e4,
    "results/detection/*/bootstraps/*.npz": 1000 * (CLASSES + 1) * 8 + SMALL,
    "results/cells/*": 1e4,
    "results/tables/*": SMALL,
    "results/*.csv": SMALL,
    "results/*.md": SMALL,
    "results/*.html": 2 * SMALL,
}


def bytes_of(output):
    kinds = [size for pattern, size in BYTES.items() if fnmatch(output, pattern)]
    assert kinds, f"{output}: no bytes are known of this kind of output"
    return kinds[0]


@pytest.fixture
def outputs(repository, tmp_path):
    """A function that lists the outputs of the paper's experiment."""

    def plan(settings="{}"):
        for folder in ("data/imagenet/train", "config"):
            (tmp_path / folder).mkdir(parents=True)
        videos = "".join(f"v{number:06d}\thttp://127.0.0.1/{number}.mp4\n" for number in range(1000))
        (tmp_path / "data/videos.tsv").write_text(f"video_id\tsource\n{videos}")
        (tmp_path / "config/config.yaml").write_text(settings)
        summary = Checkout(repository).snakemake("--summary", "--", "results/table1.csv", folder=str(tmp_path))
        return re.findall(r"^(results/[^\t]+)\t", summary, re.MULTILINE)

    return plan


def test_table_1_takes_at_most_20_gb_at_the_papers_size(outputs):
    planned = outputs()
    models = [output for output in planned if output.endswith("weights.safetensors")]
    assert len(models) == 18
    assert sum(fnmatch(output, "results/voc/proposals/*") for output in planned) == 12 + 12
    assert not [output for output in planned if output.startswith("results/features")]
    total = sum(map(bytes_of, planned)) + VOC + TRAININGS * CHECKPOINTS
    print(f"{total / 1e9:.1f} GB, of which models {sum(map(bytes_of, models)) / 1e9:.1f}")
    assert total <= LIMIT


def test_kept_features_are_counted_in_the_plan(outputs):
    assert len([output for output in outputs("features: {keep: true}") if output.startswith("results/features")]) > 200
