import cv2
import numpy as np
from worlds.pairs import SIDE, some_pairs

from tracklearn.patches.sheet import draw_sheet
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import write_shard


def test_the_sheet_shows_query_above_tracked(tmp_path):
    write_shard(tmp_path / "s.h5", some_pairs(70), size=SIDE, quality=95)
    assert draw_sheet(tmp_path / "s.h5", tmp_path / "s.png") == {"pairs": 60}
    sheet = cv2.imread(str(tmp_path / "s.png"))[:, :, ::-1]
    assert sheet.shape == (5 * (2 * 112 + 29 + 4), 12 * 116, 3)
    for half, patch in enumerate(PatchStore(tmp_path / "s.h5").pair(0)):
        drawn = sheet[112 * half : 112 * half + 112, :112]
        expected = cv2.resize(patch, (112, 112), interpolation=cv2.INTER_AREA)
        assert np.abs(drawn.astype(int) - expected).max() <= 1
    assert (sheet[226:250, :112] < 100).any()  # the caption


def test_the_sheet_of_an_empty_shard(tmp_path):
    write_shard(tmp_path / "a.h5", [], size=SIDE, quality=95)
    assert draw_sheet(tmp_path / "a.h5", tmp_path / "a.png") == {"pairs": 0}
    assert (cv2.imread(str(tmp_path / "a.png")) < 100).any()
