import pytest

from tests.evaluation.fabricate import MultiVectorWorld, World, interests_of
from two_tower.evaluation.report_interests import format_interests


@pytest.fixture
def interests():
    return interests_of(MultiVectorWorld())


def section(interests):
    return "\n\n".join(format_interests(interests))


def test_each_sample_user_has_its_vectors_and_held_out_items(interests):
    text = section(interests)
    assert text.startswith("## Interests of sample users\n\nEach user has 3 vectors.")
    second = interests["users"][1]
    assert f"### User {second['user_id']}, {second['n_seen']} items seen\n" in text
    vector = next(one for one in second["interests"] if one["history"])
    near = vector["history"][0]
    expected = (
        f"- Vector {vector['vector_index']}, share {vector['share']:.0%}\n"
        f"  - history: *{near['title']}* ({near['score']:.2f})"
    )
    assert expected in text
    (held_out,) = second["held_out"][:1]
    assert f"Held out: *{held_out['title']}* at rank {held_out['rank']} (vec" in text
    # The first user has no history.
    first = text.split("### User")[1]
    assert "  - history: none\n  - nearest unseen items: *Title" in first


def test_the_use_of_vectors_by_all_queries_is_a_table(interests):
    text = section(interests)
    assert "All 12 queries" in text
    shares = " | ".join(f"{one:.1%}" for one in interests["all_queries"]["shares"])
    assert f"| share of the top 5 items | {shares} |" in text


def test_without_sample_users_there_is_no_section():
    assert not section(interests_of(MultiVectorWorld(), users=0))


def test_a_single_vector_per_user_has_no_section():
    assert not section(interests_of(World()))


def test_a_cut_list_of_held_out_items_says_of_how_many():
    text = section(interests_of(MultiVectorWorld(), users=12, recommended=2))
    assert text.count("Held out, the 2 best-ranked of 3: *Title") == 1
    assert text.count("Held out: *Title") == 11


def test_a_title_is_escaped(interests):
    interests["users"][0]["held_out"][0]["title"] = "M*A*S*H [_4_]"
    assert r"*M\*A\*S\*H \[\_4\_\]* at rank" in section(interests)


def test_an_item_without_a_title_is_named_by_its_id(interests):
    held_out = interests["users"][0]["held_out"][0]
    held_out["title"] = None
    assert f"Held out: *{held_out['item_id']}* at rank" in section(interests)
