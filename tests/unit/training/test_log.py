import errno
import os

import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.training.log import Log, Means


def test_means_are_over_the_iterations_since_the_last_row():
    means = Means()
    for loss in (1.0, 2.0, 6.0):
        means.add({"loss": torch.tensor(loss)})
    row = means.take(batch_size=10, waited=lambda: 0.0)
    assert row["loss"] == pytest.approx(3)
    assert row["images_per_s"] > 0
    assert row["waiting"] == 0
    means.add({"loss": torch.tensor(5.0)})
    assert means.take(batch_size=10, waited=lambda: 0.0)["loss"] == 5


def test_restored_sums_count_but_their_time_does_not():
    means = Means()
    means.restore({"loss": torch.tensor(9.0)}, 2, torch.device("cpu"))
    means.add({"loss": torch.tensor(3.0)})
    assert means.means() == {"loss": 4.0}
    assert means.timed == 1


def test_a_log_continues_where_a_checkpoint_left_it(tmp_path):
    log = Log(tmp_path / "log.csv")
    log.write(20, {"loss": 0.5})
    position = log.sync()
    assert position == len("iteration,loss\n20,0.5\n")
    log.write(40, {"loss": 0.4})
    log = Log(tmp_path / "log.csv", position)
    log.write(40, {"loss": 0.3})
    assert (tmp_path / "log.csv").read_text() == "iteration,loss\n20,0.5\n40,0.3\n"
    assert log.last_row() == {"iteration": 40, "loss": 0.3}


def test_rows_keep_the_order_of_the_header(tmp_path):
    """After a resume the sums are in the order of their names."""
    log = Log(tmp_path / "log.csv")
    log.write(20, {"violated": 1.0, "spread": 0.5})
    log.write(40, {"spread": 0.25, "violated": 0.75})
    assert (tmp_path / "log.csv").read_text() == "iteration,violated,spread\n20,1,0.5\n40,0.75,0.25\n"


def test_a_full_disk_gives_one_line(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    log = Log(tmp_path / "log.csv")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"log.csv: the disk is full \(\d+ MB left\); free space and run again"):
        log.sync()
