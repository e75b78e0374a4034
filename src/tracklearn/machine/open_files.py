"""How many files a process may have open."""

import resource

MOST_FILES = 2**14


def raise_open_files() -> int:
    """Raise the limit of this process, often 1,024 open files, as far as the system allows and at most to `MOST_FILES`.

    Returns:
        How many files the process may have open now.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
