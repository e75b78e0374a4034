"""Errors that the user can remedy, in one line."""

import errno
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
SQLITE_FULL = "database or disk is full"  # https://www.sqlite.org/rescode.html#full
READ_ONLY = "{}: its file system is read-only; mount it writable or run in another folder, and run again"
DISK_ERROR = f"{{}}: the disk reports an error ({os.strerror(errno.EIO)}); restore the file or the disk, and run again"
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
# A parameter is secret by the end of its name; the short words count only as a whole word of the name.
_SECRET = re.compile(
    r"([?&;#](?:[\w.%-]*(?i:token|secret|passwo?r?d|passphrase|pwd|signature|credential|session|jwt|apikey|accesskey)"
    r"|(?:[\w.%-]*(?:[_.%-]|[a-z0-9](?=[A-Z])))?(?i:key|l?sig|sign|pass|auth|authorization|cred))"
    r"(?i:[_.-]?(?:id|hash))?(?i:s?_*(?:%5D)?)=)[^&;#,)\]]+"
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


def one_line(error: BaseException, inputs: Iterable[str | Path] = ()) -> str | None:
    """The line to print for an error that the user can remedy; None for a bug, whose traceback is needed.

    Args:
        error: the error.
        inputs: files that were read. If an error of the disk names no file, the line names the first unreadable input.
    """
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    # torch.cuda.OutOfMemoryError is a RuntimeError; its name is compared because not every job imports torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory: use fewer threads or a smaller batch, or run fewer jobs at once"
    path = getattr(error, "filename", None) or _path_in(str(error))
    if is_system_error(error, *DISK_FULL) or SQLITE_FULL in str(error):
        return f"{path or 'output'}: the disk is full; free space and run again"
    if is_system_error(error, errno.EROFS):
        return READ_ONLY.format(path or "output")
    if is_system_error(error, errno.EIO):
        return DISK_ERROR.format(path or _first_unreadable(inputs) or "a file")
    return None


@contextmanager
def exit_with_one_line() -> Iterator[None]:
    """Within the block, an error that the user can remedy ends the program with its line on stderr.

    Raises:
        SystemExit: with that line.
    """
    try:
        yield
    except Exception as error:
        if line := one_line(error):
            sys.exit(f"tracklearn: {line}")
        raise


def _first_unreadable(paths: Iterable[str | Path]) -> str | Path | None:
    for path in paths:
        try:
            with open(path, "rb", buffering=0) as file:
                while file.read(2**20):
                    pass
        except IsADirectoryError:
            continue
        except OSError:
            return path
    return None


def _path_in(text: str) -> str:
    """The file that h5py names in the text of an error; "" if there is none."""
    found = re.search(r"filename = '(.+?)'", text)
    return found[1] if found else ""


def is_system_error(error: BaseException, *codes: int) -> bool:
    """Whether the operating system reported one of these codes of `errno`.

    h5py and safetensors raise errors without the code; their text holds the system's words for it.
    """
    return any(getattr(error, "errno", None) == code or os.strerror(code) in str(error) for code in codes)
