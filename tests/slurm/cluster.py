"""A SLURM cluster of one node, of Debian's packages, that a test brings up and takes down."""

import ctypes
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
# The clients and the steps of jobs look here; in the environment of a step, SLURM_CONF is not kept.
CONFIGURED = Path("/etc/slurm")
CPUS, GPUS, MEMORY_MB = 8, 2, 200_000  # what the node pretends to have
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
PREFIX = "tracklearn-slurm-"  # of the cluster's own folder
PR_SET_PDEATHSIG = 1

SLURM_CONF = """\
ClusterName=tracklearn
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
# A job whose processes take more memory than it asked for is ended. It is looked at every second.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait=30
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 \
RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# slurmd of Debian 12 asks for this file; nothing here needs a control group.
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\nConstrainCores=no\nConstrainRAMSpace=no\n"


class CannotStart(Exception):
    """This machine does not let the test bring up a cluster."""


class Cluster:
    """The running cluster; its methods are SLURM's commands."""

    def __init__(self, host: str) -> None:
        self.host = host

    def run(self, *command: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def jobs(self, folder: Path, rule: str = "", *states: str) -> dict[str, str]:
        """State of each job that was sent from a folder, of a rule or of all, by its number, the oldest first."""
        wanted = ["--states", ",".join(states) or "all"]
        lines = self.run("squeue", "--noheader", "--sort=i", "--format=%i|%T|%k|%Z", *wanted).splitlines()
        found = [line.split("|", 3) for line in lines]
        return {
            number: state
            for number, state, comment, place in found
            if place == str(folder) and comment.startswith(f"rule_{rule}")
        }

    def processes(self, job: str) -> list[int]:
        """Numbers of the processes of a job, the oldest first."""
        lines = self.run("scontrol", "listpids", job).splitlines()[1:]
        return sorted({int(line.split()[0]) for line in lines})

    def requeue(self, job: str) -> None:
        """Stop a job and queue it again; it need not wait the two minutes that SLURM would have it wait."""
        self.run("scontrol", "requeue", job)
        wait_for(
            lambda: "PENDING" in self.run("squeue", "--noheader", "--format=%T", "--jobs", job),
            f"job {job} in the queue",
            60,
        )
        self.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def end_jobs(self) -> None:
        """End all jobs of the cluster, so that none outlives the test."""
        self.run("scancel", "--user=root")
        wait_for(lambda: not self.run("squeue", "--noheader"), "the end of all jobs", 60)

    def set_node(self, state: str) -> None:
        """Drain or resume the node."""
        self.run("scontrol", "update", f"NodeName={self.host}", f"State={state}", "Reason=test")


@contextmanager
def one_node() -> Iterator[Cluster]:
    """Bring up the cluster; whatever happens then, take its daemons down and its links away.

    Raises:
        CannotStart: SLURM is not there and cannot be installed, its daemons cannot be started, or the machine belongs
            to a cluster.
    """
    if os.geteuid() != 0:
        raise CannotStart("a one-node SLURM needs root, who installs packages and starts daemons")
    _clear_after_a_kill()
    if (CONFIGURED / "slurm.conf").exists():
        raise CannotStart(f"{CONFIGURED}/slurm.conf is there: this machine belongs to a cluster, which stays untouched")
    _install()
    with ExitStack() as stack:
        # SIGTERM ends this process as Ctrl-C does, after what stands here is taken down.
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, signal.default_int_handler))
        state = Path(stack.enter_context(TemporaryDirectory(prefix=PREFIX)))
        host = socket.gethostname().partition(".")[0]
        try:
            _write_configuration(state, host)
        except OSError as error:
            raise CannotStart(
                f"{error.filename}: {error.strerror}: no devices can be made that stand for GPUs"
            ) from error
        stack.enter_context(_linked(state))
        for name, options in {
            "munged": ["--foreground", "--force", *_munge_files(state)],
            "slurmctld": ["-D", "-c"],
            "slurmd": ["-D", "-c", "-N", host],
        }.items():
            stack.enter_context(_daemon(name, options, state))
            if name == "munged":
                wait_for((state / "munge.socket").exists, "munged", 20)
        cluster = Cluster(host)
        try:
            wait_for(lambda: "idle" in _quiet("sinfo", "--noheader", "--format=%t"), "an idle node", 60)
        except TimeoutError as error:
            logs = [*_last_lines(state / "slurmctld.log"), *_last_lines(state / "slurmd.log")]
            raise CannotStart("\n".join([str(error), *logs])) from error
        stack.callback(cluster.end_jobs)
        yield cluster


