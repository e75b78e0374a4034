"""The stand-ins of the rehearsal, and the records of MLflow's benchmark."""

import json

import numpy as np
import pytest
import simplejpeg

from benchmarks import records, rehearsal
from tracklearn.mining.tables import FRAMES, TRACKS, read_table
from tracklearn.patches.store import PatchStore
from tracklearn.runs.lineage import Lineage
from tracklearn.runs.spool import Spool
from tracklearn.videos.manifest import ManifestRow, write_manifest


@pytest.fixture
def grown(tmp_path, monkeypatch):
    """A folder with shard 00000 of two videos, one of which is gone, after it has grown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rehearsal, "PAIRS", 30)
    monkeypatch.setattr(rehearsal, "CANDIDATES", 50)
    for folder in ("videos", "mining/00000", "patches"):
        (tmp_path / "results" / folder).mkdir(parents=True)
    rows = [ManifestRow(name, name, name, "ok") for name in ("ant", "bee")]
    write_manifest("results/videos/00000.tsv", [*rows, ManifestRow("gone", "gone", reason="no such file")])
    (tmp_path / "results/patches/00000.h5").touch()
    rehearsal.grow()
    return tmp_path / "results"


def test_a_grown_shard_is_whole_and_has_the_real_number_of_rows(grown):
    store = PatchStore(grown / "patches/00000.h5")
    assert store.verify() == 30
    assert store.video_ids == ["ant", "bee"]
    assert np.bincount(store.video_of_pair).tolist() == [15, 15]
    assert json.loads((grown / "patches/00000.json").read_text())["pairs"] == 30
    assert len(read_table(grown / "mining/00000/frames.csv", FRAMES)) == 50
    assert {row["status"] for row in read_table(grown / "mining/00000/tracks.csv", TRACKS)} == {"tracked"}
    assert store.pair(7)[0].min() == store.pair(7)[0].max() == 7


def test_a_shard_grows_once(grown):
    before = (grown / "patches/00000.h5").stat().st_mtime_ns
    rehearsal.grow()
    assert (grown / "patches/00000.h5").stat().st_mtime_ns == before


def test_a_picture_of_one_colour_needs_no_tables_of_codes():
    whole = simplejpeg.encode_jpeg(np.full((67, 67, 1), 90, np.uint8), 30, "GRAY", "Gray")
    small = rehearsal._without_tables(whole)
    assert len(small) < len(whole) / 2
    assert np.array_equal(simplejpeg.decode_jpeg(small, "RGB"), simplejpeg.decode_jpeg(whole, "RGB"))


def test_jobs_that_take_turns_write_whole_runs_with_their_lineage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(records, "STEPS", 3)
    records.write_all(100)
    jobs, spool = list(records.all_jobs(100)), Spool()
    assert sorted(spool.keys()) == sorted(job.key for job in jobs)
    assert {event["event"] for job in jobs for event in spool.starts_and_ends(job.key)[0]} == {"start", "end"}
    lineage = Lineage(spool)
    lineage.refresh()
    networks = [job for job in jobs if job.rule == "models_ranking"]
    cells = {job.key for job in jobs if job.cell}
    assert len(networks) == 1
    assert len(cells) == 4
    page = jobs[-1].key
    gallery = {job.key for job in jobs if job.rule == "patches_gallery" and job.number == 0}
    assert set(lineage.targets(jobs[0].key)) == cells | {page} | gallery
    assert set(lineage.targets(networks[0].key)) == cells | {page}
