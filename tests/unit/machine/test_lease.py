"""One job has one writer, whatever is killed, suspended or late."""

import errno
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tracklearn.files import atomic, disk_errors_explained
from tracklearn.machine import lease
from tracklearn.machine.lease import Lease, LeaseLostError, Writer, confirm

HERE = Writer.this_process()
ELSEWHERE = replace(HERE, host="node7", place="another kernel", pid=12, slurm_job="345")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a lease, with times of a test: a writer elsewhere is dead after 0.3 s without a heartbeat."""
    monkeypatch.setattr(lease, "SILENCE", 0.3)
    monkeypatch.setattr(lease, "LOOK", 0.02)
    return tmp_path / "jobs/one"


@pytest.fixture
def take(folder):
    """Take the lease as some writer; it is released when the test ends."""
    leases = []

    def take(writer=HERE, **options):
        leases.append(Lease(folder, writer))
        return leases[-1].take(**options)

    yield take
    for taken in leases:
        taken.release()


def held_by(folder: Path, writer: Writer, heartbeat: str = "a") -> str:
    """Make a lease as another process would; its file."""
    folder.mkdir(parents=True)
    file = f"{writer.name},0,{heartbeat}"
    (folder / file).touch()
    return file


def test_a_lease_is_one_writers_until_it_is_released(folder):
    first, second = Lease(folder), Lease(folder)
    assert first.take()
    assert not second.take()
    assert Writer.named(second.holder()) == HERE
    first.release()
    assert second.take()
    second.release()
    assert list(folder.parent.iterdir()) == []
    assert lease.HELD not in os.environ


def test_what_a_killed_process_leaves_blocks_nobody_and_is_removed(folder):
    program = """
import os, sys
from pathlib import Path
from tracklearn.machine.lease import Lease
assert Lease(Path(sys.argv[1])).take()
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", program, folder], check=False).returncode == -9
    (folder.parent / f".{folder.name}.0123").mkdir()  # of a process that was killed while it took the lease
    job = Lease(folder)
    assert job.holder()
    assert job.take()
    job.release()
    assert list(folder.parent.iterdir()) == []


def test_an_empty_folder_is_free(folder, take):
    folder.mkdir(parents=True)  # of a process that was killed while it released the lease
    assert take()


def test_a_process_lives_until_it_ends_and_its_number_may_be_given_again():
    assert not HERE.is_dead
    assert replace(HERE, start=HERE.start - 1).is_dead
    assert not replace(HERE, place="another kernel", start=1).is_dead
    assert not replace(HERE, place="").is_here
    with subprocess.Popen(["sleep", "60"]) as child:
        writer = replace(HERE, pid=child.pid, start=lease._start(child.pid))
        assert not writer.is_dead
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # the child is a zombie now
        assert writer.is_dead
    assert writer.is_dead


def test_a_writer_is_its_name():
    for writer in (HERE, ELSEWHERE):
        assert Writer.named(f"{writer.name},token,heartbeat") == writer
    assert str(ELSEWHERE) == "process 12 on node7 (SLURM job 345)"
    assert str(replace(HERE, host="node1", pid=3, slurm_job="")) == "process 3 on node1"


RACE = """
import json, sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tracklearn.machine.lease import Lease, Writer

def race(number, barrier, rounds):
    here, won = Writer.this_process(), []
    for folder in rounds:
        job = Lease(folder, replace(here, slurm_job=str(number)))
        silent = job.holder()
        barrier.wait(60)
        if job.take(silent=silent):
            won.append(folder.name)
        barrier.wait(60)
        job.release()
    return won

def run(queue, *arguments):
    queue.put(race(*arguments))

context = get_context("fork")
rounds = [Path(path) for path in sys.stdin.read().splitlines()]
barrier, queue = context.Barrier(8), context.Queue()
processes = [context.Process(target=run, args=(queue, number, barrier, rounds)) for number in range(8)]
for process in processes:
    process.start()
print(json.dumps(sorted(name for _ in processes for name in queue.get(timeout=100))))
for process in processes:
    process.join()
"""


