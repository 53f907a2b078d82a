from two_tower.training.warm_start import _may_differ


def test_features_are_compared_whatever_they_are_called():
    of = ("item_tower", "config", "features")
    assert not _may_differ((*of, "size", "kind"))
    assert not _may_differ((*of, "build_config", "kind"))
    assert _may_differ((*of, "year", "size"))
    assert _may_differ(("item_tower", "build_config", "input_shape"))
