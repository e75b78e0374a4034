from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.section6_plan import NO_ANNOTATIONS
from tracklearn.experiment.targets import check_targets, warnings

PAPER = Path(__file__).parents[3] / "config/config.yaml"
ON_THE_SERVER = {"voc": {"protocol": "voc2012-test"}}


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_list_of_videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    lines = ["video_id\tsource", *(f"v{number}\tclip.mp4" for number in range(1000))]
    Path("data/videos.tsv").write_text("\n".join(lines))


def planned(**changes):
    return Plan(yaml.safe_load(PAPER.read_text()) | changes)


@pytest.mark.parametrize(
    "target",
    [
        "results/retrieval/voc2012-test/figure7.html",
        "results/retrieval/figure7/2008_000001-0.html",
        "results/retrieval/voc2012-test/bootstraps/elda.npz",
        "results/cells/section6/voc2012-test/retrieval/scratch-1.json",
    ],
)
def test_retrieval_is_refused_where_annotations_are_not_public(target):
    with pytest.raises(UserError) as caught:
        check_targets(planned(**ON_THE_SERVER), [target])
    assert str(caught.value) == f"{target}: {NO_ANNOTATIONS}"


def test_the_empty_cells_of_the_table_are_targets_where_annotations_are_not_public():
    check_targets(planned(**ON_THE_SERVER), ["all", "results/cells/section6/voc2012-test/retrieval/elda.json"])


def test_evidence_of_retrieval_is_refused_where_annotations_are_not_public():
    rows = ["scratch", "unsup-ft-8M"]
    evidence = {"seeds": 2, "rows": rows, "comparisons": [rows], "retrieval": {"random": ["random-1"]}}
    with pytest.raises(UserError, match=r"^config: evidence\.retrieval cannot be computed: the annotations"):
        check_targets(planned(**ON_THE_SERVER, evidence=evidence), ["results/evidence.md"])
    check_targets(planned(evidence=evidence), ["results/evidence.md"])
    evidence["retrieval"] = {"random": ["random-1"], "ImageNet": ["imagenet-1"]}
    with pytest.raises(UserError, match=r"^config: evidence\.retrieval cannot be computed: .*to train imagenet-1"):
        check_targets(planned(evidence=evidence), ["results/evidence.md"])


def test_without_section_6_only_its_table_is_refused():
    plan = planned(section6=None)
    folder = "results/cells/section6/voc2012-val"
    check_targets(plan, ["all", *(f"{folder}/{cell}.json" for cell in ("retrieval/unsup-8M", "scenes/gist"))])
    for table in ("results/section6.md", "results/tables/voc2012-val/section6.csv"):
        with pytest.raises(UserError, match=r"^config: section6 is null; write its rows to get its table$"):
            check_targets(plan, [table])


@pytest.mark.parametrize(
    "target", ["results/cells/section6/voc2012-val/scenes/gist.json", "results/scenes/voc2012-val/gist.png"]
)
def test_gist_needs_neither_videos_nor_photos_of_voc(target):
    Path("data/videos.tsv").unlink()
    check_targets(planned(voc={"root": "none", "download": False}), [target])


@pytest.mark.parametrize("target", ["results/figures.html", "results/figures/voc2012-val/figures.html"])
def test_the_page_of_the_figures_needs_nyuv2_for_figure_8(target):
    rooms, photos = {"nyuv2": "rooms", "download": False}, {"root": "none", "download": True}
    with pytest.raises(UserError, match=r"^rooms: no nyu_depth_v2_labeled\.mat in it"):
        check_targets(planned(normals=rooms, voc=photos), [target])
    check_targets(planned(normals=rooms, voc=photos, table2=[]), [target])
    check_targets(planned(normals=rooms, voc=photos), ["results/figures/voc2012-val/figure6.png"])


def test_figure_8_without_a_network_is_refused():
    plan = planned(table2=[{"id": "axis", "label": "axis", "method": "camera_axis"}])
    with pytest.raises(UserError, match=r"figure8\.html: left out: no network of Table 2 stands for one of the paper"):
        check_targets(plan, ["results/normals/voc2012-val/figure8.html"])


def test_a_warning_speaks_of_section_6_for_its_own_networks_alone():
    whole = yaml.safe_load(PAPER.read_text())
    del whole["models"]["imagenet-1"]["stand_in"]
    plan = Plan(whole)
    assert plan.lacking(["imagenet-2"])
    assert warnings(plan, ["results/models/imagenet-2/weights.safetensors"]) == []
    (line,) = warnings(plan, ["results/section6.md"])
    assert "section 6 leaves out imagenet-1;" in line


@pytest.mark.parametrize(
    ("change", "target", "reason"),
    [
        ({"figures": {}}, "results/figures/voc2012-val/figure5.png", "figures.unit_model names no model"),
        ({"figures": {}}, "results/figures/voc2012-val/figure6.svg", "figures.conv1_models names no model"),
        (ON_THE_SERVER, "results/figures/voc2012-test/figure5.json", "its units are chosen by class, but the annot"),
        (
            {"patches": {"import": {"folder": "p", "list": "l", "pairs_per_shard": 2}}},
            "results/figures/figure2.png",
            "the pairs are imported",
        ),
    ],
)
def test_a_figure_that_is_left_out_is_refused_with_the_reason(change, target, reason):
    with pytest.raises(UserError) as caught:
        check_targets(planned(**change), [target])
    assert str(caught.value).startswith(f"{target}: left out: {reason}")


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("results/patches/controls/still/00000.h5", "still"),
        ("results/patches/controls/random-box/00000.png", "random-box"),
        ("results/mining/any-frame/00000/tracks.csv", "any-frame"),
    ],
)
def test_a_control_of_imported_pairs_is_refused_if_it_needs_their_videos(target, kind):
    Path("list.txt").write_text("a.jpg 0\nb.jpg 0\n")
    plan = planned(patches={"import": {"folder": "p", "list": "list.txt", "pairs_per_shard": 2}})
    with pytest.raises(UserError) as caught:
        check_targets(plan, [target])
    assert str(caught.value) == (
        f"{target}: the pairs of {kind} are cut out of videos, and patches.import brings pairs without videos; take "
        "patches.import out"
    )
    check_targets(plan, ["results/patches/controls/one-patch/00000.h5"])


