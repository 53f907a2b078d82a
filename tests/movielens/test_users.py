import pytest

from two_tower.movielens.archive import ArchiveError


def test_zip_codes_and_occupations_stay_text(read):
    text = "1::F::1::10::05146\n2::M::56::16::70072-1234\n"
    users = read("users", "ml-1m", {"users.dat": text})
    assert [user["zip"] for user in users] == ["05146", "70072-1234"]
    assert [user["occupation"] for user in users] == ["10", "16"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1::F::1::10\n", "line 1 .* 4 values, not 5"),
        ("1::F::old::10::48067\n", "age on line 1 .* 'old'"),
        ("1::F::1::10::48067\n1::M::1::10::48067\n", "user 1 .* line 2 .* again"),
    ],
)
def test_a_malformed_user_is_refused_with_its_line(read, text, message):
    with pytest.raises(ArchiveError, match=message):
        read("users", "ml-1m", {"users.dat": text})
