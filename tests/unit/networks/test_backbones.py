"""Every backbone meets the interface that the rest of the package calls, and those of torchvision are torchvision's."""

from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models
from torchvision.transforms.v2 import functional as transforms

import tracklearn
from tracklearn.errors import UserError
from tracklearn.features.computed import ComputedFeatures
from tracklearn.features.whole_images import whole_image_features
from tracklearn.features.windows import NO_BOXES
from tracklearn.frozen.images import image_set_figures
from tracklearn.frozen.masks import Video, predicted_masks
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.given import given_network
from tracklearn.networks.initial import new_network, random_network
from tracklearn.networks.receptive_field import receptive_field
from tracklearn.networks.torchvision_weights import from_state
from tracklearn.networks.weights import build, load_weights, save_weights, transfer
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.retrieval.precision import precision_at_k
from tracklearn.scenes.by_network import network_accuracy
from tracklearn.settings.frozen import CELLS, Propagation
from tracklearn.settings.models import layers_of
from tracklearn.settings.network import USELESS, WITHOUT_FC7, BackboneName
from tracklearn.training.distributed import World
from tracklearn.voc.annotations import Voc

TESTED = tuple(BACKBONES)
SCHEDULE = {"lr": 0.003, "random_iterations": 1, "iterations": 2, "batch": 8}


def settings(backbone, **changes):
    ours = {"width": 1 / 16, "conv_std": 0.05, "fc_std": 0.05, "bias": 0.0} if backbone == "caffenet" else {}
    return {"backbone": backbone, "input_size": 67, "ranking_fc7": 8, "detection_fc7": 8, **ours, **changes}


def images(count=2, height=67, width=67, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8))


@pytest.fixture(scope="module", params=TESTED)
def saved(request, tmp_path_factory):
    """The weights of an untrained network of each backbone, and the network."""
    path = tmp_path_factory.mktemp(request.param) / "weights.safetensors"
    net = new_network(settings(request.param), head="detection", outputs=3, seed=1).eval()
    save_weights(path, net)
    return path, net


@pytest.fixture
def shard(tmp_path):
    pairs = [Pair(f"v{video}", (0, 30), np.zeros((2, 4)), 1.0, *images(2, seed=video).numpy()) for video in range(6)]
    write_shard(tmp_path / "00000.h5", pairs, size=67, quality=95)
    return tmp_path / "00000.h5"


def same(net, other):
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_every_layer_gives_as_many_features_as_it_says_and_a_file_gives_them_again(saved):
    path, net = saved
    loaded = build(path)
    assert same(loaded, net) and (loaded.backbone, loaded.input_size) == (net.backbone, 67)
    with torch.inference_mode():
        for layer, width in net.layer_widths().items():
            features = net.features(images(), layer)
            assert features.shape == (2, width), layer
            assert torch.equal(loaded(loaded.to_input(images()), layer), features)
    assert sorted(net.layer_widths())[-2:] == (["fc8", "pool5"])
    with pytest.raises(UserError) as raised:
        net.layer_width("fc9", path)
    known = ", ".join(net.layer_widths())
    assert str(raised.value) == f"{path}: the network ({net.backbone}) has no layer fc9; choose one of {known}"


