import shutil

import pytest

from tracklearn.experiment import code_digests
from tracklearn.experiment.code_digests import Code, digests_of


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


def digest(script):
    return Code().digest(script)


def test_reaches_imports_of_imports_but_not_the_rest(package):
    root, script = package
    found = {str(path.relative_to(root)) for path in Code().reachable(script)}
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


@pytest.fixture
def scripts(package, tmp_path):
    """The folder of the package's script, which reaches three modules."""
    _, script = package
    folder = tmp_path / "scripts"
    folder.mkdir()
    script.rename(folder / "track.py")
    return folder


@pytest.fixture
def parsed(monkeypatch):
    """The names of the modules and data files that were read."""
    names = []

    def noting(read):
        return lambda code, file: names.append(file.name) or read(code, file)

    monkeypatch.setattr(Code, "_module", noting(Code._module))
    monkeypatch.setattr(Code, "_data_file", noting(Code._data_file))
    return names


def test_after_an_edit_only_the_edited_file_is_parsed(package, scripts, tmp_path, parsed):
    root, _ = package
    kept = tmp_path / "kept" / "code.json"
    (root / "videos.py").write_text('frames = "gallery.html.jinja"\n')
    (root / "gallery.html.jinja").write_text('{% extends "base.html.jinja" %}')
    (root / "base.html.jinja").write_text("<p>")
    first = digests_of(scripts, kept=kept)
    templates = ["base.html.jinja", "gallery.html.jinja"]
    assert sorted(parsed) == ["__init__.py", *templates, "kcf.py", "track.py", "videos.py"]
    parsed.clear()
    assert digests_of(scripts, kept=kept) == first
    assert not parsed
    seen = [first]
    for file in (root / "base.html.jinja", root / "videos.py", scripts / "track.py"):
        file.write_text(file.read_text() + "edited = 1\n")
        seen.append(digests_of(scripts, kept=kept))
        assert parsed == [file.name]
        assert seen[-1] == {"track.py": digest(scripts / "track.py")}
        parsed.clear()
    assert seen[0] != seen[1] != seen[2] == seen[3]  # Snakemake itself compares scripts


def test_other_rules_of_what_counts_forget_what_was_kept(package, scripts, tmp_path, monkeypatch):
    kept = tmp_path / "code.json"
    first = digests_of(scripts, kept=kept)
    rules = tmp_path / "code_digests.py"
    rules.write_text("SILENT = ...")
    monkeypatch.setattr(code_digests, "__file__", str(rules))
    monkeypatch.setattr(code_digests, "SILENT", code_digests.SILENT | {"videos"})
    second = digests_of(scripts, kept=kept)
    assert second == {"track.py": digest(scripts / "track.py")} != first


def test_what_is_kept_holds_in_a_copy_of_the_project(package, scripts, tmp_path, parsed, monkeypatch):
    first = digests_of(scripts, kept=tmp_path / "code.json")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy)  # with the times of modification
    monkeypatch.setattr(code_digests, "PACKAGE", copy / "tracklearn")
    parsed.clear()
    assert digests_of(copy / "scripts", kept=copy / "code.json") == first
    assert not parsed
    (copy / "tracklearn/videos.py").write_text("frames = 12\n")
    assert digests_of(copy / "scripts", kept=copy / "code.json") == {"track.py": digest(copy / "scripts/track.py")}


def test_a_new_file_may_be_what_an_old_one_names(package, scripts, tmp_path):
    """`from tracklearn.videos import frames` is an attribute of a module, or a module of a folder."""
    root, _ = package
    kept = tmp_path / "code.json"
    first = digests_of(scripts, kept=kept)
    (root / "videos").mkdir()
    (root / "videos/frames.py").write_text("")
    second = digests_of(scripts, kept=kept)
    assert second == {"track.py": digest(scripts / "track.py")} != first
    (root / "videos/frames.py").unlink()
    assert digests_of(scripts, kept=kept) == first


@pytest.mark.parametrize("spoilt", ["", "[]", '{"states": {}}', '{"rules": [0, 0]}', "\x00"])
def test_a_spoilt_file_of_digests_is_replaced(scripts, tmp_path, spoilt):
    kept, other = tmp_path / "code.json", tmp_path / "other.json"
    expected = digests_of(scripts, kept=other)
    kept.write_text(spoilt)
    assert digests_of(scripts, kept=kept) == expected
    assert kept.read_text() == other.read_text()
