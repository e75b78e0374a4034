"""The short paths of the configured protocol: results/table1.html stands for results/tables/{protocol}/table1.html."""

from pathlib import Path

from tracklearn.files import atomic

UP = b'href="../../'  # how a page two folders below results/ begins a link to a file elsewhere in results/


def copy_to_results(*, file: str | Path, copy: str | Path) -> None:
    """Copy a table or page from two folders below results/ into results/, where its links lead to the same files.

    Args:
        file: the table or page of the configured protocol.
        copy: the file to write.

    Raises:
        UserError: the disk is full.
    """
    content = Path(file).read_bytes().replace(UP, b'href="')
    with atomic(copy) as temporary:
        temporary.write_bytes(content)
