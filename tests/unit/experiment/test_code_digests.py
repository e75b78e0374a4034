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


def digest(script):
    code_digests._imports.cache_clear()
    code_digests._parse.cache_clear()
    code_digests._tree_digest.cache_clear()
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


def test_docstrings_of_functions_do_not_count_but_their_code_does(package):
    root, script = package
    (root / "videos.py").write_text('def frames():\n    """One."""\n    return 1\n')
    before = digest(script)
    (root / "videos.py").write_text('def frames():\n    """Two."""\n    return 1\n')
    assert digest(script) == before
    (root / "videos.py").write_text('def frames():\n    """Two."""\n    return 2\n')
    assert digest(script) != before
