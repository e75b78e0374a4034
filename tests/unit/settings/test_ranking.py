"""Keys of the loss that mean nothing to its form are refused, and left out of what a rule depends on."""

import pytest

from tracklearn.errors import UserError
from tracklearn.settings.ranking import Loss


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
