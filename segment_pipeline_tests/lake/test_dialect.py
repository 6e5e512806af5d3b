"""Values are bound as literals, identifiers quoted, and constructs that do not carry over are refused by name."""

from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest

from segment_pipeline.errors import ContractError
from segment_pipeline.lake import dialect


@pytest.mark.parametrize(
    "value",
    [None, True, 7, -2.5, "O'Hara; drop", "$name", "emoji 🙂", Decimal("12.3400"), date(2016, 2, 29), [1, 2], ["a", "it's"],
     datetime(2017, 1, 1, 12, 30, 0, 5), datetime(2017, 1, 1, 12, tzinfo=UTC)],
)  # fmt: skip
def test_a_bound_value_comes_back_as_itself(value: dialect.Value) -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    got = (
        con.sql(dialect.bind("SELECT $value AS v, '$value' AS text -- $value", {"value": value}))
        .to_arrow_table()
        .to_pylist()
    )
    assert got == [{"v": value, "text": "$value"}]


def test_a_parameter_without_value_and_a_value_without_parameter_are_errors() -> None:
    with pytest.raises(ContractError, match=r"without a value \['b'\], values without a parameter \['c'\]"):
        dialect.bind("SELECT $a, $b", {"a": 1, "c": 2})


def test_quoting_an_identifier_doubles_its_quotes() -> None:
    assert dialect.quote('a"b') == '"a""b"'


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("SELECT list(x ORDER BY y) FROM t", "list"),
        ("SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) = 1", "QUALIFY"),
        ("SELECT hash(a) FROM t", r"hash\(\)"),
        ("SELECT * FROM a ASOF JOIN b ON a.t >= b.t", "ASOF"),
        ("SELECT frobnicate(a) FROM t", r"frobnicate\(\)"),
    ],
)
def test_constructs_that_do_not_carry_over_are_refused(text: str, construct: str) -> None:
    with pytest.raises(ContractError, match=f"model uses .*{construct}"):
        dialect.parse(text, name="model")