@pytest.mark.parametrize("state", ["free", "dead", "silent"])
def test_of_eight_processes_that_take_a_lease_at_once_one_has_it(tmp_path, state):
    rounds = [tmp_path / f"{number:03d}" for number in range(100)]
    writer = {"dead": replace(HERE, start=1), "silent": ELSEWHERE}.get(state)
    for folder in rounds if writer else []:
        held_by(folder, writer)
    text = "\n".join(map(str, rounds))
    done = subprocess.run(
        [sys.executable, "-c", RACE], input=text, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == str([folder.name for folder in rounds]).replace("'", '"')
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_has_shown_a_heartbeat_since_is_not_taken_over(folder, take):
    file = held_by(folder, ELSEWHERE)
    assert not take()
    (folder / file).rename(folder / f"{file}b")
    assert not take(silent=file)
    assert take(silent=f"{file}b")


def test_a_writer_elsewhere_is_dead_once_its_heartbeat_stops(folder):
    """It shows 20 heartbeats in 1 s, and is taken over once none came for 0.3 s."""

    def live():
        for number in range(20):
            (folder / f"{name}{number}").rename(folder / f"{name}{number + 1}")
            heartbeats.append(number)
            stop.wait(0.05)

    name, heartbeats, stop = held_by(folder, ELSEWHERE, "0")[:-1], [], threading.Event()
    writer = threading.Thread(target=live)
    told, job = [], Lease(folder)
    writer.start()
    job.wait(told.append)
    assert len(heartbeats) == 20
    assert told == [ELSEWHERE]  # once: the next line comes after minutes
    assert Writer.named(job.holder()) == HERE
    job.release()


def test_time_in_which_the_waiting_process_was_suspended_counts_little(folder, monkeypatch):
    """Each look seems to come 1,000 s after the one before; 45 s of silence are then at least 22 looks of 2 s."""
    held_by(folder, ELSEWHERE)
    clock, looks = iter(range(0, 10**7, 500)), []
    monkeypatch.setattr(lease, "SILENCE", 45.0)
    monkeypatch.setattr(lease, "LOOK", 1.0)
    monkeypatch.setattr(lease.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(lease.time, "sleep", looks.append)
    job = Lease(folder)
    job.wait(lambda writer: None)
    job.release()
    assert 22 <= len(looks) <= 25


def test_a_writer_that_lives_on_this_host_is_never_silent(folder, monkeypatch):
    with subprocess.Popen(["sleep", "60"]) as child:
        held_by(folder, replace(HERE, pid=child.pid, start=lease._start(child.pid)))
        looks = []

        def look(seconds):
            looks.append(seconds)
            if len(looks) == 100:
                child.kill()
                child.wait()

        monkeypatch.setattr(lease, "SILENCE", 0.0)
        monkeypatch.setattr(lease.time, "sleep", look)
        job = Lease(folder)
        job.wait(lambda writer: None)
        assert len(looks) == 100
        job.release()


def test_a_writer_that_was_taken_over_writes_nothing(folder, take, tmp_path):
    table = tmp_path / "table.csv"
    with atomic(table) as temporary:  # without a lease
        temporary.write_text("mine")
    assert take()
    with atomic(table) as temporary:
        temporary.write_text("still mine")
    (file,) = folder.iterdir()
    with pytest.raises(LeaseLostError, match="taken over by process 12 on node7 "), atomic(table) as temporary:
        temporary.write_text("too late")
        file = next(folder.iterdir())
        file.rename(folder / f"{ELSEWHERE.name},0,a")
    with pytest.raises(LeaseLostError), disk_errors_explained(table):
        table.write_text("too late")
    assert table.read_text() == "still mine"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["table.csv"]


def test_processes_of_a_job_show_its_heartbeat_and_notice_its_loss(folder, take):
    program = "from tracklearn.machine.lease import confirm; confirm()"
    assert take()
    before = list(folder.iterdir())
    subprocess.run([sys.executable, "-c", program], check=True)
    (after,) = folder.iterdir()
    assert after not in before
    after.rename(folder / f"{ELSEWHERE.name},0,a")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "LeaseLostError: this job was taken over by process 12 on node7" in done.stderr


def test_heartbeats_of_several_threads_lose_no_lease(take):
    def show():
        try:
            for _ in range(200):
                confirm()
        except LeaseLostError as error:
            errors.append(error)

    assert take()
    errors: list[LeaseLostError] = []
    threads = [threading.Thread(target=show) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_call_that_is_done_and_reported_as_failed_counts_as_done(folder, take, monkeypatch):
    """A network filesystem repeats a call whose answer was lost, and the second answer is an error."""

    def rename_twice(path, target):
        rename(path, target)
        raise OSError(errno.EEXIST, "File exists")

    rename = Path.rename
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename_twice)
        assert take()
    assert not take(ELSEWHERE)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "jobs").write_text("a file where the folder should be")
    with pytest.raises(NotADirectoryError):
        Lease(tmp_path / "jobs/one").take()
