import os

import numpy as np
import pytest
import torch
from reference.detection import loops_warp

from tracklearn.voc.annotations import Voc
from tracklearn.voc.warp import grow, placements, warp, warp_placed_on_device

MEAN = (107.99, 102.75, 96.64)
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_equals_the_loops_inside_and_across_every_border():
    boxes = np.array([[20, 10, 39, 29], [0, 0, 11, 7], [50, 30, 59, 39], [0, 0, 59, 39], [31, 3, 33, 36], [7, 9, 7, 9]])
    windows = warp(IMAGE.astype(np.float32), boxes, mean=MEAN, size=31, context=4)
    expected = np.stack([loops_warp(IMAGE, box, MEAN, 31, 4) for box in boxes])
    assert np.abs(windows - expected).max() < 1e-2
    rounded = warp(IMAGE, boxes, mean=MEAN, size=31, context=4)
    assert rounded.dtype == np.uint8
    assert np.abs(rounded - expected).max() <= 1


def test_pixels_outside_the_image_are_the_mean():
    window = warp(np.full((40, 60, 3), 200, np.uint8), np.array([[0, 0, 19, 19]]), mean=MEAN, size=40, context=10)[0]
    assert (window[:8, :] == np.rint(MEAN)).all()
    assert (window[:, :8] == np.rint(MEAN)).all()
    assert (window[12:, 12:] == 200).all()


def test_box_grows_by_the_papers_factor():
    # 195 pixels and 16 of context on either side are 227.
    assert grow(np.array([[100, 100, 294, 294]]), 227 / 195).tolist() == [[84, 84, 311, 311]]


def test_halves_are_rounded_away_from_zero():
    assert grow(np.array([[0, 0, 0, 2]]), 2).tolist() == [[-1, -2, 2, 5]]


def test_context_keeps_its_share_at_other_sizes():
    boxes = np.array([[15, 10, 45, 30]])
    assert np.array_equal(warp(IMAGE, boxes, mean=MEAN, size=115), warp(IMAGE, boxes, mean=MEAN, size=115, context=8))
    assert np.array_equal(warp(IMAGE, boxes, mean=MEAN), warp(IMAGE, boxes, mean=MEAN, size=227, context=16))


def test_mirrored_image_gives_nearly_the_mirrored_window():
    ramp = np.repeat(np.linspace(0, 255, 60)[None, :, None], 40, 0).repeat(3, 2).astype(np.float32)
    straight = warp(ramp, np.array([[22, 12, 37, 27]]), mean=MEAN, size=32, context=4)
    flipped = warp(ramp[:, ::-1].copy(), np.array([[59 - 37, 12, 59 - 22, 27]]), mean=MEAN, size=32, context=4)
    # Corners are inclusive on the low side only (R-CNN's own rounding): off by less than two pixels of a ramp.
    assert np.abs(flipped[:, :, ::-1] - straight).max() < 2 * 255 / 59


@pytest.mark.parametrize("shape", [(375, 500), (90, 120), (1, 9), (30, 1)])
@pytest.mark.parametrize("size", [227, 67])
def test_windows_warped_on_a_device_are_those_of_the_cpu_to_one_grey_level(shape, size):
    rng = np.random.default_rng(shape[0])
    height, width = shape
    photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    x, y = (np.sort(rng.integers(0, side, (40, 2)), axis=1) for side in (width, height))
    drawn = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)
    edge = [
        [0, 0, width - 1, height - 1],  # all of the photo: downscaled, with a border of the mean
        [0, 0, 0, 0],  # one pixel in a corner, upscaled
        [width - 1, height - 1, width - 1, height - 1],
        [width // 2, 0, width // 2, height - 1],  # one column
        [-40, -30, width + 40, height + 30],
        [-90, -90, -50, -50],  # nothing of the photo
    ]
    boxes = np.concatenate([drawn, edge]).astype(np.float32)
    expected = warp(photo, boxes, mean=MEAN, size=size)
    places = torch.from_numpy(placements(boxes, shape, size=size))
    found = warp_placed_on_device(torch.from_numpy(photo), places, mean=np.rint(MEAN).tolist(), size=size)
    assert (found.dtype, found.is_contiguous()) == (torch.uint8, True)
    assert np.abs(found.numpy().astype(int) - expected).max() <= 1
    assert (expected[-1] == np.rint(MEAN)).all()


def test_no_boxes():
    assert warp(IMAGE, np.zeros((0, 4)), mean=MEAN, size=31).shape == (0, 31, 31, 3)


@pytest.mark.real
def test_windows_of_a_real_object_show_it(real_data):
    photos = Voc(real_data / "voc_mini/VOCdevkit")
    image_id = next(one for one in photos.images("trainval") if len(photos.objects(one).boxes))
    box = photos.objects(image_id).boxes[:1]
    x1, y1, x2, y2 = box[0].astype(int)
    window = warp(photos.image(image_id), box, mean=MEAN)[0]
    inside = photos.image(image_id)[y1 : y2 + 1, x1 : x2 + 1]
    assert np.abs(window[16:-16, 16:-16].mean((0, 1)) - inside.mean((0, 1))).max() < 4


def test_the_kernel_of_a_gpu_warps_to_one_grey_level():
    """On a GPU, or interpreted by Triton on a CPU."""
    device = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
    kernel = pytest.importorskip("tracklearn.voc.warp_kernel", reason="Triton is not installed")
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (37, 50, 3), dtype=np.uint8)
    corner = rng.random((20, 2)) * 30
    boxes = np.concatenate([np.hstack([corner, corner + 3 + rng.random((20, 2)) * 30]), [[200, 200, 210, 220]]])
    places = torch.from_numpy(placements(boxes, photo.shape, size=35))
    found = kernel.warp_placed(torch.from_numpy(photo).to(device), places.to(device), mean=MEAN, size=35).cpu().numpy()
    assert np.abs(found.astype(int) - warp(photo, boxes, mean=MEAN, size=35)).max() <= 1
    assert (found[-1] == np.rint(MEAN)).all()
