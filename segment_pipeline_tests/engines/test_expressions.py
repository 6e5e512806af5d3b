"""The constructs our statements are made of give the same answer on DuckDB and on Spark, for odd values above all."""

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import NumberFormatException

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.spark_dialect import render
from segment_pipeline.lake.spark_engine import engine_errors
from segment_pipeline_tests.conftest import FEW_ROWS, MANY_STATEMENTS, engine_of
from segment_pipeline_tests.lake.test_derived import number

ODD_TEXTS = [
    None, "", " ", "plain", "Ünïcødé", "emoji 🙂👩‍👩‍👧", "it's", "back\\slash", "tab\there", "new\nline", 'quote"d', "%_", "ß ŉ ǰ ﬁ", "İi Iı",
    "ΑΣ ΑΣ.", "a/b/c", "/", "//", "$.x", "null", "é", "é", "z", "Z", "10", "9", "{}", "[]",
]  # fmt: skip
TIMES = [
    "2017-01-01", "2017-01-01T10:00:00Z", " 2017-01-01 10:00:00+02 ", "2017-01-01T10:00:00.123456789Z", "2017-01-01T10:00:00.1234567",
    "2017-01-01T25:00:00Z", "2017", "2017-02-29", "2016-02-29T23:59:59-05:00", "10:00", "yesterday", "", "now",
    "2017-1-2", "2017-01-01T10:00", "2017-01-01 10:00:00 UTC", "2017-01-01T10:00:00+0530", "2017-01-01T10:00:00 Europe/Berlin",
    "0001-05-06", "20170101",
]  # fmt: skip
NUMBERS = [
    "1", " 12 ", "-3", "+4", "12.5", "12.345", "-12.345", "1e3", "1E-2", ".5", "5.", "0x1F", "1d", "2f", "abc", "", "1,000", "NaN", "99999999999999999999",
    "2.5", "3.5", "-2.5", "0.00005", "123456789012345.67895",
]  # fmt: skip
NEW_YORK_NIGHTS = [
    datetime(2017, 3, 12, 6, 59, 59, tzinfo=UTC), datetime(2017, 3, 12, 7, tzinfo=UTC), datetime(2017, 11, 5, 5, 30, tzinfo=UTC),
    datetime(2017, 11, 5, 6, 30, tzinfo=UTC), datetime(2016, 2, 29, 23, 30, tzinfo=UTC), datetime(2017, 1, 1, tzinfo=UTC),
    datetime(1901, 5, 6, 7, 8, 9, 10, tzinfo=UTC), None,
]  # fmt: skip


def asked(lake: Lake, rows: pa.Table, *expressions: str) -> list[dict[str, Any]]:
    """Each expression over the rows `t`; the engines' answers are compared on the way."""
    with lake.session() as session:
        session.register("t", rows)
        chosen = ", ".join(f"{expression} AS e{n}" for n, expression in enumerate(expressions))
        return session.rows(f"SELECT {chosen} FROM t")


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Table:
    return pa.table({"id": list(range(len(values))), "x": pa.array(values, kind)})


def test_texts(both_lake: Lake) -> None:
    answers = asked(
        both_lake, column(ODD_TEXTS, pa.string()),
        "id", "lower(x)", "upper(x)", "trim(x)", "length(x)", "sha256(x)", "md5(x)", "substr(x, 2, 3)", "x || '!'", "concat_ws('|', x, 'y')",
        "starts_with(x, 'p')", "contains(x, '\\')", "string_split(x, '/')", "list_aggregate(string_split(x, '/'), 'last')", "nullif(x, '')",
        "regexp_matches(x, '^[a-z]+$')", "regexp_full_match(x, 'p.*')", "regexp_replace(x, '\\s+', ' ', 'g')", "x < 'a'", "x IS NOT DISTINCT FROM NULL",
        "CAST(to_json(x) AS VARCHAR)", "json_valid(x)", "coalesce(x, 'none')", "x LIKE '%\\%'", "x NOT LIKE '%a%'", "x NOT IN ('a')", "NOT (x BETWEEN 'a' AND 'b')", "printf('%05d', id)", "len(string_split(x, ' '))",
    )  # fmt: skip
    assert len({str(row) for row in answers}) == len(ODD_TEXTS)


