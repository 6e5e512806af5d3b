"""Values are bound as literals, identifiers quoted, and constructs that do not carry over are refused by name."""

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import ErrorLevel, exp

import segment_pipeline
from segment_pipeline.errors import ContractError
from segment_pipeline.lake import constructs, dialect
from segment_pipeline.lake.statements import statement

PACKAGE = Path(segment_pipeline.__file__).parent


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


@pytest.mark.parametrize("text", ["'$a'", "'it''s $a'", '"$a"', '"x""$a"', "1 -- $a", "1 /* $a\n$a */"])
def test_what_only_looks_like_a_parameter_stays(text: str) -> None:
    assert dialect.bind(f"SELECT {text}", {}) == f"SELECT {text}"
    assert dialect.bind(f"SELECT $a, {text}\n, $a", {"a": 1}) == f"SELECT 1, {text}\n, 1"


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
        constructs.parse(text, name="model")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM 'secrets.parquet'", "PIVOT t ON a USING sum(b)",
        "SELECT * FROM a POSITIONAL JOIN b", "SELECT a FROM t TABLESAMPLE 10%", "SELECT random() AS r", "SELECT now() AS t",
        "SELECT current_date AS d", "SELECT extract(dow FROM d) FROM t", "SELECT dayofweek(d) FROM t", "SELECT a[1:2] FROM t",
        "SELECT l[-1] FROM t", "SELECT a::JSON FROM t", "SELECT regexp_replace(a, 'x', 'y') FROM t", "SELECT max(a, 3) FROM t",
        "SELECT epoch(a) FROM t", "SELECT mode(a) FROM t", "SELECT first(a) FROM t", "SELECT a GLOB 'x*' FROM t",
        "SELECT columns('x') FROM t", "SELECT a FROM t UNION ALL BY NAME SELECT a FROM u", "SELECT list_has_any(a, b) FROM t", "INSERT INTO t SELECT 1", "DROP TABLE t",
        "COPY t TO 'x'", "SELECT 1; SELECT 2",
    ],
)  # fmt: skip
def test_what_means_something_else_elsewhere_or_does_more_than_read_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="model (uses|is no SELECT|cannot be parsed)"):
        constructs.parse(text, name="model")


FILES = sorted(
    (path.parent.parent.relative_to(PACKAGE).as_posix(), path.stem)
    for path in PACKAGE.rglob("sql/*.sql")
    if "sandbox" not in path.parts
)


@pytest.mark.parametrize(("room", "name"), FILES)
def test_every_statement_of_the_package_loads_and_renders_for_another_engine(room: str, name: str) -> None:
    loaded = statement(room, name)
    assert loaded.text.lstrip().startswith("--"), "a statement begins with its grain"
    tree = constructs.parse(loaded.text, name=loaded.name)
    passed_on = {node.name.lower() for node in tree.find_all(exp.Anonymous)}
    assert passed_on <= constructs.ALLOWED_FUNCTIONS | constructs.NEEDS_RULE
    rendered = tree.sql("spark", unsupported_level=ErrorLevel.RAISE)
    assert sqlglot.parse_one(rendered, read="spark").key == tree.key


@pytest.mark.parametrize(("room", "name"), FILES)
def test_parameters_are_those_a_parser_finds(room: str, name: str) -> None:
    text = statement(room, name).text
    tokens = itertools.pairwise(sqlglot.tokenize(text, read="duckdb"))
    dialect.bind(text, {name.text: 1 for mark, name in tokens if mark.text == "$" and name.start == mark.end + 1})


def test_there_are_statements_to_check() -> None:
    assert {room.partition("/")[0] for room, _ in FILES} >= {"audiences", "landing", "profiles", "segments", "sources"}
