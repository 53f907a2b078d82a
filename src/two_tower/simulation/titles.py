"""Invented movie titles in MovieLens' form: `Silent Harbor, The (1987)`."""

from collections.abc import Sequence
from typing import Final

import numpy as np

_TEMPLATES: Final = {  # template → relative frequency
    "{adjective} {noun}": 16,
    "{noun} of {place}": 5,
    "{noun} in {place}": 4,
    "{noun} and the {other}": 4,
    "{name}'s {noun}": 4,
    "{name} and the {noun}": 3,
    '"{adjective}" {name}\'s {noun}': 0.5,
}
_WITHOUT_ARTICLE: Final = ("'s ", " and the ")
_SHARE_WITH_ARTICLE: Final = 0.4
_SHARE_INDEFINITE: Final = 0.2
ROMAN: Final = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")


def word_list(text: str) -> tuple[str, ...]:
    """Return the entries of a comma-separated text."""
    return tuple(text.split(", "))


ADJECTIVES: Final = word_list(
    "Silent, Crimson, Last, Broken, Golden, Midnight, Hidden, Wild, Burning, Perfect, "
    "Little, Forgotten, Electric, Distant, Lonely, Secret, Second, Frozen, Lucky, "
    "Bitter, Infinite, Reluctant, Crooked, Velvet, Restless, Savage, Gentle, Stolen, "
    "Invisible, Final, Blue, Paper, Hollow, Merry, Ordinary, Unlikely, Iron, Northern, "
    "Sleeping, Dangerous"
)
PLACES: Final = word_list(
    "Lisbon, Montréal, Zürich, Málaga, Oslo, Savannah, Brooklyn, Kyoto, Marseille, "
    "São Paulo, Vienna, Tulsa, Galway, Bombay, Córdoba, Duluth, Trieste, Odessa, "
    "Halifax, Malmö, Santa Fe, Cairo, Orléans, Pittsburgh, Shanghai, Key West, Bruges, "
    "Reno, Tangier, Providence"
)
NAMES: Final = word_list(
    "Amelia, Barnaby, Clara, Desmond, Eloise, Felix, Greta, Harvey, Imogen, Jasper, "
    "Katya, Leopold, Mabel, Nigel, Odette, Percival, Quentin, Rosalind, Silas, "
    "Tabitha, Ulysses, Vera, Winston, Zoë, André, Beatriz, Chloé, Dmitri, Esther, "
    "Farouk"
)
SUBTITLES: Final = word_list(
    "The Return, The Reckoning, The Next Chapter, A New Beginning, Homeward, "
    "The Final Chapter, Into the Dark, Revenge, The Legend Continues, Back Again, "
    "The Lost Years, Forever"
)


class TitleMaker:
    """Makes distinct titles; remakes share a name and differ in the year."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._taken: set[str] = set()

    def make_titles(self, words: tuple[str, ...], years: Sequence[int]) -> list[str]:
        """Return the titles of one series, oldest first; sequels repeat the name.

        Args:
            words: nouns of the name.
            years: release year of each part, non-decreasing.
        """
        while True:
            stem = self._stem(words)
            titles = [
                f"{name} ({year})"
                for name, year in zip(self._parts(stem, len(years)), years, strict=True)
            ]
            if self._taken.isdisjoint(titles) and len(set(titles)) == len(titles):
                self._taken.update(titles)
                return titles

    def _pick(self, options: Sequence[str]) -> str:
        return options[int(self._rng.integers(len(options)))]

    def _stem(self, words: tuple[str, ...]) -> str:
        share = np.array(list(_TEMPLATES.values()))
        template = list(_TEMPLATES)[self._rng.choice(len(share), p=share / share.sum())]
        noun, other = self._rng.choice(len(words), 2, replace=False)
        return template.format(
            noun=words[noun],
            other=words[other],
            adjective=self._pick(ADJECTIVES),
            place=self._pick(PLACES),
            name=self._pick(NAMES),
        )

    def _article(self, stem: str) -> str:
        if any(part in stem for part in _WITHOUT_ARTICLE):
            return ""
        if self._rng.random() >= _SHARE_WITH_ARTICLE:
            return ""
        if self._rng.random() >= _SHARE_INDEFINITE:
            return ", The"
        return ", An" if stem[0] in "AEIOU" else ", A"

    def _parts(self, stem: str, n_parts: int) -> list[str]:
        article = self._article(stem)
        style = int(self._rng.integers(3))
        return [f"{stem}{article}"] + [
            self._sequel(stem, article, part, style) for part in range(1, n_parts)
        ]

    def _sequel(self, stem: str, article: str, part: int, style: int) -> str:
        if style == 0:
            return f"{stem} {ROMAN[part]}{article}"
        if style == 1:
            return f"{stem}{article}: Part {ROMAN[part]}"
        return f"{stem} {part + 1}: {self._pick(SUBTITLES)}"
