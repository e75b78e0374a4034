"""An import changes no limit and no other state of the process: callers of the library would not expect that."""

import subprocess
import sys

PROGRAM = """
import importlib, logging, pkgutil, resource, signal, sys, warnings
import cv2, torch, torch._dynamo, torch.distributed.launcher.api  # what these change is not the package's doing

def state():
    limits = [name for name in dir(resource) if name.startswith("RLIMIT")]
    return {
        "limits": [resource.getrlimit(getattr(resource, name)) for name in limits],
        "signal handlers": [signal.getsignal(number) for number in signal.valid_signals()],
        "threads": (torch.get_num_threads(), cv2.getNumThreads()),
        "precision": (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark, torch.get_default_dtype()),
        "random numbers": torch.random.get_rng_state().tolist(),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "logging": (logging.root.level, list(logging.root.handlers)),
    }

for name in sys.argv[1:]:
    before = state()
    room = importlib.import_module("tracklearn." + name)
    for module in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        importlib.import_module(module.name)
    after = state()
    print(name, [what for what in before if before[what] != after[what]])
"""


def test_importing_a_room_changes_nothing():
    command = [sys.executable, "-c", PROGRAM, "machine", "training", "ranking", "supervised"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "machine []\ntraining []\nranking []\nsupervised []\n"
