"""Seeded draws that every engine makes alike."""

import ibis
import ibis.expr.types as ir


def draw(value: ir.Value, *, seed: int, purpose: str) -> ir.StringValue:
    """Return a pseudo-random text for each value; sort by it to shuffle.

    It depends on nothing but its arguments: not on threads, not on the engine, whose
    own hashes and random numbers differ. Break its ties, all but impossible, by a
    unique column.

    Args:
        value: what to draw for: an integer or a string.
        seed: another seed gives another draw.
        purpose: keeps draws of one seed apart.

    Returns:
        32 hexadecimal digits, the MD5 of purpose, seed and value.
    """
    text = ibis.literal(f"{purpose}:{seed}:") + value.cast("string")
    return text.hexdigest("md5")
