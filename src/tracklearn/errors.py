"""Errors that the user can remedy, in one line."""

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
MOST_LINES = 20  # of bad lines whose numbers an error gives


class UserError(Exception):
    """Something outside the code is wrong: data, configuration, disk or network.

    The message is one line that names the thing, its value, what was expected and the remedy. A job prints the message
    without a traceback; every other exception is a bug and keeps its traceback.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(without_secrets(message)))


_ADDRESS = re.compile(r"""://[^\s"'<>]+""")
_USER = re.compile(r"(?<=://)[^/]+@")
_SECRET = re.compile(
    r"([?&;#][\w.%-]*(?:token|key|sig|secret|passw|pwd|auth|cred|session|jwt)[\w.%-]*=)[^&;#,)\]]+", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    """A text whose addresses hold no user, no password, and no values of parameters such as `token` or `signature`."""
    return _ADDRESS.sub(lambda found: _SECRET.sub(r"\1***", _USER.sub("", found[0])), text) if "://" in text else text


def printable(text: str) -> str:
    """A text whose line breaks are blanks and whose other control characters are shown as escapes.

    A file's name or contents may hold them, and a terminal would obey.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else " " if each.isspace() else each.encode("unicode_escape").decode()
        for each in text
    )


def bad_lines(path: str | Path, reasons: Mapping[int, object]) -> UserError:
    """The error for all bad lines of a file at once: the reason of the first one, and the numbers of the others.

    Args:
        path: the file.
        reasons: what is wrong by number of the line, from 1.
    """
    (first, reason), *others = reasons.items()
    numbers = [str(number) for number, _ in others[:MOST_LINES]] + ["..."] * (len(others) > MOST_LINES)
    more = f" (further bad lines: {', '.join(numbers)})" if others else ""
    return UserError(f"{path}, line {first}: {reason}{more}")


def one_line(error: BaseException) -> str | None:
    """The line to print for an error that the user can remedy; None for a bug, whose traceback is needed."""
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    # torch.cuda.OutOfMemoryError is a RuntimeError; its name is compared because not every job imports torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory: use fewer threads or a smaller batch, or run fewer jobs at once"
    if is_system_error(error, *DISK_FULL):
        return f"{getattr(error, 'filename', None) or 'output'}: the disk is full; free space and run again"
    return None


def is_system_error(error: BaseException, *codes: int) -> bool:
    """Whether the operating system reported one of these codes of `errno`.

    h5py and safetensors raise errors without the code; their text holds the system's words for it.
    """
    return any(getattr(error, "errno", None) == code or os.strerror(code) in str(error) for code in codes)
