"""Literals of table expressions state their type.

Without one, the value decides it: 100 becomes int8 and 200 int16, and a union of the
two is refused for some sizes of the data alone.
"""

import ast
from pathlib import Path

import ibis
import pytest
from ibis.common.exceptions import RelationError

SOURCE = Path(__file__).parents[1] / "src"
WITH_COLUMNS = {"mutate", "select", "agg"}


def untyped(tree):
    """Yield the lines of literals whose type depends on their value."""
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if call.func.attr == "literal" and call.args:
            is_text = isinstance(call.args[0], ast.JoinedStr) or (
                isinstance(call.args[0], ast.Constant)
                and isinstance(call.args[0].value, str)
            )
            if len(call.args) + len(call.keywords) == 1 and not is_text:
                yield call.lineno
        if call.func.attr in WITH_COLUMNS:
            values = (keyword.value for keyword in call.keywords)
            yield from (v.lineno for v in values if _is_number(v))


def _is_number(node):
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    # Of a truth value there is but one type.
    return isinstance(node, ast.Constant) and type(node.value) in {int, float}


def test_literals_state_their_type():
    found = {
        file.name: lines
        for file in SOURCE.rglob("*.py")
        if (lines := sorted(untyped(ast.parse(file.read_text(encoding="utf-8")))))
    }
    assert not found, f"give the literals in these lines a type: {found}"


@pytest.mark.parametrize(
    "source", ["ibis.literal(n)", "t.mutate(a=1)", "t.select(a=-1)"]
)
def test_an_untyped_literal_is_found(source):
    assert list(untyped(ast.parse(source))) == [1]


def test_tables_of_untyped_literals_have_no_union():
    small, large = (
        ibis.memtable({"n": [1]}).select(a=ibis.literal(n)) for n in (100, 200)
    )
    with pytest.raises(RelationError):
        ibis.union(small, large)
