"""Keys of the loss that mean nothing to its form are refused, and left out of what a rule depends on."""

import pytest

from tracklearn.errors import UserError
from tracklearn.settings.ranking import Augment, Loss


@pytest.mark.parametrize("form", ["paper", "fork"])
def test_a_loss_of_hinges_is_complete_without_the_keys_of_infonce(form: str) -> None:
    """Finished trainings are recorded with these values, in this order."""
    expected = {"form": form, "sampling": None, "margin": 0.5, "negatives": 4}
    assert repr(Loss.read({"form": form}).complete()) == repr(expected)


def test_infonce_is_complete_without_the_keys_of_hinges_and_reads_itself() -> None:
    complete = Loss.read({"form": "infonce"}).complete()
    assert complete == {"form": "infonce", "margin": 0.5, "temperature": 0.1, "symmetric": False}
    assert Loss.read(complete).complete() == complete


@pytest.mark.parametrize(
    ("form", "key", "value"),
    [
        ("infonce", "negatives", 4),
        ("infonce", "sampling", None),
        ("paper", "temperature", 0.1),
        ("fork", "symmetric", False),
    ],
)
def test_a_key_that_means_nothing_to_the_form_is_refused(form: str, key: str, value: object) -> None:
    with pytest.raises(UserError) as raised:
        Loss.read({"form": form, key: value}, where="losses.mine")
    assert str(raised.value) == f"losses.mine.{key} means nothing to form: {form}; take it out"


def test_an_augmentation_counts_if_it_is_not_the_default() -> None:
    assert "augment" not in Loss.read({"augment": {"flip": 0.5}}).complete()
    complete = Loss.read({"augment": {"crop": [0.5, 1]}}).complete()
    assert complete["augment"] == {"crop": [0.5, 1.0]}
    assert Loss.read(complete).complete() == complete


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ({"crop": [0, 1]}, "crop is [0.0, 1.0]; expected [smallest, largest] with 0 < smallest <= largest"),
        ({"crop": [0.9, 0.5]}, "crop is [0.9, 0.5]; expected [smallest, largest] with 0 < smallest <= largest"),
        ({"crop": 0.5}, "crop is 0.5; expected a list of 2 numbers from 0 to 1"),
        ({"grey": 2}, "grey is 2; expected a number from 0 to 1"),
        ({"gray": 1}, "gray: unknown key; did you mean grey?"),
    ],
)
def test_a_wrong_augmentation_is_named(augment: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as raised:
        Loss.read({"augment": augment})
    assert str(raised.value) == f"ranking.augment.{message}"
    assert Augment().only_flips