def wait_for(happens: Callable[[], object], what: str, seconds: float, every: float = 0.2) -> object:
    """Ask again until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (answer := happens()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(every)
    return answer


def _clear_after_a_kill() -> None:
    """Remove what a test left that was killed by SIGKILL; its daemons have ended with it."""
    for link in (CONFIGURED / name for name in FILES):
        state = link.readlink().parent if link.is_symlink() else None
        if state and state.name.startswith(PREFIX) and not _lives(state / "slurmctld.pid"):
            link.unlink()
            shutil.rmtree(state, ignore_errors=True)


def _lives(pid_file: Path) -> bool:
    """Whether the daemon lives that wrote a file with its number."""
    try:
        return "slurmctld" in Path(f"/proc/{int(pid_file.read_text())}/cmdline").read_text()
    except (OSError, ValueError):
        return False


def _install() -> None:
    if all(map(shutil.which, DAEMONS)):
        return
    if not shutil.which("apt-get"):
        raise CannotStart(f"no {', '.join(DAEMONS)} here, and no apt-get to install {' '.join(PACKAGES)}")
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["apt-get", "-q", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no word"]
            raise CannotStart(f"apt-get {' '.join(command)}: {said[-1]}")


def _write_configuration(state: Path, host: str) -> None:
    for folder in ("controller", "node"):
        (state / folder).mkdir()
    devices = [state / f"gpu{number}" for number in range(GPUS)]
    for device in devices:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # a twin of /dev/null stands for a GPU
    (state / "gres.conf").write_text("".join(["AutoDetect=off\n", *(f"Name=gpu File={path}\n" for path in devices)]))
    (state / "cgroup.conf").write_text(CGROUP_CONF)
    controller_port, node_port = _free_ports(2)
    values = {"controller_port": controller_port, "node_port": node_port, "cpus": CPUS, "gpus": GPUS}
    (state / "slurm.conf").write_text(SLURM_CONF.format(host=host, state=state, memory=MEMORY_MB, **values))
    (state / "munge.key").write_bytes(os.urandom(128))
    (state / "munge.key").chmod(0o600)
    state.chmod(0o755)


def _munge_files(state: Path) -> list[str]:
    files = {"key": "munge.key", "socket": "munge.socket", "pid": "munge.pid", "log": "munge.log", "seed": "munge.seed"}
    return [f"--{kind}{'' if kind == 'socket' else '-file'}={state / name}" for kind, name in files.items()]


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def _linked(state: Path) -> Iterator[None]:
    """Link the configuration where the clients look for it."""
    made = not CONFIGURED.exists()
    CONFIGURED.mkdir(exist_ok=True)
    links = [CONFIGURED / name for name in FILES]
    try:
        for link in links:
            link.symlink_to(state / link.name)
        yield
    finally:
        for link in links:
            if link.is_symlink() and link.readlink().parent == state:
                link.unlink()
        if made:
            CONFIGURED.rmdir()


@contextmanager
def _daemon(name: str, options: list[str], state: Path) -> Iterator[None]:
    """Run a daemon, which also ends when this process is killed."""
    executable = shutil.which(name) or name
    with open(state / f"{name}.out", "w") as output:
        process = subprocess.Popen(
            [executable, *options],
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 (no other thread of this process starts one)
        )
    try:
        time.sleep(0.3)
        if process.poll() is not None:
            raise CannotStart(f"{name} does not start: {' '.join(_last_lines(state / f'{name}.out')[-1:])}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _quiet(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


def _last_lines(path: Path) -> list[str]:
    text = path.read_text(errors="replace") if path.exists() else ""
    return [re.sub(r"^\[\S+\] ", "", line) for line in text.splitlines()[-5:]]