def test_a_key_has_the_number_files_hold_of_it_on_every_engine(both_lake: Lake) -> None:
    answers = asked(
        both_lake, column(ODD_TEXTS, pa.string()), "x", "key_number('order', 'shop', x)", "key_number(x, 'shop', '1')"
    )
    for row in answers:
        assert row["e1"] == (None if row["e0"] is None else number("order", "shop", row["e0"]))


def test_every_letter_is_raised_and_lowered_alike(both_lake: Lake) -> None:
    letters = [chr(n) for n in range(0x250, 0x530)] + [chr(n) for n in range(0x1E00, 0x2000)]
    asked(
        both_lake,
        column([c for c in letters if c.isprintable() and c not in RECENT], pa.string()),
        "x",
        "lower(x)",
        "upper(x)",
    )


# Letters Unicode gave a partner after Java 17 was made, and Greek ones with an iota below, which Java raises to two letters.
RECENT = frozenset("ɤꟀꟁꟐꟑꟖꟗꟘꟙ")


def test_texts_are_ordered_by_code_point_and_null_is_last(both_lake: Lake) -> None:
    with both_lake.session() as session:
        session.register("t", column(ODD_TEXTS, pa.string()))
        for order in ("x", "x DESC", "x NULLS FIRST", "x DESC NULLS FIRST"):
            session.rows(f"SELECT id, row_number() OVER (ORDER BY {order}, id) AS place FROM t")
        ranked = session.rows("SELECT x, row_number() OVER (ORDER BY x, id) AS place FROM t ORDER BY place")
        session.rows("SELECT min(x) AS a, max(x) AS b, count(x) AS c, count(DISTINCT x) AS d FROM t")
        session.rows("SELECT list_sort(array_agg(x)) AS a, list_sort(array_agg(DISTINCT x)) AS b FROM t")
    assert ranked[-1]["x"] is None


def test_times_of_text(both_lake: Lake) -> None:
    asked(both_lake, column(TIMES, pa.string()), "id", "TRY_CAST(x AS TIMESTAMPTZ)", "TRY_CAST(x AS DATE)")


def test_numbers_of_text(both_lake: Lake) -> None:
    asked(
        both_lake, column(NUMBERS, pa.string()),
        "id", "TRY_CAST(x AS DECIMAL(18,4))", "TRY_CAST(x AS DECIMAL(18,8))", "TRY_CAST(x AS DOUBLE)",
    )  # fmt: skip


def test_whole_numbers_that_have_no_room_are_unknown(both_lake: Lake) -> None:
    numbers = [0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, None]
    asked(both_lake, column(numbers, pa.int64()), "id", "TRY_CAST(x AS INTEGER)", "TRY_CAST(x AS BIGINT)")
    halves = [Decimal(text) for text in ("0.5", "-0.5", "1.5", "2.5", "-2.5", "2.49999999", "99999999999999999999")]
    asked(both_lake, column(halves, pa.decimal128(38, 8)), "id", "TRY_CAST(x AS INTEGER)", "TRY_CAST(x AS BIGINT)")


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Europe/Berlin", "UTC", "Pacific/Apia"])
def test_days_of_23_and_25_hours(both_lake: Lake, zone: str) -> None:
    answers = asked(
        both_lake, column(NEW_YORK_NIGHTS, pa.timestamp("us", "UTC")),
        "x", f"timezone('{zone}', x)", f"CAST(timezone('{zone}', x) AS DATE)", f"extract(hour FROM timezone('{zone}', x))",
        f"date_diff('day', CAST(timezone('{zone}', x) AS DATE), DATE '2017-03-13')", "x < TIMESTAMPTZ '2017-03-12 07:00:00+00'",
    )  # fmt: skip
    if zone == "America/New_York":
        assert [row["e3"] for row in answers[:4]] == [1, 3, 1, 1]


