"""The clips of the real evidence: 20 are set aside, and those that show scenes of the masks are not learned from."""

import hashlib
import importlib.util
import sys

import pytest


@pytest.fixture
def prepare(repository, tmp_path):
    """A copy of examples/real_evidence/prepare.py, imported, beside which it writes."""
    script = tmp_path / "example/prepare.py"
    script.parent.mkdir()
    script.write_text((repository / "examples/real_evidence/prepare.py").read_text())
    spec = importlib.util.spec_from_file_location("prepare_evidence", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def given(tmp_path):
    given = tmp_path / "given"
    for folder in ("web_clips", "videos", "scenes_sun8", "voc_fruit", "davis_mini"):
        (given / folder).mkdir(parents=True)
    for name in [*(f"{number:03}.mp4" for number in range(30)), "159_dog.mp4", "clips.tsv"]:
        (given / "web_clips" / name).touch()
    (given / "videos/teddy.webm").touch()
    return given


def listed(path):
    return [line.split("\t")[0] for line in path.read_text().splitlines()[1:]]


def test_the_clips_with_the_smallest_digests_are_set_aside(prepare, given, tmp_path, monkeypatch):
    adopted = []
    monkeypatch.setattr(prepare, "adopt", lambda **asked: adopted.append(asked))
    monkeypatch.setattr(sys, "argv", ["prepare.py", str(given)])
    prepare.main()
    learned_from = listed(tmp_path / "example/data/videos.tsv")
    set_aside = listed(tmp_path / "example/held_out/data/videos.tsv")
    assert len(set_aside) == 20 and not {*learned_from} & {*set_aside}
    assert "teddy" in learned_from and "159_dog" not in learned_from
    digest = {name: hashlib.sha256(f"{name}.mp4".encode()).hexdigest() for name in [*learned_from, *set_aside]}
    assert max(digest[name] for name in set_aside) < min(digest[name] for name in learned_from if name != "teddy")
    assert (tmp_path / "example/data/scenes").resolve() == given / "scenes_sun8"
    assert adopted[0]["longest_side"] == 300


def test_an_absent_folder_is_named(prepare, given, monkeypatch):
    (given / "davis_mini").rmdir()
    monkeypatch.setattr(sys, "argv", ["prepare.py", str(given)])
    with pytest.raises(SystemExit, match=r"no folder davis_mini there; expected web_clips, videos, .* as DATA="):
        prepare.main()


def test_fruit_is_adopted_anew_only_if_it_changed_or_was_not_finished(prepare, given, tmp_path, monkeypatch):
    def adopt(*, out, **_asked):
        (out / "VOC2012").mkdir(parents=True)  # fails if the former one is still there
        adopted.append(out)
        if broken:
            sys.exit("stopped")

    adopted, broken = [], True
    monkeypatch.setattr(prepare, "adopt", adopt)
    monkeypatch.setattr(sys, "argv", ["prepare.py", str(given)])
    with pytest.raises(SystemExit, match="stopped"):
        prepare.main()
    broken = False
    for photo, expected in ((None, 2), (None, 2), ("test/apple.jpg", 3), (None, 3)):
        if photo:
            (given / "voc_fruit" / photo).parent.mkdir()
            (given / "voc_fruit" / photo).write_bytes(b"photo")
        prepare.main()
        assert len(adopted) == expected
