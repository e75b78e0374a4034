import os

import pytest

from tracklearn.experiment.file_digests import digest_of_files, digest_of_folder, file_state


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


def test_files_in_their_known_state_are_left_out(photos):
    known = {str(photo): file_state(photo) for photo in photos}
    assert digest_of_files(photos, known=known) == digest_of_files([])
    photos[2].write_bytes(b"other")
    edited = digest_of_files(photos, known=known)
    assert edited != digest_of_files([])
    os.utime(photos[2], ns=(10**17, 10**17))  # older than before, as a file that `cp -p` brought
    assert digest_of_files(photos, known=known) not in (edited, digest_of_files([]))
    photos[2].unlink()
    assert digest_of_files(photos, known=known) not in (edited, digest_of_files([]))


def test_a_folder_counts_to_its_depth(tmp_path):
    for name in ("cat/1.jpg", "dog/old/2.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    before = digest_of_folder(tmp_path)
    assert digest_of_folder(tmp_path) == before
    for name in (".DS_Store", "cat/._1.jpg"):
        (tmp_path / name).touch()
    assert digest_of_folder(tmp_path) == before
    (tmp_path / "dog/old/2.jpg").write_bytes(b"photo")
    assert digest_of_folder(tmp_path) != before


def test_links_that_lead_nowhere_are_absent_files(photos, tmp_path):
    for name, target in {"loop": "loop", "below": photos[0] / "x", "gone": "gone.jpg"}.items():
        (tmp_path / f"{name}.jpg").symlink_to(target)
    before = digest_of_folder(tmp_path)
    assert before == digest_of_folder(tmp_path)
    (tmp_path / "gone.jpg").unlink()
    (tmp_path / "gone.jpg").write_bytes(b"photo")
    assert digest_of_folder(tmp_path) != before
