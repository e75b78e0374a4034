import pytest

from tracklearn.normals.nyuv2_writing import Frame, write_nyuv2


def test_an_interrupted_writing_leaves_no_file(tmp_path, photos, views):
    def frames():
        yield Frame(photos[0], views[0].depth)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_nyuv2(tmp_path / "a.mat", frames(), 2)
    assert not list(tmp_path.iterdir())
