import errno
import os

import pytest

from tracklearn.errors import UserError
from tracklearn.pages.configured import copy_to_results


def test_the_links_of_a_copy_lead_to_the_files_that_those_of_the_page_lead_to(tmp_path):
    page = tmp_path / "results/tables/known/table1.html"
    links = {"index.html": "../../index.html", "detection/known/pages/a.html": "../../detection/known/pages/a.html"}
    for file in links:
        (tmp_path / "results" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / file).touch()
    page.parent.mkdir(parents=True)
    page.write_text("".join(f'<a href="{link}">ä</a>\n' for link in [*links.values(), "#top", "https://a.org/../../b"]))
    copy_to_results(file=page, copy=tmp_path / "results/table1.html")
    expected = "".join(f'<a href="{link}">ä</a>\n' for link in [*links, "#top", "https://a.org/../../b"])
    assert (tmp_path / "results/table1.html").read_text() == expected
    for link in links:
        assert (tmp_path / "results" / link).exists()


def test_a_table_is_copied_byte_for_byte(tmp_path):
    table = tmp_path / "results/tables/known/table1.csv"
    table.parent.mkdir(parents=True)
    table.write_bytes(b'row,mAP\r\n"a, ../../b",47.2\r\n\xff')
    copy_to_results(file=table, copy=tmp_path / "results/table1.csv")
    assert (tmp_path / "results/table1.csv").read_bytes() == table.read_bytes()


def test_a_full_disk_leaves_the_former_copy(tmp_path, monkeypatch):
    table, copy = tmp_path / "new.csv", tmp_path / "table1.csv"
    table.write_text("new")
    copy.write_text("former")

    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(UserError, match=r"table1\.csv: the disk is full .*; free space and run again$"):
        copy_to_results(file=table, copy=copy)
    assert copy.read_text() == "former"