def test_leap_days(both_lake: Lake) -> None:
    days = [date(2016, 2, 29), date(2017, 2, 28), date(2000, 2, 29), date(1899, 12, 31), None]
    asked(
        both_lake, column(days, pa.date32()),
        "x", "extract(year FROM x)", "extract(month FROM x) * 100 + extract(day FROM x)", "strftime(x, '%m-%d')", "x + 1", "x - 365",
        "date_diff('day', x, DATE '2017-03-01')", "CAST(x AS VARCHAR)", "x BETWEEN DATE '2016-01-01' AND DATE '2016-12-31'",
    )  # fmt: skip


def test_division_and_rounding(both_lake: Lake) -> None:
    pairs = [(7, 2), (-7, 2), (1, 0), (-1, 0), (0, 0), (None, 1), (1, None), (1, 3), (2, 3)]
    rows = pa.table(
        {
            "a": pa.array([a for a, _ in pairs], pa.int64()),
            "b": pa.array([b for _, b in pairs], pa.int64()),
            "m": pa.array([None if a is None else Decimal(a) / 8 for a, _ in pairs], pa.decimal128(18, 4)),
        }
    )
    answers = asked(
        both_lake, rows,
        *["a / b", "m / b", "a // nullif(b, 0)", "a % nullif(b, 0)", "CAST(m AS DECIMAL(18,2))", "m * CAST(1.0825 AS DECIMAL(18,8))",
          "CAST(a / 3 AS DECIMAL(18,4))", "ceil(a / 4)", "round(m, 1)", "abs(m)", "CAST(m AS DOUBLE)", "CAST(CAST(m AS DOUBLE) AS DECIMAL(18,4))",
          "greatest(a, b)", "least(a, NULL, b)"],
    )  # fmt: skip
    assert [str(row["e0"]) for row in answers[2:5]] == ["inf", "-inf", "nan"]


def test_sums_of_nothing_and_of_nulls(both_lake: Lake) -> None:
    rows = pa.table(
        {
            "g": ["a", "a", "b", "b", "c"],
            "m": pa.array([Decimal("0.1"), None, None, None, Decimal("-2")], pa.decimal128(18, 4)),
            "f": [True, None, False, None, True],
        }
    )
    with both_lake.session() as session:
        session.register("t", rows)
        for group in ("GROUP BY g", "GROUP BY ALL", "WHERE FALSE GROUP BY g"):
            session.rows(
                "SELECT g, sum(m) AS s, sum(m) FILTER (f) AS sf, count(m) AS c, count(*) FILTER (f) AS n, bool_or(f) AS o, bool_and(f) AS a,"
                " array_agg(m) FILTER (WHERE m > 0) AS l, max(f) AS x, arg_max(g, m) AS w, arg_min(m, g) AS v, bit_or(CAST(4 AS BIGINT)) AS bits"
                f" FROM t {group}"
            )
        session.rows("SELECT sum(m) AS s, count(*) AS c, array_agg(m) AS l, min(g) AS x FROM t WHERE FALSE")
        session.rows(
            "SELECT g, cume_dist() OVER (ORDER BY m) AS d, dense_rank() OVER (ORDER BY g) AS r, lag(g) OVER (ORDER BY g, m) AS p FROM t"
        )


def test_lists(both_lake: Lake) -> None:
    lists = [None, [], ["a"], ["b", None, "a", "b"], [None]]
    asked(
        both_lake, pa.table({"id": range(len(lists)), "x": pa.array(lists, pa.list_(pa.string()))}),
        "id", "x", "len(x)", "x[1]", "x[3]", "list_sort(x)", "list_sort(list_distinct(x))", "list_contains(x, 'a')", "list_contains(x, 'z')",
        "list_concat([], x)", "list_transform(x, LAMBDA e: e || '!')", "list_filter(x, LAMBDA e: e IS NOT NULL)", "list_aggregate(x, 'last')",
        "CAST(to_json(x) AS VARCHAR)", "coalesce(len(x), 0) = 0", "flatten([x, ['q']])", "flatten([x, NULL])",
    )  # fmt: skip
    with both_lake.session() as session:
        session.register("t", pa.table({"id": range(len(lists)), "x": pa.array(lists, pa.list_(pa.string()))}))
        assert len(session.rows("SELECT id, unnest(x) AS e FROM t")) == 6
        session.rows("SELECT t.id, u.e FROM t, unnest(t.x) AS u(e)")


