import zlib

import h5py
import pytest
import simplejpeg
from worlds.pairs import SIDE, smooth_patch

from tracklearn.errors import UserError
from tracklearn.patches import format as layout
from tracklearn.patches.format import TABLES, VERSION, jpeg_shape, table_lengths


def test_the_file_is_what_the_docstring_says(shard):
    """Six pairs of two videos."""
    listed = [line.split("|")[1:3] for line in layout.__doc__.splitlines() if line.startswith("| `")]
    sizes = {"V": 2, "N": 6, "2 N": 12, "2 N + 1": 13}
    with h5py.File(shard) as file:
        for name, text in listed:
            dtype, _, shape = text.strip().partition(" ")
            found = file[name.strip(" `")]
            first, *others = shape.strip("(),").split(", ")
            if first != "bytes":
                assert found.shape == (sizes[first], *map(int, others))
            assert h5py.check_string_dtype(found.dtype) if dtype == "string" else found.dtype == dtype
        assert sorted(file) == sorted([*TABLES, "jpeg"]) == sorted(name.strip(" `") for name, _ in listed)
        assert {name: len(file[name]) for name in table_lengths(6)} == table_lengths(6)
        assert dict(file.attrs) == {"format_version": VERSION, "pairs": 6, "size": SIDE, "quality": 95}


def test_patches_are_found_by_their_offsets(shard):
    with h5py.File(shard) as file:
        assert file["jpeg"].chunks is None
        first = file["jpeg"][: file["offsets"][1]].tobytes()
        assert zlib.crc32(first) == file["crc32"][0]
        assert simplejpeg.decode_jpeg(first).shape == (SIDE, SIDE, 3)


def test_the_shape_of_a_jpeg():
    assert jpeg_shape(simplejpeg.encode_jpeg(smooth_patch(0)[:20].copy()), "a") == (20, SIDE)
    with pytest.raises(UserError, match=r"list, line 3: not a JPEG \("):
        jpeg_shape(b"<html>", "list, line 3")
