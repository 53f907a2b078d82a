"""Interests that simulated movies belong to and simulated users have."""

from dataclasses import dataclass
from typing import Final

from two_tower.simulation.titles import word_list


@dataclass(frozen=True)
class Interest:
    """An interest with the genres and years of its movies.

    Attributes:
        name: its name in the ground truth.
        genres: main genre first; movies have the main one and some of the others.
        years: first and last release year; None: up to the present.
        appeal: frequency among users and movies, relative to 1.
        words: nouns for its movie titles.
        female: log odds added for women.
        age: the age at which it is most common, in years; None: any.
        month: the month (1 … 12) in which it is strongest; None: any.
    """

    name: str
    genres: tuple[str, ...]
    years: tuple[int, int | None]
    appeal: float
    words: tuple[str, ...]
    female: float = 0.0
    age: float | None = None
    month: int | None = None


INTERESTS: Final = (
    Interest(
        "space adventures",
        ("Sci-Fi", "Adventure", "Action"),
        (1977, None),
        1.8,
        word_list(
            "Galaxy, Starship, Orbit, Comet, Nebula, Frontier, Horizon, Planet, "
            "Voyage, Eclipse, Moon, Signal"
        ),
        female=-0.5,
        age=26,
    ),
    Interest(
        "action spectacles",
        ("Action", "Thriller", "Adventure"),
        (1984, None),
        1.7,
        word_list(
            "Fury, Impact, Strike, Commando, Target, Force, Bullet, Inferno, Showdown, "
            "Pursuit, Avalanche, Siege"
        ),
        female=-0.7,
        age=24,
        month=7,
    ),
    Interest(
        "romantic comedies",
        ("Romance", "Comedy"),
        (1987, None),
        1.6,
        word_list(
            "Wedding, Proposal, Bride, Valentine, Kiss, Honeymoon, Bouquet, "
            "Matchmaker, Date, Sweetheart, Letter, Promise"
        ),
        female=0.9,
        age=30,
        month=2,
    ),
    Interest(
        "teen comedies",
        ("Comedy", "Romance"),
        (1982, None),
        1.3,
        word_list(
            "Prom, Campus, Summer, Party, Dorm, Crush, Spring Break, Homeroom, "
            "Roommate, Graduation, Sophomore, Road Trip"
        ),
        age=19,
        month=8,
    ),
    Interest(
        "slashers",
        ("Horror", "Thriller"),
        (1978, None),
        1.1,
        word_list(
            "Nightmare, Scream, Cellar, Knife, Graveyard, Massacre, Curse, Scarecrow, "
            "Possession, Blood, Coven, Asylum"
        ),
        female=-0.4,
        age=22,
        month=10,
    ),
    Interest(
        "computer animation",
        ("Animation", "Children's", "Comedy"),
        (1991, None),
        1.1,
        word_list(
            "Toybox, Robot, Penguin, Bug, Puppy, Dragonfly, Gadget, Monster, Fishbowl, "
            "Crayon, Balloon, Hamster"
        ),
        female=0.2,
        age=14,
        month=12,
    ),
    Interest(
        "detective mysteries",
        ("Mystery", "Crime", "Thriller"),
        (1986, None),
        1.2,
        word_list(
            "Witness, Alibi, Suspect, Evidence, Clue, Fingerprint, Motive, Inspector, "
            "Disappearance, Cold Case, Stranger, Secret"
        ),
        age=40,
    ),
    Interest(
        "period dramas",
        ("Drama", "Romance"),
        (1981, None),
        1.2,
        word_list(
            "Manor, Governess, Estate, Inheritance, Countess, Orchard, Portrait, "
            "Season, Cathedral, Lace, Parlor, Meadow"
        ),
        female=0.8,
        age=45,
    ),
    Interest(
        "courtroom dramas",
        ("Drama", "Crime"),
        (1979, None),
        0.9,
        word_list(
            "Verdict, Jury, Testimony, Justice, Appeal, Trial, Defense, Client, Oath, "
            "Counsel, Innocence, Judgment"
        ),
        age=42,
    ),
    Interest(
        "fantasy quests",
        ("Fantasy", "Adventure", "Children's"),
        (1981, None),
        1.0,
        word_list(
            "Dragon, Sword, Wizard, Kingdom, Unicorn, Crown, Enchantment, Sorcerer, "
            "Talisman, Quest, Castle, Prophecy"
        ),
        age=17,
        month=12,
    ),
    Interest(
        "war epics",
        ("War", "Drama", "Action"),
        (1955, 1999),
        0.9,
        word_list(
            "Battalion, Trench, Regiment, Armada, Bridgehead, Platoon, Convoy, "
            "Ceasefire, Bugle, Garrison, Homecoming, Squadron"
        ),
        female=-0.8,
        age=50,
    ),
    Interest(
        "mafia sagas",
        ("Crime", "Drama"),
        (1970, 1997),
        0.9,
        word_list(
            "Family, Don, Brotherhood, Syndicate, Racket, Betrayal, Capo, Vendetta, "
            "Neighborhood, Casino, Kingpin, Respect"
        ),
        female=-0.5,
        age=36,
    ),
    Interest(
        "heist capers",
        ("Crime", "Comedy", "Thriller"),
        (1990, None),
        0.9,
        word_list(
            "Heist, Getaway, Vault, Diamond, Con, Jackpot, Score, Switch, "
            "Double Cross, Safecracker, Loot, Scheme"
        ),
        age=29,
    ),
    Interest(
        "cyber thrillers",
        ("Sci-Fi", "Thriller"),
        (1990, None),
        0.9,
        word_list(
            "Network, Cipher, Replica, Circuit, Memory, Simulation, Code, Machine, "
            "Android, Virus, Protocol, Glitch"
        ),
        female=-0.6,
        age=27,
    ),
    Interest(
        "family pets",
        ("Children's", "Comedy", "Adventure"),
        (1975, None),
        0.7,
        word_list(
            "Kitten, Pony, Treehouse, Sled, Zookeeper, Dolphin, Puddle, Babysitter, "
            "Lemonade, Snowman, Reindeer, Goose"
        ),
        female=0.4,
        age=38,
        month=12,
    ),
    Interest(
        "cartoon classics",
        ("Animation", "Children's", "Musical"),
        (1938, 1980),
        0.8,
        word_list(
            "Princess, Rabbit, Fawn, Mermaid, Cricket, Elephant, Slipper, Teacup, "
            "Lullaby, Woodland, Owl, Marionette"
        ),
        female=0.5,
        age=34,
    ),
    Interest(
        "golden musicals",
        ("Musical", "Comedy", "Romance"),
        (1935, 1966),
        0.7,
        word_list(
            "Melody, Chorus, Broadway, Tap Shoes, Serenade, Waltz, Rhythm, Top Hat, "
            "Ballroom, Encore, Songbird, Revue"
        ),
        female=0.6,
        age=55,
    ),
    Interest(
        "film noir",
        ("Film-Noir", "Crime", "Mystery", "Thriller"),
        (1941, 1958),
        0.7,
        word_list(
            "Shadow, Alley, Dame, Cigarette, Rain, Double Life, Pier, Detour, Neon, "
            "Gardenia, Corridor, Key"
        ),
        female=-0.2,
        age=48,
    ),
    Interest(
        "westerns",
        ("Western", "Action", "Adventure"),
        (1939, 1976),
        0.8,
        word_list(
            "Gunslinger, Canyon, Stagecoach, Sheriff, Rio, Saddle, Mesa, Outlaw, "
            "Prairie, Posse, Railroad, Bounty"
        ),
        female=-0.7,
        age=56,
    ),
    Interest(
        "screwball romances",
        ("Comedy", "Romance"),
        (1934, 1963),
        0.7,
        word_list(
            "Heiress, Butler, Yacht, Scandal, Reporter, Divorce, Champagne, Telegram, "
            "Penthouse, Leopard, Secretary, Masquerade"
        ),
        female=0.4,
        age=52,
    ),
    Interest(
        "creature features",
        ("Horror", "Sci-Fi"),
        (1950, 1969),
        0.6,
        word_list(
            "Creature, Tarantula, Lagoon, Saucer, Blob, Invader, Mutant, Swamp, "
            "Meteor, Colossus, Laboratory, Thing"
        ),
        female=-0.6,
        age=44,
        month=10,
    ),
    Interest(
        "spy games",
        ("Thriller", "Action", "Mystery"),
        (1962, 1989),
        0.8,
        word_list(
            "Agent, Dossier, Defector, Embassy, Microfilm, Courier, Mole, Checkpoint, "
            "Passport, Operation, Assassin, Telex"
        ),
        female=-0.4,
        age=46,
    ),
    Interest(
        "art house",
        ("Drama",),
        (1955, 1983),
        0.8,
        word_list(
            "Silence, Mirror, Solitude, Winter, Mourning, Tide, Absence, Labyrinth, "
            "Dusk, Threshold, Confession, Sparrow"
        ),
        female=0.1,
        age=43,
    ),
    Interest(
        "documentaries",
        ("Documentary",),
        (1984, None),
        0.5,
        word_list(
            "Century, Glacier, Harvest, Archive, River, Campaign, Shipyard, "
            "Expedition, Jazz, Reef, Factory, Migration"
        ),
        age=47,
    ),
)
"""All interests. Arrays such as `Movies.interest` hold indices into this tuple."""
