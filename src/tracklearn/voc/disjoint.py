"""No evaluation image may be trained on."""

from collections.abc import Sequence

from tracklearn.errors import UserError


def check_disjoint(train: Sequence[str], test: Sequence[str], *, train_set: str, test_set: str) -> None:
    """Refuse two sets of image ids that share an image.

    Args:
        train, test: image ids.
        train_set, test_set: names of the two sets, for the error.

    Raises:
        UserError: names the first image that is in both sets, and how many there are.
    """
    shared = sorted(set(train) & set(test))
    if shared:
        raise UserError(
            f"image {shared[0]} is in the training set {train_set!r} and in the evaluation set {test_set!r} "
            f"({len(shared)} such images); no evaluation image may be trained on: choose disjoint sets"
        )
