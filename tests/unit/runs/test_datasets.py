"""The data sets that a job reads, as its rule declares them."""

from tracklearn.runs.datasets import datasets_of


def test_photos_and_annotations_of_an_image_set():
    params = {"devkit": {"voc": "data/VOCdevkit", "year": 2012}, "photos_digest": "ab", "annotations_digest": "cd"}
    inputs = {"proposals": ["results/voc/proposals/VOC2012/train-0.npz", "results/voc/proposals/VOC2012/train-1.npz"]}
    assert datasets_of(params, inputs, {}) == [
        {"name": "VOC2012 train photos", "digest": "ab", "source": "data/VOCdevkit/VOC2012"},
        {"name": "VOC2012 train annotations", "digest": "cd", "source": "data/VOCdevkit/VOC2012"},
    ]
    (photos, _) = datasets_of(params | {"image_set": "val"}, {}, {})
    assert photos["name"] == "VOC2012 val photos"


def test_digests_of_several_image_sets_are_one():
    params = {"devkit": {"voc": "v", "year": 2007}, "photos_digest": ["ab", "cd"], "image_set": "test"}
    (one,) = datasets_of(params, {}, {})
    assert (one["name"], len(one["digest"])) == ("VOC2007 photos", 20)
    (other,) = datasets_of(params | {"photos_digest": ["cd", "ab"]}, {}, {})
    assert other["digest"] != one["digest"]


def test_the_digest_of_a_subset_follows_from_its_shards_and_its_size():
    shards = ["results/patches/00000.h5", "results/patches/00001.h5"]
    origins = {shards[0]: "key0", shards[1]: "key1"}
    params = {"patches": 5000, "inner": [], "reading_order_digest": "ef"}
    (one,) = datasets_of(params, {"stores": shards}, origins)
    assert (one["name"], one["source"]) == ("5000 patches of 2 shards", " ".join(shards))
    digests = {
        datasets_of(changed, {"stores": shards}, made_by)[0]["digest"]
        for changed, made_by in (
            (params, origins),
            (params | {"patches": 6000}, origins),
            (params, origins | {shards[0]: "new"}),
        )
    }
    assert len(digests) == 3 and one["digest"] in digests


def test_nyuv2_and_a_folder_of_images():
    (split,) = datasets_of({"split_digest": "ab"}, {"truth": ["results/normals/truth.h5"]}, {})
    assert split == {"name": "NYUv2 split", "digest": "ab", "source": "results/normals/truth.h5"}
    truth = {"nyuv2": "data/nyuv2/labeled.mat", "photos_digest": "ab", "given_digest": "cd"}
    photos = {"name": "NYUv2 photos", "digest": "ab", "source": "data/nyuv2/labeled.mat"}
    assert datasets_of(truth | {"settings": {"plane_fits": {}}}, {}, {}) == [photos]
    given = {"name": "NYUv2 given normals", "digest": "cd", "source": "data/normals"}
    assert datasets_of(truth | {"settings": {"given": "data/normals"}}, {}, {}) == [photos, given]
    (folder,) = datasets_of({"folder": "/data/ILSVRC2012", "image_folder_digest": "ab"}, {}, {})
    assert folder == {"name": "ILSVRC2012 image folder", "digest": "ab", "source": "/data/ILSVRC2012"}
    assert datasets_of({"folder": "results/voc/crops", "image_folder_digest": ""}, {}, {}) == []


def test_only_digests_name_data_sets():
    assert datasets_of({"given": "mine.caffemodel", "folder": "photos"}, {}, {}) == []
    given = {"given_digest": "ab", "settings": {"given": "normals.h5"}}
    assert datasets_of(given, {}, {})[0]["source"] == "normals.h5"
