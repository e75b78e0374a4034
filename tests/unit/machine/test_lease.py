"""One job has one writer, whatever is killed, suspended or late."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tracklearn.files import atomic, disk_errors_explained
from tracklearn.machine import lease
from tracklearn.machine.lease import Lease, LeaseLostError, Writer, confirm

HERE = Writer.this_process()
ELSEWHERE = replace(HERE, host="node7", place="another kernel", pid=12, slurm_job="345")


@pytest.fixture
def folder(tmp_path):
    """The folder of a lease."""
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
    assert not {lease.HELD, lease.TAKEN_OVER} & set(os.environ)
    assert lease.token() == ""


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


def test_a_lease_whose_file_was_removed_before_it_stood_is_not_taken(folder, take, monkeypatch):
    def touch_and_lose(path):  # a process that releases the lease removes what others left, and this folder with it
        touch(path)
        path.unlink()

    touch = Path.touch
    monkeypatch.setattr(Path, "touch", touch_and_lose)
    assert not take()
    monkeypatch.undo()
    assert take()
    confirm()


def test_a_process_lives_until_it_ends_and_its_number_may_be_given_again():
    assert not HERE.is_dead
    assert replace(HERE, start=HERE.start - 1).is_dead
    assert replace(HERE, pid=10**30).is_dead
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


TURNS = """
import os, random, sys, time
from collections import deque
from multiprocessing import get_context
from pathlib import Path
from tracklearn.machine import lease

lease.LOOK = 0.002
NUMBER, TURNS = 6, 15
folder, inside = Path(sys.argv[1]), Path(sys.argv[2])

def unreliable(call, chance):
    def repeated(*arguments):
        call(*arguments)
        if chance.random() < 0.3:
            call(*arguments)  # its answer was lost: the network filesystem repeats the call
    return repeated

def take_turns(number):
    chance, listings, listed = random.Random(number), deque(maxlen=5), lease._files

    def old_listing(folder):
        listings.append(listed(folder))
        return chance.choice(listings)

    lease._files = old_listing
    Path.rename, Path.rmdir, Path.unlink = (unreliable(call, chance) for call in (Path.rename, Path.rmdir, Path.unlink))
    for _ in range(TURNS):
        job = lease.Lease(folder)
        job.wait(lambda writer: None)
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if another process is inside
        lease.confirm()
        os.unlink(inside)
        job.release()

processes = [get_context("fork").Process(target=take_turns, args=(number,)) for number in range(NUMBER)]
for process in processes:
    process.start()
for process in processes:
    process.join()
sys.exit(sum(process.exitcode for process in processes))
"""


def test_processes_take_turns_where_listings_are_old_and_answers_are_lost(tmp_path):
    folder = tmp_path / "jobs/one"
    command = [sys.executable, "-c", TURNS, folder, tmp_path / "inside"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(folder.parent.iterdir()) == []


def test_a_writer_that_has_shown_a_heartbeat_since_is_not_taken_over(folder, take):
    file = held_by(folder, ELSEWHERE)
    assert not take()
    (folder / file).rename(folder / f"{file}b")
    assert not take(silent=file)
    assert take(silent=f"{file}b")


@pytest.fixture
def looks(monkeypatch):
    """The looks of a lease that waits, which take a second each and no time: `looks.at(function)` is called at each."""
    looks = SimpleNamespace(number=0, seconds=1.0, at=lambda number: None)

    def sleep(seconds):
        looks.number += 1
        looks.at(looks.number)

    monkeypatch.setattr(lease.time, "sleep", sleep)
    monkeypatch.setattr(lease.time, "monotonic", lambda: looks.number * looks.seconds)
    return looks


def test_a_writer_elsewhere_is_dead_once_its_heartbeat_stops(folder, looks):
    """Heartbeats come every 5 s until 100 s. At 146 s there was none for more than 45 s."""

    def live(number):
        if number <= 100 and number % 5 == 0:
            next(folder.iterdir()).rename(folder / f"{ELSEWHERE.name},0,{number}")

    held_by(folder, ELSEWHERE)
    told, job, looks.at = [], Lease(folder), live
    job.wait(told.append)
    assert looks.number == 146
    assert told == [ELSEWHERE]  # at the first look; the next line comes after ten minutes
    assert Writer.named(job.holder()) == HERE
    job.release()


def test_a_waiting_job_repeats_its_line_seldom(folder, looks, monkeypatch):
    held_by(folder, ELSEWHERE)
    monkeypatch.setattr(lease, "REPEAT", 20.0)
    told, job = [], Lease(folder)
    job.wait(lambda writer: told.append(looks.number))
    assert told == [0, 20, 40]
    job.release()


def test_time_in_which_the_waiting_process_was_suspended_counts_little(folder, looks):
    """Each look comes 1,000 s after the one before and counts as 2 s, so that 45 s of silence are 23 looks."""
    held_by(folder, ELSEWHERE)
    looks.seconds = 1000.0
    job = Lease(folder)
    job.wait(lambda writer: None)
    assert looks.number == 23
    job.release()


def test_a_writer_that_lives_on_this_host_is_never_silent(folder, looks):
    with subprocess.Popen(["sleep", "60"]) as child:
        held_by(folder, replace(HERE, pid=child.pid, start=lease._start(child.pid)))
        looks.at = lambda number: (child.kill(), child.wait()) if number == 100 else None
        job = Lease(folder)
        job.wait(lambda writer: None)
        assert looks.number == 100
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


def test_a_lease_whose_folder_was_deleted_is_made_again(folder, take):
    assert take()
    for delete in (folder.parent, folder):  # all leases, and one
        shutil.rmtree(delete)
        confirm()
        (file,) = folder.iterdir()
        assert Writer.named(file.name) == HERE
        assert not Lease(folder, ELSEWHERE).take()
    shutil.rmtree(folder)
    held_by(folder, ELSEWHERE)  # it waited, and was faster
    with pytest.raises(LeaseLostError, match="by process 12 on node7"):
        confirm()


def test_a_lease_that_is_gone_after_a_long_silence_is_lost(folder, take, monkeypatch):
    """Another process may have taken the job over, and have ended."""
    now = 1000.0
    monkeypatch.setattr(lease, "_clock", lambda: now)
    assert take()
    now += lease.SILENCE
    shutil.rmtree(folder)
    with pytest.raises(LeaseLostError):
        confirm()
    assert not folder.exists()


def test_two_writers_of_a_file_do_not_meet_after_a_lease_was_taken_over(folder, take, tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    assert take()
    suspended, held = atomic(table), os.environ[lease.HELD]
    left = suspended.__enter__()
    left.write_text("the suspended one's")
    assert take(ELSEWHERE, silent=next(folder.iterdir()).name)
    with atomic(table) as temporary:
        assert not left.exists()  # the next attempt removes what a dead one has left
        temporary.write_text("the new one's")
        with monkeypatch.context() as other:  # the dead one was only suspended
            other.setenv(lease.HELD, held)
            left.write_text("the suspended one's")
            with pytest.raises(LeaseLostError):
                suspended.__exit__(None, None, None)
    assert table.read_text() == "the new one's"
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
