import re

from two_tower.simulation.random_streams import Purpose, generator
from two_tower.simulation.titles import TitleMaker

WORDS = ("Harbor", "Lantern")


def _many(count, years=(1990,)):
    maker = TitleMaker(generator(3, Purpose.TITLES))
    return [maker.titles(WORDS, years) for _ in range(count)]


def test_no_title_comes_twice_though_names_do():
    titles = [title for (title,) in _many(300)]
    titles += [title for (title,) in _many(300, (1991,))]
    assert len(set(titles)) == 600
    assert len({title[:-7] for title in titles}) < 600


def test_a_title_ends_with_its_year_and_uses_the_words_given():
    for first, second in _many(50, (1984, 1987)):
        assert first.endswith(" (1984)")
        assert second.endswith(" (1987)")
        assert "Harbor" in first or "Lantern" in first


def test_a_sequel_repeats_the_name_of_the_first_part():
    for first, second in _many(100, (1984, 1987)):
        name = re.sub(r"(, (The|An|A))? \(1984\)$", "", first)
        assert second.startswith(name)
        assert second != first


def test_some_articles_stand_behind_the_name_and_fit_it():
    titles = [title for (title,) in _many(300)]
    assert 30 < sum(", The (1990)" in title for title in titles) < 150
    indefinite = [title for title in titles if re.search(r", An? \(", title)]
    assert indefinite
    assert all((", An (" in title) == (title[0] in "AEIOU") for title in indefinite)


def test_titles_hold_what_csv_and_encodings_stumble_over():
    text = " ".join(title for (title,) in _many(300))
    assert '"' in text
    assert any(ord(character) > 127 for character in text)
    text.encode("latin-1")
    assert "::" not in text
    assert "|" not in text
