"""Names that become those of files, folders and columns."""

import pytest

from two_tower.plain_names import (
    require_column_names,
    require_plain_folder,
    require_plain_names,
)


@pytest.mark.parametrize("name", ["ml-1m", "Größe 2", "my shop (2024), a+b & c", 2024])
def test_a_data_set_may_have_a_readable_name(name):
    require_plain_names({"dataset": name})


@pytest.mark.parametrize(
    "name",
    ["my [shop]", "{2024}", "a/b", "..", "", "*", "a?", " a", "100%", 'a"b', "a\n"],
)
def test_a_data_set_with_signs_of_patterns_or_paths_is_refused(name):
    with pytest.raises(ValueError, match=r"in globals\.yml, but it names files"):
        require_plain_names({"dataset": name})


def test_a_data_folder_may_have_brackets_but_no_braces():
    require_plain_names({"data": "/mnt/[x] 50% *?"})
    with pytest.raises(ValueError, match=r"data is '/mnt/\{x' .* \{ in a path"):
        require_plain_names({"data": "/mnt/{x"})


def test_a_project_must_not_lie_in_a_folder_with_signs_of_patterns():
    require_plain_folder("/home/me/100% (new)", "the project's folder")
    with pytest.raises(
        ValueError, match=r"project's folder is /a \[b\], .* reads \[ \]"
    ):
        require_plain_folder("/a [b]", "the project's folder")


@pytest.mark.parametrize(
    "name", ["price (CHF)", "größe", "a/b", "x" * 300, "{x}", "1 'q"]
)
def test_a_column_may_have_any_printable_name(name):
    require_column_names([name, "other"], {"title"})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a@b"], "called 'a@b': the name has an @"),
        (["a\tb"], "has to be printable"),
        ([""], "has to be printable"),
        (["Title"], "'Title': the name is that of another column"),
        (["price", "Price", "x"], "'Price', 'price': the name is there twice"),
        (["x", "x"], "'x': the name is there twice"),
    ],
)
def test_names_that_engines_or_kedro_misread_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        require_column_names(names, {"title"})
