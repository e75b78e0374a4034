import pytest

from tracklearn.errors import UserError
from tracklearn.voc.disjoint import check_disjoint


def test_shared_image_is_named():
    with pytest.raises(UserError, match=r"image b is in the training set 'train' .* evaluation set 'val' \(2 such"):
        check_disjoint(["a", "b", "c"], ["c", "d", "b"], train_set="train", test_set="val")
    check_disjoint(["a"], ["b"], train_set="train", test_set="val")
