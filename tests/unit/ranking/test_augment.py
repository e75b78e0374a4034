"""Each change of a patch is torchvision's, or a loop's; its random numbers are a function of seed and iteration."""

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tv
from torch.utils._python_dispatch import TorchDispatchMode

from tracklearn.networks.caffenet import CaffeNet
from tracklearn.patches.subset import Subset
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.ranking.augment import (
    AT_ONCE,
    DRAWS,
    augmented,
    blurred,
    change_colours,
    crop_and_enlarge,
    turn_hues,
)
from tracklearn.ranking.train import PairBatches, RankingObjective
from tracklearn.settings.ranking import Augment, Loss
from tracklearn.training.distributed import ALONE, World

ALL = Augment(crop=(0.3, 0.9), flip=0.5, colour=0.4, grey=0.3, blur=0.5)


def images(count=4, size=31, seed=0):
    """Images of noise, float RGB (N, 3, S, S) of whole numbers."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, 3, size, size))).float()


def as_patches(values):
    return values.permute(0, 2, 3, 1).to(torch.uint8)


def draws(count=4, seed=0):
    return torch.rand((count, len(DRAWS)), generator=torch.Generator().manual_seed(seed))


def loops_crop(image, side, left, top):
    """Bilinear samples of an image (3, S, S) at the centres of the pixels of a crop that S x S pixels divide."""
    size = image.shape[-1]
    result = np.empty_like(image)
    for row in range(size):
        for column in range(size):
            place = []
            for index, start in ((row, top), (column, left)):
                exact = (start * (1 - side) + side * (index + 0.5) / size) * size - 0.5
                place.append(min(max(exact, 0), size - 1))
            (y, x), (y0, x0) = place, [int(each) for each in place]
            y1, x1 = min(y0 + 1, size - 1), min(x0 + 1, size - 1)
            upper = image[:, y0, x0] * (1 - (x - x0)) + image[:, y0, x1] * (x - x0)
            lower = image[:, y1, x0] * (1 - (x - x0)) + image[:, y1, x1] * (x - x0)
            result[:, row, column] = upper * (1 - (y - y0)) + lower * (y - y0)
    return result


def test_a_crop_is_that_of_the_loop_over_pixels():
    values, (sides, lefts, tops) = images(), torch.tensor([[0.5, 0.8, 1, 0.31], [0, 0.3, 0.9, 1], [1, 0.7, 0.1, 0.5]])
    found = crop_and_enlarge(values, sides, lefts, tops)
    for index in range(4):
        expected = loops_crop(values[index].numpy(), *(float(each[index]) for each in (sides, lefts, tops)))
        np.testing.assert_allclose(found[index].numpy(), expected, atol=0.02)


def test_a_crop_of_whole_pixels_is_torchvision_s_but_for_its_rim():
    """torchvision resizes the crop alone; at the rim of the crop, it does not see the pixels beside it."""
    values = images(size=32)
    found = crop_and_enlarge(values, torch.full((4,), 0.5), torch.full((4,), 0.25), torch.full((4,), 0.75))
    expected = tv.resized_crop(values, top=12, left=4, height=16, width=16, size=[32, 32], antialias=True)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=0.02, rtol=0)


def test_a_crop_of_everything_changes_nothing():
    values = images()
    whole = crop_and_enlarge(values, *torch.tensor([[1.0] * 4, [0.2] * 4, [0.9] * 4]))
    torch.testing.assert_close(whole, values, atol=1e-3, rtol=0)


def test_colours_change_as_torchvision_changes_them_one_image_at_a_time():
    values, factors = images(), 0.4 + 1.2 * torch.rand((3, 4), generator=torch.Generator().manual_seed(1))
    found = change_colours(values, *factors)
    for index, (brightness, contrast, saturation) in enumerate(factors.T.tolist()):
        expected = tv.adjust_brightness(values[index] / 255, brightness)
        expected = tv.adjust_saturation(tv.adjust_contrast(expected, contrast), saturation)
        torch.testing.assert_close(found[index] / 255, expected, atol=1e-5, rtol=0)


def test_colours_by_hand():
    red = torch.tensor([200.0, 0, 0])[None, :, None, None]
    luma = 0.2989 * 200
    one, half, two = torch.ones(1), torch.tensor([0.5]), torch.tensor([2.0])
    assert change_colours(red, half, one, one).flatten().tolist() == pytest.approx([100, 0, 0])
    assert change_colours(red, two, one, one).flatten().tolist() == pytest.approx([255, 0, 0])
    grey = [luma, luma, luma]
    assert change_colours(red, one, torch.zeros(1), one).flatten().tolist() == pytest.approx(grey, rel=1e-4)
    assert change_colours(red, one, one, torch.zeros(1)).flatten().tolist() == pytest.approx(grey, rel=1e-4)


def test_a_third_of_the_circle_turns_red_to_green_and_green_to_blue():
    colours = torch.tensor([[200.0, 10, 30], [200.0, 10, 30], [200.0, 10, 30]])[..., None, None]
    turned = turn_hues(colours, torch.tensor([1 / 3, 2 / 3, 1.0])).flatten(1)
    torch.testing.assert_close(turned, torch.tensor([[30.0, 200, 10], [10.0, 30, 200], [200.0, 10, 30]]))


def test_turned_hues_keep_greys_and_the_sum_of_the_channels():
    values = 100 + images() / 10  # so that no channel leaves 0 to 255
    turns = torch.tensor([0.05, -0.1, 0.2, 0.0])
    turned = turn_hues(values, turns)
    torch.testing.assert_close(turned.sum(1), values.sum(1))
    torch.testing.assert_close(turned[3], values[3])
    grey = values[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(turn_hues(grey, turns), grey)
    torch.testing.assert_close(turn_hues(turned, -turns), values)


def test_the_blur_keeps_flat_images_and_is_torchvision_s():
    values = images(size=64)
    torch.testing.assert_close(blurred(values, 1.5), tv.gaussian_blur(values, [11, 11], [1.5, 1.5]))
    flat = torch.full((1, 3, 20, 20), 77.0)
    torch.testing.assert_close(blurred(flat, 2.0), flat)


def test_patches_are_augmented_without_products_that_a_precision_rounds():
    class Operations(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            seen.add(operation.__name__.partition(".")[0])
            return operation(*args, **(kwargs or {}))

    seen = set()
    with Operations():
        augmented(as_patches(images()), draws(), ALL)
    assert "grid_sampler_2d" in seen
    assert not {name for name in seen if "conv" in name or "mm" in name}


def test_the_default_changes_nothing_but_flips():
    assert Augment().only_flips
    assert Augment(flip=0.0).only_flips
    assert not any(Augment(**{key: value}).only_flips for key, value in ALL if key != "flip")
    patches = as_patches(images())
    assert torch.equal(augmented(patches, draws(), Augment()), patches.float())


def test_each_setting_does_its_own_share():
    """Grey and blurred patches are those whose draws are below the share; the draws of one setting move no other."""
    patches, numbers = as_patches(images(40)), draws(40)
    grey = augmented(patches, numbers, Augment(grey=0.3))
    is_grey = (grey.amax(-1) - grey.amin(-1)).amax((1, 2)) == 0
    assert torch.equal(is_grey, numbers[:, DRAWS.index("grey")] < 0.3)
    blur = augmented(patches, numbers, Augment(blur=0.5))
    is_blurred = (blur - patches).abs().amax((1, 2, 3)) > 0
    assert torch.equal(is_blurred, numbers[:, DRAWS.index("blur")] < 0.5)
    both = augmented(patches, numbers, Augment(grey=0.3, blur=0.5))
    neither = ~(is_grey | is_blurred)
    assert torch.equal(both[neither], patches[neither].float())
    assert 0 <= augmented(patches, numbers, ALL).min() <= augmented(patches, numbers, ALL).max() <= 255


def test_a_patch_is_changed_by_its_own_numbers_alone():
    count = 2 * AT_ONCE + 3
    patches, numbers = as_patches(images(count)), draws(count)
    whole = augmented(patches, numbers, ALL)
    for index in range(count):
        assert torch.equal(augmented(patches[[index]], numbers[[index]], ALL)[0], whole[index])


def test_the_given_patches_stay_as_they_are():
    patches = images().permute(0, 2, 3, 1)
    before = patches.clone()
    augmented(patches, draws(), Augment(colour=0.4))
    assert torch.equal(patches, before)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "00000.h5"
    rng = np.random.default_rng(1)
    pairs = [
        Pair(f"v{video}", (0, 30), np.zeros((2, 4)), 1.0, *rng.integers(0, 255, (2, 67, 67, 3)).astype(np.uint8))
        for video in range(8)
    ]
    write_shard(path, pairs, size=67, quality=95)
    return path


def ranking(augment, world=ALONE, seed=1):
    loss = Loss(form="infonce", augment=augment)
    return RankingObjective(loss_settings=loss, random_iterations=0, seed=seed, world=world)


def test_the_draws_are_a_function_of_seed_and_iteration():
    batch = torch.zeros(6), torch.arange(6)
    (numbers,) = ranking(ALL).draw(None, batch, 3)
    assert numbers.shape == (6, 2, len(DRAWS))
    assert torch.equal(numbers, ranking(ALL).draw(None, batch, 3)[0])
    assert not torch.equal(numbers, ranking(ALL).draw(None, batch, 4)[0])
    assert not torch.equal(numbers, ranking(ALL, seed=2).draw(None, batch, 3)[0])
    paper = RankingObjective(loss_settings=Loss(augment=ALL), random_iterations=5, seed=1)
    plain = RankingObjective(loss_settings=Loss(), random_iterations=5, seed=1)
    negatives, again = paper.draw(None, batch, 3)
    assert torch.equal(again, numbers)  # whatever the negatives need
    assert torch.equal(negatives, plain.draw(None, batch, 3)[0])


def test_the_parts_of_several_processes_are_augmented_as_the_batch_of_one(store, monkeypatch):
    seen = []
    net = CaffeNet(width=1 / 16, input_size=67, fc7=8, seed=1)
    monkeypatch.setattr(World, "gather", lambda world, part, total: torch.rand(total, 2, 4))
    monkeypatch.setattr(CaffeNet, "to_input", lambda net, patches: seen.append(patches) or patches)
    monkeypatch.setattr(CaffeNet, "forward", lambda net, patches, layer: torch.rand(len(patches), 4))
    for world in (ALONE, World(0, 3), World(1, 3), World(2, 3)):
        batch = PairBatches(Subset([store]), 8, 1, world)(0)
        ranking(ALL, world)(net, batch, 0)
    torch.testing.assert_close(torch.cat(seen[1:]), seen[0])
    assert len(seen[0]) == 16


@pytest.mark.parametrize(("flip", "mirrored"), [(0.0, 0), (1.0, 16)])
def test_a_share_of_the_patches_is_mirrored(store, flip, mirrored):
    never = PairBatches(Subset([store]), 8, 1, flip=0.0)(0)[0]
    found = PairBatches(Subset([store]), 8, 1, flip=flip)(0)[0]
    same = (found == never).flatten(2).all(-1)
    assert int((~same).sum()) == mirrored
    assert torch.equal(found[~same], never.flip(3)[~same])
