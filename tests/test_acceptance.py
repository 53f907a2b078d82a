"""docs/acceptance.md says what the tests say."""

from tests.acceptance import PAGE, ROWS, covered, page


def test_every_row_that_a_test_names_is_known():
    assert {row for row, _, _ in covered()} <= set(ROWS)


def test_the_page_is_up_to_date():
    is_up_to_date = PAGE.read_text(encoding="utf-8") == page()
    assert is_up_to_date, "run `make acceptance`"
