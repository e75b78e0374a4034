"""Each way in which jobs write files: a full disk is one line, and the files of before stay whole."""

import os
import sys
from pathlib import Path

from namespaces import mount_namespace


def test_each_writer_leaves_the_files_of_before_when_the_disk_is_full(tmp_path):
    with mount_namespace() as namespace:
        paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
        result = namespace.run(sys.executable, Path(__file__).with_name("writers.py"), tmp_path, environment=paths)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
