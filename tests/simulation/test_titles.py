import re

from two_tower.simulation.random_streams import Purpose, random_stream
from two_tower.simulation.titles import TitleMaker

WORDS = ("Harbor", "Lantern")


def _titles(count, years=(1990,)):
    maker = TitleMaker(random_stream(3, Purpose.TITLES))
    return [maker.make_titles(WORDS, years) for _ in range(count)]


def test_titles_are_unique_though_names_repeat():
    titles = [title for (title,) in _titles(300)]
    titles += [title for (title,) in _titles(300, (1991,))]
    assert len(set(titles)) == 600
    assert len({title[:-7] for title in titles}) < 600


def test_a_title_ends_with_its_year_and_uses_the_given_words():
    for first, second in _titles(50, (1984, 1987)):
        assert first.endswith(" (1984)")
        assert second.endswith(" (1987)")
        assert "Harbor" in first or "Lantern" in first


def test_a_sequel_repeats_the_name_of_the_first_part():
    for first, second in _titles(100, (1984, 1987)):
        name = re.sub(r"(, (The|An|A))? \(1984\)$", "", first)
        assert second.startswith(name)
        assert second != first


def test_some_names_are_followed_by_a_fitting_article():
    titles = [title for (title,) in _titles(300)]
    assert 30 < sum(", The (1990)" in title for title in titles) < 150
    indefinite = [title for title in titles if re.search(r", An? \(", title)]
    assert indefinite
    assert all((", An (" in title) == (title[0] in "AEIOU") for title in indefinite)


def test_titles_hold_quotes_and_latin_1_letters_but_no_separators():
    text = " ".join(title for (title,) in _titles(300))
    assert '"' in text
    assert any(ord(character) > 127 for character in text)
    text.encode("latin-1")
    assert "::" not in text
    assert "|" not in text
