import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

import tracklearn
from tracklearn.errors import UserError
from tracklearn.networks.caffe.caffemodel import write_caffemodel
from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.networks.initial import new_network
from tracklearn.networks.loading import Preprocessing
from tracklearn.networks.weights import save_weights

MEAN = (1.0, 2.0, 3.0)


def small():
    return CaffeNet(width=1 / 16, input_size=67, fc7=32, mean_bgr=MEAN, seed=4)


def same_weights(net, other):
    return all(torch.equal(value, other.state_dict()[name]) for name, value in net.state_dict().items())


def photos(count, height=67, width=67):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_found_by_its_name_and_by_both_kinds_of_files(here):
    for name in ("unsup-1.5M", "random"):
        save_weights(f"results/models/{name}/weights.safetensors", small())
    write_caffemodel("net.caffemodel", small())
    images = photos(2)
    expected = small()(to_input(torch.from_numpy(images), MEAN), "pool5")
    for model in ("unsup-1.5M", here / "results/models/random/weights.safetensors", "net.caffemodel"):
        net, prepare = tracklearn.load(model)
        assert not net.training
        assert torch.equal(net(prepare(images), "pool5"), expected)


def test_torchvisions_own_weights_need_the_name_of_their_backbone(here):
    theirs = torchvision.models.resnet18(num_classes=5).eval()
    torch.save(theirs.state_dict(), "resnet18.pth")
    net, prepare = tracklearn.load("resnet18.pth", backbone="resnet18")
    images = photos(2, 224, 224)
    scaled = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        torch.testing.assert_close(net(prepare(images), "fc8"), theirs((scaled - mean) / std), rtol=1e-3, atol=1e-3)
    for backbone, message in (
        (None, "resnet18.pth: not weights of this .* say of which backbone, one of alexnet, resnet18, resnet50; got N"),
        ("resnet", "resnet18.pth: not weights of this package; if they are torchvision's, .* resnet50; got resnet"),
        ("alexnet", "resnet18.pth: .*; expected torchvision's alexnet: give its weights, or set `backbone` to"),
    ):
        with pytest.raises(UserError, match=f"^{message}"):
            tracklearn.load("resnet18.pth", backbone=backbone)
    save_weights("own.safetensors", small())
    with pytest.raises(UserError, match=r"^own.safetensors: its backbone is caffenet, not resnet18$"):
        tracklearn.load("own.safetensors", backbone="resnet18")
    assert tracklearn.load("own.safetensors", backbone="caffenet")[0].input_size == 67
    save_file(theirs.state_dict(), "resnet18.safetensors")
    assert same_weights(tracklearn.load("resnet18.safetensors", backbone="resnet18")[0], net)
    with pytest.raises(UserError, match=r"^resnet18.safetensors: not weights of this package; if they are torchvision"):
        tracklearn.load("resnet18.safetensors")


def test_the_error_for_a_missing_model_lists_the_models(here):
    with pytest.raises(UserError) as raised:
        tracklearn.load("unsup-8M")
    assert str(raised.value) == (
        f"unsup-8M: not a model: {here}/results/models/unsup-8M/weights.safetensors does not exist; "
        "the models there are: none; give one of them or the path of a .safetensors, .caffemodel or .pth file"
    )
    for name in ("b", "a"):
        save_weights(f"results/models/{name}/weights.safetensors", small())
    with pytest.raises(UserError, match="the models there are: a, b; give one"):
        tracklearn.load("unsup-8M")
    for path in ("a.safetensors", "folder/net.caffemodel"):
        with pytest.raises(UserError, match=f"^{path}: the file does not exist; the working directory is {here}$"):
            tracklearn.load(path)


def test_a_model_of_one_protocol_is_found_by_its_name_alone(here):
    net = CaffeNet(width=1 / 8, input_size=67, fc7=32)
    for protocol in ("voc2012-val", "tuning"):
        save_weights(f"results/models/{protocol}/scratch-1/weights.safetensors", net)
    save_weights("results/models/tuning/rcnn/weights.safetensors", net)
    assert tracklearn.load("rcnn")[0].fc7_units == 32
    assert tracklearn.load("tuning/scratch-1")[0].fc7_units == 32
    with pytest.raises(UserError, match=r"several protocols .* give one of tuning/scratch-1, voc2012-val/scratch-1"):
        tracklearn.load("scratch-1")


