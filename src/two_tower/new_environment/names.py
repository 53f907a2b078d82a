"""Likelihood that a column with some name has some role."""

import re
from collections.abc import Mapping
from typing import Final, Literal

Role = Literal["user", "item", "time", "rating", "event", "title"]

_WORDS: Final[Mapping[Role, str]] = {
    "user": """
        user customer visitor reviewer client member shopper buyer consumer account
        subscriber reader listener viewer player student patient guest person people
        profile household uid cust kunde kundin utilisateur cliente usuario msno
        fullvisitor cookie device session sess basket invoice order
    """,
    "item": """
        item product asin article isbn sku movie film book song track artist album
        stockcode business restaurant hotel venue location poi recipe game app video
        anime manga course job news story post offer ad listing goods content
        document page url iid prod artikel produkt produit producto articulo artista
    """,
    "time": """
        timestamp datetime time date ts day when created at datum zeit heure fecha
        bought purchased viewed clicked
    """,
    "rating": """
        rating overall stars star score rate vote note bewertung liked like
    """,
    "event": """
        event action behavior behaviour interaction activity
    """,
    "title": """
        title name label titel nom nombre headline bezeichnung
    """,
}
"""Role → words in names of columns, the likeliest first."""
_OF_AN_ID: Final = re.compile(r"(id|ids|code|no|nr|key|number|num|hash|uuid)$")
_OF_A_PROPERTY: Final = re.compile(
    r"(name|title|type|category|categories|price|count|status|age|gender|date|time"
    r"|description|text|rating|score|brand|group|class|url|city|country|lat|lon)s?$"
)
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SAFE_LENGTH: Final = 5


def compact(name: str) -> str:
    """Return a name in lower case, letters and digits alone."""
    return re.sub(r"[\W_]", "", name.lower())


def score(role: Role, name: str) -> int:
    """Return how likely a name has a role; 0: not at all."""
    short = compact(name)
    words = _WORDS[role].split()
    matching = [i for i, word in enumerate(words) if _matches(word, name)]
    if not matching:
        return 0
    # The word counts less than whether the name is that of an id.
    likelihood = 100 - matching[0]
    if role in ("user", "item"):
        if _OF_AN_ID.search(short) or short in words:
            likelihood += 200
        elif _OF_A_PROPERTY.search(short):
            likelihood -= 50
    return likelihood


def _matches(word: str, name: str) -> bool:
    short = compact(name)
    names = {short, *(part.lower() for part in _PARTS.findall(name))}
    if names & {word, f"{word}s", f"{word}id", f"{word}ids"}:
        return True
    # A short word is part of too many others: "star" of "start".
    is_part = short.startswith(word) or short.endswith(word)
    return len(word) >= _SAFE_LENGTH and is_part


def is_id_name(name: str) -> bool:
    """Return whether a name ends as those of ids do."""
    return _OF_AN_ID.search(compact(name)) is not None
