"""What made-up titles are made of."""

from typing import Final


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
ROMAN: Final = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")