OBJECT = """<annotation><size><width>80</width><height>60</height><depth>3</depth></size><object><name>{}</name>
<bndbox><xmin>11</xmin><ymin>11</ymin><xmax>50</xmax><ymax>50</ymax></bndbox></object></annotation>"""


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Photos with a red or a green square: six of each in folders, two of each with annotations as in VOC."""
    folder = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for place in ("VOC2012/JPEGImages", "VOC2012/Annotations", "photos/red", "photos/green"):
        (folder / place).mkdir(parents=True)
    for number, name in enumerate(6 * ["red", "green"]):
        photo = rng.integers(90, 150, (60, 80, 3)).astype(np.uint8)
        photo[10:50, 10:50] = {"red": (230, 20, 20), "green": (20, 230, 20)}[name]
        Image.fromarray(photo).save(folder / "photos" / name / f"{number}.png")
        if number < 4:
            Image.fromarray(photo).save(folder / "VOC2012/JPEGImages" / f"{number}.jpg", quality=95)
            (folder / "VOC2012/Annotations" / f"{number}.xml").write_text(OBJECT.format(name))
    return folder


def files(folder, task, **more):
    """The files that an evaluation writes."""
    suffixes = {"cell": "json", "replicates": "npz", **more}
    return {name: folder / f"{task}-{name}.{suffix}" for name, suffix in suffixes.items()}


def test_retrieval_scenes_and_frozen_evaluations_take_any_backbone(saved, colours, tmp_path):
    path, _ = saved
    photos = Voc(colours, 2012, classes=("red", "green"))
    near, far = [9, 9, 50, 50], [40, 5, 79, 59]
    boxes = np.array([near, far], np.float32)
    asking, answering = (
        ComputedFeatures(photos, dict.fromkeys(ids, own), weights=[path], layer="pool5")
        for ids, own in ((["0", "1"], NO_BOXES), (["2", "3"], boxes))
    )
    outputs = files(tmp_path, "retrieval", nearest="npz")
    found = precision_at_k(
        voc=colours, year=2012, queries=asking, database=answering, k=1, classes=("red", "green"), draws=20, **outputs
    )
    assert found["precision"] == 100
    outputs = files(tmp_path, "scenes", confusion="png")
    scenes = {"root": str(colours / "photos"), "lists": None, "train_share": 0.67, "held_out": 0.25, "bootstrap": 20}
    scenes |= {"neighbours": {"k": 3}, "softmax": {"C": [1, 100]}}
    assert network_accuracy(settings=scenes, weights=path, **outputs)["accuracy"] == 100
    frozen = {"sets": {"squares": {"folder": str(colours / "photos")}}, "train_images": 3, "draws": 1, "bootstrap": 20}
    frozen |= {"knn": {"k": 3}, "precision": {"k": 3}, "linear": {"C": [1, 100]}}
    outputs = files(tmp_path, "frozen")
    values = image_set_figures(settings=frozen, column="squares", weights=[path], **outputs)
    assert values["linear"] == 100 and min(values["knn"], values["precision"]) > 60  # by chance 50 and 45


def test_photos_and_masks_take_any_backbone(saved, tmp_path):
    path, net = saved
    for number, photo in enumerate(images(3)):
        Image.fromarray(photo.numpy()).save(tmp_path / f"{number}.png")
    files = [tmp_path / f"{number}.png" for number in range(3)]
    with torch.inference_mode():
        expected = net.features(images(3), "pool5").numpy()
    np.testing.assert_allclose(whole_image_features(files, weights=path), expected, rtol=1e-4, atol=1e-5)
    first = np.zeros((67, 67), np.uint8)
    first[:40, :40] = 1
    with torch.inference_mode():
        masks = list(predicted_masks(net, Video("a", files, files), first, Propagation(side=64)))
    assert [mask.shape for mask in masks] == [(67, 67)]
    draw_filters(tmp_path / "conv1.png", net)
    assert Image.open(tmp_path / "conv1.png").mode == "RGB"


@pytest.mark.parametrize(
    ("backbone", "size", "place"),
    [("caffenet", 227, 5), ("alexnet", 227, 0), ("alexnet", 227, 5), ("alexnet", 300, 3), ("resnet18", 99, 0)],
)
def test_a_unit_of_pool5_sees_what_its_receptive_field_says_and_no_more(backbone, size, place):
    """All weights are positive, so that a bright row of pixels changes every unit which sees it."""
    net = BACKBONES[backbone](input_size=size, fc7=2, seed=2).eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data.abs_()
    first, last = receptive_field(net, place)

    def unit(row):
        image = torch.zeros(1, 3, size, size)
        if row is not None:
            image[:, :, row] = 255
        with torch.inference_mode():
            return net(image, "pool5").view(-1, net.pool5_side, net.pool5_side)[:, place]

    assert not torch.equal(unit(first), unit(None)) and not torch.equal(unit(last), unit(None))
    assert first == 0 or torch.equal(unit(first - 1), unit(None))
    assert last == size - 1 or torch.equal(unit(last + 1), unit(None))
    assert (first, last) == (0, size - 1) or backbone != "resnet18"


@pytest.mark.parametrize(("backbone", "layer"), [("alexnet", "conv5"), ("alexnet", "pool5"), ("resnet18", "conv3")])
def test_a_cell_sees_its_own_place(backbone, layer):
    net = BACKBONES[backbone](input_size=67, fc7=2, seed=2).eval()
    stride = net.grid(layer, "net").stride
    image = torch.full((1, 5 * stride, 7 * stride, 3), 128, dtype=torch.uint8)
    spot = image.clone()
    spot[:, 2 * stride : 3 * stride, 4 * stride : 5 * stride] = 255
    with torch.inference_mode():
        change = (net.cell_features(spot, layer) - net.cell_features(image, layer))[0].square().sum(0)
    assert change.shape == (5, 7)
    places = np.indices(change.shape).reshape(2, -1)
    assert (places * change.flatten().numpy()).sum(1) / change.sum().item() == pytest.approx([2, 4], abs=0.35)


def test_a_layer_without_cells_is_refused():
    with torch.device("meta"):
        net = BACKBONES["resnet50"]()
    assert net.layer_widths() == {"pool5": 2048}
    message = r"net: the network \(resnet50\) has no cells in a layer pool5; choose one of conv2, conv3, conv4, conv5$"
    with pytest.raises(UserError, match=message):
        net.grid("pool5", "net")


def test_equal_seeds_give_equal_convolutions_and_touch_no_global_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other = (BACKBONES["resnet18"](input_size=67, fc7=units, seed=3) for units in (2, 3))
    assert torch.equal(torch.get_rng_state(), before)
    own, theirs = one.state_dict(), other.state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in own if not name.startswith("fc7"))
    assert not torch.equal(own["conv1.weight"], BACKBONES["resnet18"](fc7=2, seed=4).state_dict()["conv1.weight"])


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_the_settings_know_which_layers_a_network_has(backbone):
    assert set(BACKBONES) == set(get_args(BackboneName)) == set(USELESS)
    for head, train, outputs in (("ranking", "ranking", None), ("detection", "none", None), ("detection", "voc", 3)):
        with torch.device("meta"):
            net = new_network({"backbone": backbone}, head=head, outputs=outputs)
        assert tuple(net.layer_widths()) == layers_of(backbone, train)
        assert ("fc7" in net.transferable) == (backbone not in WITHOUT_FC7)
    choices = get_args(Propagation.model_fields["layer"].annotation)
    assert list(CELLS[backbone]) == [layer for layer in choices if layer in net.grids]


def theirs_of(backbone, classes=3):
    torch.manual_seed(0)
    return getattr(models, backbone)(weights=None, num_classes=classes).eval()


def normalised(batch):
    """The input as torchvision documents it for its weights."""
    values = batch.permute(0, 3, 1, 2).float() / 255
    return transforms.normalize(values, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])


@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name != "caffenet"])
def test_torchvisions_weights_give_torchvisions_answers(backbone):
    theirs = theirs_of(backbone)
    net = from_state(theirs.state_dict(), BACKBONES[backbone], input_size=67, name="given")
    with torch.inference_mode():
        torch.testing.assert_close(net.to_input(images()), normalised(images()), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(net.features(images(), "fc8"), theirs(normalised(images())), rtol=1e-3, atol=1e-5)


def given(folder, file, network):
    given_network(given=file, network=network, weights=folder / "b.safetensors", conv1=folder / "b.png")
    return build(folder / "b.safetensors")


def test_weights_of_torchvisions_format_are_given_weights(tmp_path):
    theirs = theirs_of("resnet18")
    theirs.bn1.running_mean.fill_(0.25)
    state = theirs.state_dict()
    torch.save(state, tmp_path / "a.pth")
    del state["bn1.num_batches_tracked"]  # as in files of before 2018
    save_file(state, tmp_path / "a.safetensors")
    one, other = (given(tmp_path, tmp_path / name, settings("resnet18")) for name in ("a.pth", "a.safetensors"))
    assert same(one, other)
    assert one.bn1.running_mean.unique().tolist() == [0.25] and one.bn1.num_batches_tracked.dtype == torch.int64
    assert load_weights(tmp_path / "b.safetensors")[1]["training"] == "torchvision"
    child = new_network(settings("resnet18"), head="ranking", seed=9)
    transfer(child, tmp_path / "b.safetensors")
    assert child.bn1.running_mean.unique().tolist() == [0.25]
    assert torch.equal(child.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)
    with pytest.raises(UserError, match="its backbone is resnet18, but that of its child is caffenet; give both one"):
        transfer(new_network(settings("caffenet"), head="ranking"), tmp_path / "b.safetensors")


def test_metadata_say_how_images_are_prepared(saved):
    path, net = saved
    said = load_weights(path, tensors=False)[1]["preprocessing"]
    mean, std = (torch.tensor(said.get(key, [1, 1, 1])) for key in ("mean_bgr", "std_bgr"))
    expected = (images().flip(-1) - mean) / std  # BGR
    expected = expected if said["channels"] == "BGR" else expected.flip(-1)
    torch.testing.assert_close(net.to_input(images()), expected.permute(0, 3, 1, 2), rtol=1e-5, atol=1e-5)
    assert ("std_bgr" in said) == (net.backbone != "caffenet")


def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path):
    state = theirs_of("resnet18").state_dict()
    state["layer2.0.conv1.weight"] = state["layer2.0.conv1.weight"][:, :, 1:]
    files = {
        "shape": state,
        "name": {"features.0.weight": torch.zeros(64, 3, 11, 11)},
        "kind": {"state_dict": state},
        "infinite": {"conv1.weight": torch.full((64, 3, 7, 7), torch.inf)},
    }
    found = {}
    for name, content in files.items():
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(UserError) as raised:
            given(tmp_path, tmp_path / f"{name}.pth", settings("resnet18"))
        found[name] = str(raised.value).removeprefix(f"{tmp_path}/{name}.pth: ")
    assert found["shape"].startswith("layer2.0.conv1.weight has shape (128, 64, 2, 3), expected (128, 64, 3, 3); exp")
    assert found["name"].startswith("conv1.weight is missing, expected shape (64, 3, 7, 7); expected torchvision's res")
    assert found["name"].endswith("'s resnet18: give its weights, or set `backbone` to their architecture")
    assert found["kind"].startswith("expected a state dict, tensors by name")
    assert found["infinite"].startswith("conv1.weight holds NaN or infinite numbers")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "name.pth").read_bytes()[:300])
    with pytest.raises(UserError, match=r"cut\.pth: not readable weights \(.*\); download or save them again"):
        given(tmp_path, tmp_path / "cut.pth", settings("resnet18"))
    save_file({"fc.bias": torch.zeros(3)}, tmp_path / "a.safetensors")
    for name, what in (("name.pth", "weights of torchvision"), ("a.safetensors", "not weights of this package")):
        with pytest.raises(UserError) as raised:
            given(tmp_path, tmp_path / name, settings("caffenet"))
        assert str(raised.value) == (
            f"{tmp_path / name}: {what}, but the backbone is caffenet; for a model of torchvision, set `backbone` to "
            "its architecture: alexnet, resnet18, resnet50"
        )
    random_network(
        network=settings("caffenet"), seed=1, weights=tmp_path / "own.safetensors", conv1=tmp_path / "own.png"
    )
    with pytest.raises(UserError, match=r"own\.safetensors: its backbone is caffenet, but that of the model is resnet"):
        given(tmp_path, tmp_path / "own.safetensors", settings("resnet18"))
    assert not (tmp_path / "b.safetensors").exists()


def test_files_of_torch_that_hold_no_dense_tensors_are_refused_in_one_line(tmp_path):
    contents = {
        "sparse": {"conv1.weight": torch.eye(3).to_sparse()},
        "compressed": {"conv1.weight": torch.eye(3).to_sparse_csr()},
        "meta": {"conv1.weight": torch.empty(64, 3, 7, 7, device="meta")},
        "model": torch.nn.Linear(2, 2),
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / f"{name}.pth")
    (tmp_path / "empty.pth").touch()
    dense = (
        "conv1.weight is sparse, nested, quantized or without values; expected a dense tensor; save the model's state "
        "dict again"
    )
    other = (
        "not readable weights (damaged, or it holds other objects than the tensors of a state dict); download or save "
        "them again"
    )
    expected = {
        **dict.fromkeys(("sparse", "compressed", "meta"), dense),
        **dict.fromkeys(("model", "empty"), other),
        "absent": "the file does not exist; give the path of weights, or download them",
    }
    for name, message in expected.items():
        with pytest.raises(UserError) as raised:
            given(tmp_path, tmp_path / f"{name}.pth", settings("resnet18"))
        assert str(raised.value) == f"{tmp_path}/{name}.pth: {message}"


def ranked(shard, backbone, **changes):
    arguments = {"schedule": SCHEDULE, "seed": 3, "threads": 1, **changes}
    return tracklearn.train_ranking(shard, network={"backbone": backbone, "ranking_fc7": 8}, **arguments)


def test_ranking_with_batch_normalisation_resumes_in_the_same_bits(tmp_path, shard):
    def stop(step, row):
        if step == 3:
            raise KeyboardInterrupt

    saving = {"log_every": 1, "checkpoint_every": 2}
    with pytest.raises(KeyboardInterrupt):
        ranked(shard, "resnet18", folder=tmp_path / "mine", saving=saving, report=stop)
    steps = []
    net = ranked(
        shard, "resnet18", folder=tmp_path / "mine", saving=saving, report=lambda step, row: steps.append(step)
    )
    assert steps == [3]
    assert same(net, ranked(shard, "resnet18"))
    assert same(net, build(tmp_path / "mine/weights.safetensors"))
    assert net.bn1.num_batches_tracked == 3 and net.bn1.running_mean.any() and not net.training
    assert net.layer_widths() == {"pool5": 512, "fc7": 8}


@pytest.mark.parametrize("backbone", ["alexnet", "resnet18"])
def test_gradients_reach_all_layers_in_ranking(shard, backbone):
    before = new_network(settings(backbone), head="ranking", seed=3)
    net = ranked(shard, backbone, schedule=SCHEDULE | {"weight_decay": 0})  # which changes weights without a gradient
    assert net.backbone == backbone and net.layer_widths()["fc7"] == 8
    trained = net.state_dict()
    for name in (name for name, _ in before.named_parameters() if name.endswith("weight")):
        assert not torch.equal(trained[name], before.state_dict()[name]), name


def test_frozen_layers_keep_their_statistics_and_several_processes_are_refused():
    net = new_network(settings("resnet18"), head="ranking")
    net.train()
    net(net.to_input(images()))
    assert net.bn1.num_batches_tracked == 1
    net.freeze()
    net.train()
    net(net.to_input(images()))
    assert net.training and net.bn1.num_batches_tracked == 1 and not net.layer4[0].bn2.training
    with pytest.raises(UserError, match="2 processes, but the network has batch normalisation"):
        World(0, 2).parallel(net)