def test_rows_of_one_label_are_all_shown_in_figure_7_and_draws_are_named():
    rows = [
        {"id": "a", "label": "net", "models": ["random-1"]},
        {"id": "b", "label": "net", "models": ["random-2", "random-3"]},
        {"id": "elda", "label": "ELDA", "method": "elda"},
    ]
    plan = planned(section6={"detection": [], "retrieval": rows, "scenes": []})
    folder = "results/retrieval/voc2012-val/nearest"
    assert plan.section6.nearest() == [
        ("net", f"{folder}/random-1.npz"),
        ("net (first of 2 networks)", f"{folder}/random-2.npz"),
        ("ELDA", f"{folder}/elda.npz"),
    ]


def test_without_pairs_the_entries_that_need_them_are_named():
    Path("data/videos.tsv").unlink()
    every = "section6.detection, section6.retrieval, section6.scenes, figures.unit_model, figures.conv1_models, table2"
    with pytest.raises(
        UserError, match=rf"learns from pairs\); to do without pairs, write {every} without such networks"
    ):
        check_targets(planned(table1=[], comparisons=[]), [])
    with pytest.raises(UserError, match=r"learns from pairs\)$"):  # Table 1 is the paper's own
        check_targets(planned(), [])


@pytest.mark.parametrize(
    "target",
    ["pages/scratch.html", "pages/scratch/horse.html", "compared/scratch/unsup-ft-8M.html", "ground_truth.json"],
)
def test_pages_of_detections_are_refused_where_annotations_are_not_public(target):
    with pytest.raises(UserError) as caught:
        check_targets(planned(**ON_THE_SERVER), [f"results/detection/voc2012-test/{target}"])
    assert str(caught.value) == f"results/detection/voc2012-test/{target}: {NO_ANNOTATIONS}"
    check_targets(planned(**ON_THE_SERVER), ["all", "results/detection/voc2012-test/scratch/detections.json"])


def test_a_row_without_detections_has_no_page():
    plan = planned()
    folder = "results/detection/voc2012-val"
    for target in ("pages/rcnn-70K-2x.html", "compared/scratch/rcnn-70K-2x.html", "rcnn-70K-2x/detections.json"):
        with pytest.raises(UserError, match=rf"^{folder}/{target}: row rcnn-70K-2x has no detections: data/imagenet"):
            check_targets(plan, [f"{folder}/{target}"])
    target = f"{folder}/pages/{plan.section6.rows('detection')[0]}.html"
    with pytest.raises(UserError, match=rf"^{target}: row \S+ is one of section 6; expected a row of Table 1$"):
        check_targets(plan, [target])
    assert "rcnn-70K-2x" not in plan.rows_with_pages()
    assert f"{folder}/pages/scratch.html" in plan.detection_pages()
    check_targets(plan, [*plan.detection_pages(), f"{folder}/scratch/detections.json"])
    assert Plan(plan.config | {"voc": plan.config["voc"] | {"protocol": "voc2012-test"}}).detection_pages() == []


def test_the_ground_truth_needs_no_videos():
    Path("data/videos.tsv").unlink()
    check_targets(planned(), ["results/detection/voc2012-val/ground_truth.json"])


def test_given_weights_must_be_there_if_a_target_needs_them():
    paper = yaml.safe_load(PAPER.read_text())
    models = paper["models"] | {"mine": {"train": "given", "weights": "mine.caffemodel"}}
    rows = [{"id": "mine", "label": "mine", "models": ["mine"]}, {"id": "random", "label": "r", "models": ["random-1"]}]
    small = {"models": models, "table1": rows, "comparisons": [], "section6": None, "table2": []}
    voc = {"voc": {"root": "VOCdevkit", "download": False, "protocol": "labelled-test", "classes": ["cat"]}}
    for name in ("trainval", "test"):
        image_list = Path(f"VOCdevkit/VOC2012/ImageSets/Main/{name}.txt")
        image_list.parent.mkdir(parents=True, exist_ok=True)
        image_list.write_text(f"{name}1\n")
    with pytest.raises(UserError, match=r"^config: models\.mine\.weights: mine\.caffemodel: no such file; put the wei"):
        check_targets(planned(**small, **voc), [])
    check_targets(planned(**small, **voc), ["results/cells/table1/labelled-test/random/cat.json"])
    Path("mine.caffemodel").write_bytes(b"weights")
    check_targets(planned(**small, **voc), [])


def test_a_retry_of_downloads_is_asked_for_alone():
    check_targets(planned(), ["retry_unreachable"])
    with pytest.raises(
        UserError, match=r"^retry_unreachable: it changes what the other targets read; ask for it alone"
    ):
        check_targets(planned(), ["pairs", "retry_unreachable"])
