"""Tar archives: VOC's and Indoor-67's, unpacked without trust, and the tars of WebDataset with their table."""

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path, PurePosixPath
from random import Random

import numpy as np
import simplejpeg
from worlds.pairs import SIDE, some_pairs

from fuzz.mutations import EXTREMES, near
from tracklearn.download import unpack
from tracklearn.patches.store import PatchStore
from tracklearn.patches.webdataset import read_tars, write_tars
from tracklearn.patches.writing import write_shard
from tracklearn.scenes import download as scenes
from tracklearn.voc.download import unpack_voc

VOC = "VOCdevkit/VOC2012/JPEGImages/"
NAMES = (
    *("../outside.jpg", "/tmp/outside.jpg", "Images/../../outside.jpg", f"{VOC}../../../../../outside.jpg", "-rf", "."),
    *("..", "Images/kitchen/..", f"{VOC}{'x' * 300}.jpg", f"{VOC}a\nb.jpg", f"{VOC}\x1b[2J.jpg", "Images/a/\udcff.jpg"),
    *("Images/kitchen/a.jpg", f"{VOC}1.jpg", f"{VOC}1.jpg/below.jpg", "Images/kitchen", f"./{VOC}-o.jpg", ""),
)
KINDS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"x")
LINKED = "/etc/passwd", "../../..", "/tmp", f"{VOC}0.jpg", "."


def hostile(data: bytes, rng: Random) -> bytes:
    """A member that leads elsewhere, is no file, claims a huge size or is sparse, at the front or at the end."""
    member = tarfile.TarInfo(rng.choice(NAMES))
    content = b"content"
    member.size = len(content)
    how = rng.randrange(4)
    if how == 0:
        member.type, member.linkname, member.size = rng.choice(KINDS), rng.choice(LINKED), 0
    elif how == 1:
        member.size = rng.choice([value for value in EXTREMES if 0 <= value < 2**63])
    elif how == 2:
        huge = str(rng.choice((2**40, 2**62)))
        member.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": f"{VOC}sparse.jpg",
            "GNU.sparse.realsize": huge, "size": str(len(content)),
        }  # fmt: skip
        content = b"0\n" + bytes(510)
        member.size = 512
    try:
        block = member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    except (ValueError, UnicodeError):
        return data
    if member.isreg():
        block += content + bytes(-len(content) % 512)
    return block + data if rng.random() < 0.5 else data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512) + block


def compressed(data: bytes, rng: Random) -> bytes:
    """The archive packed once more, which unpackers that guess would open: a bomb, perhaps."""
    whole = data + bytes(rng.choice((0, 1 << 25)))
    return rng.choice((gzip.compress, bz2.compress, lzma.compress))(whole)


def checksummed(data: bytes, rng: Random) -> bytes:
    """A field of a member's header is another, and the header's checksum right."""
    at = 512 * rng.randrange(max(1, len(data) // 512))
    block = bytearray(data[at : at + 512].ljust(512, b"\0"))
    start, length = rng.choice(((0, 100), (100, 8), (124, 12), (124, 12), (136, 12), (156, 1), (157, 100), (345, 155)))
    word = rng.choice(
        (b"7" * 11, b"\x80" + b"\xff" * 11, b"-1", b"\xff" * 12, b"../../x", b"/x", b"5", b"S", b"L", b"x", b"g")
    )
    block[start : start + length] = word[:length].ljust(length, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return data[:at] + bytes(block) + data[at + 512 :]


EDITS = {".tar": [hostile, hostile, checksummed, compressed], ".parquet": [near(b"PAR1", b"pair", b"shard", b"crc32")]}


def write_samples(folder: Path) -> None:
    photo = simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8))
    for name, members in {
        "voc.tar": [f"{VOC}0.jpg", "VOCdevkit/VOC2012/ImageSets/Main/train.txt", "VOCdevkit/VOC2012/other/x"],
        "indoor.tar": ["Images/kitchen/a.jpg", "Images/bath/b.jpg"],
    }.items():
        with tarfile.open(folder / name, "w") as tar:
            for path in members:
                member = tarfile.TarInfo(path)
                member.size = len(photo)
                tar.addfile(member, io.BytesIO(photo))
    (folder / "shards").mkdir()
    write_shard(folder / "shards/00000.h5", some_pairs(3), size=SIDE, quality=95)
    write_tars(folder / "shards", folder / "tars")


def mutated(folder: Path) -> list[str]:
    return ["voc.tar", "indoor.tar", "tars/00000.tar", "tars/pairs.parquet"]


def read(folder: Path, name: str) -> None:
    before = set(Path().rglob("*"))
    out = Path("unpacked")
    out.mkdir()
    try:
        if name == "voc.tar":
            count = unpack_voc(Path(name), out, year=2012)
        elif name == "indoor.tar":
            count = unpack(Path(name), out, select=scenes._photo, expected="no photo")
        else:
            count = read_tars("tars", out)["shards"]
            _same_patches(Path("shards/00000.h5"), out / "00000.h5")
    finally:
        written = set(Path().rglob("*")) - before
        assert all(out == path or out in path.parents for path in written)
        assert not any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in written)
        # The files on disk are no larger than what was read.
        assert sum(path.stat().st_size for path in written if path.is_file()) < 10_000_000
    files = [path for path in written if path.is_file()]
    assert len(files) == count and not any(part.startswith(".unpack") for path in files for part in path.parts)
    if name != "tars/00000.tar" and "tars" not in name:
        top = {PurePosixPath(*path.relative_to(out).parts[:1]) for path in files}
        assert top == {PurePosixPath("VOC2012" if name == "voc.tar" else "Images")}


def _same_patches(original: Path, copy: Path) -> None:
    """Every member has a checksum, so that what is accepted is what was written."""
    one, other = PatchStore(original), PatchStore(copy)
    assert len(one) == other.verify() and one.video_ids == other.video_ids
    for patch in range(2 * len(one)):
        assert one.jpeg(patch).tobytes() == other.jpeg(patch).tobytes()
