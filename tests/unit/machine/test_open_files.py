import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from tracklearn.machine.open_files import raise_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[1:])))
print(raise_open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(100, 300), (300, 300)])
def test_the_limit_is_raised_as_far_as_the_system_allows(soft, hard):
    """In a process of its own, since the limit of this one stays."""
    printed = subprocess.check_output([sys.executable, "-c", PROGRAM, str(soft), str(hard)], text=True)
    assert printed.split() == ["300", "300", "300"]