@pytest.mark.parametrize("backbone", ["caffenet", "resnet18"])
def test_the_preparation_travels_to_another_process_without_the_weights(here, backbone):
    save_weights("net.safetensors", new_network({"backbone": backbone, "input_size": 67}, head="ranking"))
    net, prepare = tracklearn.load("net.safetensors")
    packed = pickle.dumps(prepare)
    assert len(packed) < 1000
    images = photos(2)
    assert torch.equal(pickle.loads(packed)(images), net.to_input(torch.from_numpy(images)))


def test_importing_the_package_imports_no_large_library():
    code = "import sys, tracklearn; print({'torch', 'numpy', 'cv2', 'mlflow', 'snakemake'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_loading_needs_neither_the_workflow_nor_opencv(here):
    save_weights("net.safetensors", small())
    code = (
        "import sys, tracklearn; tracklearn.load('net.safetensors'); "
        "print({'cv2', 'mlflow', 'snakemake', 'h5py'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def preprocessing(mean_bgr):
    return Preprocessing(CaffeNet, 67, mean_bgr)


@pytest.mark.parametrize("kind", ["array", "PIL", "list", "tensor", "batch", "reversed BGR"])
def test_images_of_the_right_size_are_bgr_minus_the_mean(kind):
    image = photos(1)[0]
    given = {
        "array": image,
        "PIL": Image.fromarray(image),
        "list": [Image.fromarray(image)],
        "tensor": torch.from_numpy(image),
        "batch": image[None],
        "reversed BGR": np.ascontiguousarray(image[..., ::-1])[..., ::-1],
    }[kind]
    result = preprocessing(MEAN)(given)
    assert (result.dtype, result.shape) == (torch.float32, (1, 3, 67, 67))
    for channel in range(3):
        np.testing.assert_array_equal(result[0, channel], image[..., 2 - channel].astype(np.float32) - MEAN[channel])


def test_images_of_any_sizes_are_resized_as_pillow_does():
    given = [photos(1, 120, 90)[0], photos(1, 40, 300)[0], photos(1)[0]]
    result = preprocessing(MEAN)(given)
    assert result.shape == (3, 3, 67, 67)
    for index, image in enumerate(given):
        pillow = np.asarray(Image.fromarray(image).resize((67, 67), Image.Resampling.BILINEAR)).astype(np.float32)
        ours = result[index].permute(1, 2, 0).flip(-1).numpy() + np.float32(MEAN[::-1])
        assert np.abs(ours - pillow).max() <= 1, index


def test_images_of_any_mode_become_rgb_as_photos_of_the_workflow_do():
    grey = Image.new("L", (67, 67), 50)
    assert preprocessing((0, 0, 0))(grey).unique().tolist() == [50]
    clear = Image.new("RGBA", (67, 67), (10, 20, 30, 0))
    assert preprocessing((0, 0, 0))([clear, grey])[0, :, 0, 0].tolist() == [255, 255, 255]
    sixteen = Image.fromarray(np.full((67, 67), 50 * 257, np.uint16))
    assert preprocessing((0, 0, 0))(sixteen).unique().tolist() == [50]
    with pytest.raises(UserError, match="images: an image of mode F: its greys are floating-point numbers"):
        preprocessing((0, 0, 0))(Image.new("F", (67, 67)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8, 3)), "images: an array of float64 and shape (8, 8, 3); expected uint8 (H, W, 3) in RGB"),
        (np.zeros((8, 8), np.uint8), "images: an array of uint8 and shape (8,); expected"),
        (np.zeros((1, 8, 8, 4), np.uint8), "images: an array of uint8 and shape (8, 8, 4); expected"),
        (np.zeros((0, 8, 3), np.uint8), "images: an array of uint8 and shape (0, 8, 3); expected"),
        ([], "images: there are none; expected at least one"),
    ],
)
def test_other_arrays_are_refused(images, message):
    with pytest.raises(UserError) as raised:
        preprocessing(MEAN)(images)
    assert str(raised.value).startswith(message)
