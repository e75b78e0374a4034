import os

import pytest

from tracklearn.experiment.file_digests import digest_of_files, folder_files


@pytest.fixture
def photos(tmp_path):
    """Three files that are one hour old."""
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path in paths:
        path.write_bytes(b"photo")
        os.utime(path, ns=(10**18, 10**18))
    return paths


def test_an_edit_in_place_changes_the_digest(photos):
    before = digest_of_files(photos)
    photos[1].write_bytes(b"other")
    assert digest_of_files(photos) != before


def test_a_file_of_equal_time_and_another_size_changes_the_digest(photos):
    before = digest_of_files(photos)
    photos[1].write_bytes(b"another photo")
    os.utime(photos[1], ns=(10**18, 10**18))
    assert digest_of_files(photos) != before


def test_a_removed_file_changes_the_digest_and_the_order_does_not(photos):
    before = digest_of_files(photos)
    assert digest_of_files(reversed(photos)) == before
    photos[0].unlink()
    assert digest_of_files(photos) != before


def test_only_files_changed_since_the_download_count(photos, tmp_path):
    stamp = tmp_path / "stamp.json"
    before = digest_of_files(photos, newer_than=stamp)
    assert digest_of_files([], newer_than=stamp) == before  # the download is still to come
    stamp.write_text("{}")
    os.utime(stamp, ns=(2 * 10**18, 2 * 10**18))
    assert digest_of_files(photos, newer_than=stamp) == before
    os.utime(photos[2], ns=(3 * 10**18, 3 * 10**18))
    assert digest_of_files(photos, newer_than=stamp) != before


def test_a_folder_is_read_to_its_depth(tmp_path):
    for name in ("cat/1.jpg", "dog/old/2.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert {path.name for path in folder_files(tmp_path)} == {"1.jpg", "2.jpg"}
