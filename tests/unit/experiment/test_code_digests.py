import pytest

from tracklearn.experiment import code_digests


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `tracklearn` of four modules, and a script that imports one of them."""
    root = tmp_path / "tracklearn"
    (root / "mining").mkdir(parents=True)
    (root / "mining" / "__init__.py").write_text("")
    (root / "mining" / "kcf.py").write_text('"""Track."""\nfrom tracklearn.videos import frames\nFRAMES = 30\n')
    (root / "videos.py").write_text("frames = 1\n")
    (root / "svm.py").write_text("C = 1\n")
    (root / "runs.py").write_text("quiet = True\n")
    script = tmp_path / "track.py"
    script.write_text("from tracklearn.mining.kcf import FRAMES\nfrom tracklearn.runs import quiet\n")
    monkeypatch.setattr(code_digests, "PACKAGE", root)
    return root, script


def forget():
    for cached in ("_used_by", "_parsed", "_file_digest", "_data_files"):
        getattr(code_digests, cached).cache_clear()


def digest(script):
    forget()
    return code_digests.digest(script)


def test_reaches_imports_of_imports_but_not_the_rest(package):
    root, script = package
    found = {str(path.relative_to(root)) for path in code_digests.reachable(script)}
    assert found == {"mining/__init__.py", "mining/kcf.py", "videos.py"}


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("mining/kcf.py", '"""Track."""\nfrom tracklearn.videos import frames\nFRAMES = 31\n', True),
        ("videos.py", "frames = 2\n", True),
        ("mining/kcf.py", '"""Follow."""\nfrom tracklearn.videos import frames\n\nFRAMES = 30  # why\n', False),
        ("svm.py", "C = 2\n", False),
        ("runs.py", "quiet = False\n", False),
    ],
)
def test_only_an_edit_that_can_change_results_counts(package, file, text, changes):
    root, script = package
    before = digest(script)
    (root / file).write_text(text)
    assert (digest(script) != before) is changes


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ('log.info("frame %d", 1)', 'log.info("frames: %d", 2)', False),
        ('progress.info("a")', "pass", True),  # an empty function is another one than a function of one statement
        ('warnings.warn("slow")', 'warnings.warn("very slow")', False),
        ('raise UserError("no frames")', 'raise UserError("no frame; add some")', False),
        ('raise ValueError("no frames")', 'raise ValueError("no frame")', True),
        ('frames = log.info("a")', 'frames = log.info("b")', True),
    ],
)
def test_what_is_said_to_people_does_not_count(package, before, after, changes):
    root, script = package
    (root / "videos.py").write_text(f"def frames():\n    {before}\n    return 1\n")
    first = digest(script)
    (root / "videos.py").write_text(f"def frames():\n    {after}\n    return 1\n")
    assert (digest(script) != first) is changes


def test_a_data_file_counts_for_the_modules_that_name_it(package):
    root, script = package
    (root / "tables").mkdir()
    (root / "tables/paper.csv").write_text("54.1")
    before = digest(script)
    (root / "tables/paper.csv").write_text("54.2")
    assert digest(script) == before
    (root / "videos.py").write_text('frames = "paper.csv"\n')
    before = digest(script)
    (root / "tables/paper.csv").write_text("54.3")
    assert digest(script) != before


def test_a_template_counts_with_those_that_it_extends(package):
    root, script = package
    (root / "videos.py").write_text('frames = "gallery.html.jinja"\n')
    (root / "gallery.html.jinja").write_text('{% extends "base.html.jinja" %}')
    (root / "base.html.jinja").write_text("<p>")
    (root / "table1.html.jinja").write_text("<p>")
    before = digest(script)
    (root / "table1.html.jinja").write_text("<div>")
    assert digest(script) == before
    (root / "base.html.jinja").write_text("<div>")
    assert digest(script) != before


def test_silent_modules_exist(repository):
    package = repository / "src/tracklearn"
    for module in code_digests.SILENT:
        path = package.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), module


def test_docstrings_of_functions_do_not_count_but_their_code_does(package):
    root, script = package
    (root / "videos.py").write_text('def frames():\n    """One."""\n    return 1\n')
    before = digest(script)
    (root / "videos.py").write_text('def frames():\n    """Two."""\n    return 1\n')
    assert digest(script) == before
    (root / "videos.py").write_text('def frames():\n    """Two."""\n    return 2\n')
    assert digest(script) != before


def test_digests_are_kept_until_a_file_changes(package, tmp_path, monkeypatch):
    root, script = package
    scripts, kept = tmp_path / "scripts", tmp_path / "kept" / "code.json"
    scripts.mkdir()
    script.rename(scripts / "track.py")
    first = digest_all(scripts, kept)
    assert first == {"track.py": digest(scripts / "track.py")}
    with monkeypatch.context() as patch:
        patch.setattr(code_digests, "digest", lambda script: pytest.fail("the kept digests still hold"))
        assert digest_all(scripts, kept) == first
    (root / "videos.py").write_text("frames = 12\n")
    second = digest_all(scripts, kept)
    assert second == {"track.py": digest(scripts / "track.py")} != first
    (scripts / "track.py").write_text("from tracklearn.videos import frames\n")
    assert digest_all(scripts, kept) not in (first, second)


@pytest.mark.parametrize("spoilt", ["", "[]", '{"state": "0"}', "\x00"])
def test_a_spoilt_file_of_digests_is_replaced(package, tmp_path, spoilt):
    _, script = package
    scripts, kept = tmp_path / "scripts", tmp_path / "code.json"
    scripts.mkdir()
    script.rename(scripts / "track.py")
    expected = digest_all(scripts, tmp_path / "other.json")
    kept.write_text(spoilt)
    assert digest_all(scripts, kept) == expected
    assert kept.read_text() == (tmp_path / "other.json").read_text()


def digest_all(scripts, kept):
    forget()
    return code_digests.digests_of(scripts, kept=kept)