def test_json(both_lake: Lake) -> None:
    records = [
        '{"id": 1, "n": "12", "big": 12345678901234567890, "f": 1.10, "b": true, "t": "x\\u00e9\\ud83d\\ude42", "l": [{"k": "v"}, {"k": 7}, {}]}',
        '{"id": "a", "n": 12.5, "f": 1e5, "b": "true", "t": null, "l": null, "o": {"p": [1, 2]}}',
        '{"id": {"deep": 1}, "n": null, "l": [], "o": {}, "t": ""}', "{}", "[]", "null", '"text"', "7", '{"l": {"k": "v"}}',
        '{"t": "a\\"b\\\\c/d\\n\\u0001", "o": {"p q": 1}}',
    ]  # fmt: skip
    shape = '{"id": "VARCHAR", "n": "BIGINT", "f": "DOUBLE", "b": "BOOLEAN", "t": "VARCHAR", "l": [{"k": "VARCHAR"}], "o": "JSON"}'
    asked(
        both_lake, column(records, pa.string()),
        "id", f"from_json(x, '{shape}')", "json_type(x)", "json_type(x, '$.l')", "json_extract_string(x, '$.id')", "json_extract_string(x, '$.t')",
        "json_extract_string(x, '$.f')", "json_extract_string(x, '$.o.p')", "json_extract_string(x, '$.l')", "json_valid(x)",
    )  # fmt: skip


@pytest.mark.spark
def test_each_engine_of_a_process_has_its_own_settings(tmp_path: Path) -> None:
    for conf in (FEW_ROWS, MANY_STATEMENTS, FEW_ROWS):
        with Lake(str(tmp_path / "lake"), engine_of("spark", tmp_path, conf)).session() as session:
            spark = session.connection.session  # type: ignore[attr-defined]
            assert {key: spark.conf.get(key) for key in conf} == conf


def test_a_construct_without_a_rule_is_refused_naming_statement_and_construct() -> None:
    with pytest.raises(ContractError, match=r"profiles/odd uses list_reduce\(\), for which Spark has no rule"):
        render("SELECT list_reduce(x, LAMBDA a, b: a + b) FROM t", "profiles/odd")


def test_a_failure_names_the_statement_and_no_value(spark_lake: Lake) -> None:
    with spark_lake.session() as session:
        session.register("t", column(["secret@example.com"], pa.string()))
        with pytest.raises(ContractError, match=r"^query failed on Spark: [A-Z_.]+$") as caught:
            session.rows("SELECT CAST(x AS BIGINT) AS n FROM t")
        with pytest.raises(ContractError, match=r"UNRESOLVED_COLUMN\S* nothing$"):
            session.rows("SELECT nothing FROM t")
    assert "secret" not in str(caught.value)
    assert sys.exc_info() == (None, None, None)


def test_a_failure_inside_those_of_who_waited_for_it_is_named_by_its_condition(spark_lake: Lake) -> None:
    with spark_lake.session() as session:
        spark = session.connection.session  # type: ignore[attr-defined]
        with pytest.raises(NumberFormatException) as caught:
            spark.sql("SELECT CAST('secret@example.com' AS BIGINT)").collect()
        java = spark.sparkContext._jvm
        around = java.org.apache.spark.SparkException("Job aborted: secret@example.com", caught.value._origin)  # type: ignore[attr-defined]
        waited = java.org.apache.spark.SparkException("Exception thrown in awaitResult: secret@example.com", around)
        bare = java.java.lang.IllegalStateException("secret@example.com")
        for thrown, said in ((waited, "CAST_INVALID_INPUT"), (bare, "Py4JJavaError")):
            with pytest.raises(ContractError, match=f"^query failed on Spark: {said}$"), engine_errors("query"):
                raise Py4JJavaError("An error occurred.", thrown)
