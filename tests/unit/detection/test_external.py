import json

import pytest

from tracklearn.detection.external import external_text, write_external_texts, written
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import save_weights


@pytest.fixture
def text_of(tmp_path):
    """A function that returns a row's text: `ranking` lists (pairs used, patches wanted), `images` counts of images."""

    def of(label, *, ranking=(), images=(), crops=False, given=()):
        net = CaffeNet(width=1 / 16, input_size=67, fc7=4)
        files = [tmp_path / f"{index}.safetensors" for index in range(len(ranking) + len(images))]
        for path, (pairs, _) in zip(files, ranking, strict=False):
            save_weights(path, net, metadata={"pairs": pairs})
        for path, count in zip(files[len(ranking) :], images, strict=True):
            save_weights(path, net, metadata={} if count is None else {"images": count})
        patches = [(path, wanted) for path, (_, wanted) in zip(files, ranking, strict=False)]
        return external_text(label=label, patches=patches, images=files[len(ranking) :], crops=crops, given=given)

    return of


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("0", {}, "0"),
        ("8M", {"ranking": [(4_000_000, 8_000_000)]}, "8M"),
        ("8M", {"ranking": [(3_506_172, 8_000_000)]}, "7.0M of 8M"),
        ("8M", {"ranking": [(3_999_999, 8_000_000)]}, "7.9M of 8M"),
        ("6.5M", {"ranking": [(750_000, 1_500_000), (2_500_000, 5_000_000)]}, "6.5M"),
        ("6.5M", {"ranking": [(750_000, 1_500_000), (2_000_000, 5_000_000)]}, "5.5M of 6.5M"),
        ("8M", {"ranking": [(1_173, None)]}, "2,346 of 8M"),
        ("1.5M", {"ranking": [(0, None)]}, "0 of 1.5M"),
        ("", {"ranking": [(1_173, None)]}, "2,346 patches"),
        ("", {"images": [1_281_167, 1_281_167]}, "1,281,167 labelled images"),
        ("", {"images": [None]}, "labelled images"),  # weights that do not state the number
        ("", {"crops": True}, "crops of VOC's training images"),
        ("", {"given": ["bvlc_reference_caffenet"]}, "bvlc_reference_caffenet"),
        ("8M", {"ranking": [(5, 20)], "given": ["mine.safetensors"]}, "10 of 8M, mine.safetensors"),
    ],
)
def test_the_text_is_the_label_or_what_was_used_where_this_differs(text_of, label, data, text):
    assert text_of(label, **data) == text


def test_the_texts_of_all_rows_are_in_one_file(tmp_path):
    nothing = {"patches": [], "images": [], "crops": False, "given": []}
    out = tmp_path / "external.json"
    write_external_texts(rows={"a": {"label": "0", **nothing}, "b": {"label": "", **nothing, "crops": True}}, out=out)
    assert json.loads(out.read_text()) == {"a": "0", "b": "crops of VOC's training images"}


def test_numbers_are_rounded_down():
    assert [written(count) for count in (999_999, 1_000_000, 1_499_999)] == ["999,999", "1.0M", "1.4M"]
