"""What mapping statements look up instead of computing: canonical e-mails and phones, currency rates, small dictionaries.

Each distinct value is canonicalised once per landing, whatever the number of records that hold it.
"""

from collections.abc import Collection, Mapping

import pyarrow as pa

from segment_pipeline import identifiers, zones
from segment_pipeline.lake.session import Session


def contacts(session: Session, columns: Collection[str], country: str) -> None:
    """Views `emails` (raw, email) and `phones` (raw, country, phone) of the values in `parsed`; only usable ones are rows.

    `country` is where a national number was dialled when its record names no country.
    """
    if "email_raw" in columns:
        ascii_only = identifiers.email_sql("raw")
        session.define(
            "email_values",
            f"SELECT raw, {ascii_only} AS email FROM (SELECT DISTINCT email_raw AS raw FROM parsed WHERE email_raw IS NOT NULL)",
            materialize=True,
        )
        # Addresses beyond ASCII are few, and SQL has no Unicode normal forms.
        others = identifiers.emails(session.table("SELECT raw FROM email_values WHERE email IS NULL"))
        session.register("other_emails", others)
        session.define(
            "emails",
            "SELECT raw, email FROM email_values WHERE email IS NOT NULL"
            " UNION ALL SELECT raw, email FROM other_emails WHERE email IS NOT NULL",
            materialize=True,
        )
    else:
        session.define("emails", "SELECT CAST(NULL AS VARCHAR) AS raw, CAST(NULL AS VARCHAR) AS email WHERE FALSE")
    if "phone_raw" in columns:
        wanted = session.table(
            "SELECT DISTINCT phone_raw AS raw, phone_country AS country FROM parsed WHERE phone_raw IS NOT NULL"
        )
        session.register("phone_values", identifiers.phones(wanted, country))
        session.define(
            "phones", "SELECT raw, country, phone FROM phone_values WHERE phone IS NOT NULL", materialize=True
        )
    else:
        session.define(
            "phones",
            "SELECT CAST(NULL AS VARCHAR) AS raw, CAST(NULL AS VARCHAR) AS country, CAST(NULL AS VARCHAR) AS phone WHERE FALSE",
        )


def rates(session: Session, columns: Collection[str], base: str) -> None:
    """View `rates_on` (currency, day, rate, rate_day): the newest rate fixed on or before each business day in `parsed`.

    A rate is a digit wider than stored: what two decimals of 18 digits make is 18 digits to DuckDB, and an amount of ten million fails.
    The base currency has rate 1 and no rate_day; a currency without any rate has no row, so its base amounts are NULL.
    """
    if not {"currency", "business_on"} <= set(columns):
        return
    session.scan("rates", alias="held_rates")
    session.define(
        "rates_on",
        """
        WITH wanted AS (
          SELECT DISTINCT currency, business_on AS day FROM parsed WHERE reason IS NULL AND currency IS NOT NULL
        ),
        newest AS (
          SELECT w.currency, w.day, max(h.rate_day) AS rate_day
          FROM wanted AS w
          INNER JOIN held_rates AS h ON h.currency = w.currency AND h.rate_day <= w.day
          WHERE w.currency <> $base
          GROUP BY w.currency, w.day
        )
        SELECT n.currency, n.day, CAST(max(h.rate) AS DECIMAL(19,8)) AS rate, n.rate_day
        FROM newest AS n
        INNER JOIN held_rates AS h ON h.currency = n.currency AND h.rate_day = n.rate_day
        GROUP BY n.currency, n.day, n.rate_day
        UNION ALL
        SELECT currency, day, CAST(1 AS DECIMAL(19,8)) AS rate, CAST(NULL AS DATE) AS rate_day FROM wanted WHERE currency = $base
        """,
        materialize=True,
        base=base,
    )


def known_zones(session: Session) -> None:
    """View `known_zones` (name): time zones that have a time; asked for the time in any other, an engine fails."""
    session.register("known_zones", pa.table({"name": pa.array(sorted(zones.names()), pa.string())}))


def dictionaries(session: Session, declared: Mapping[str, Mapping[str, str]]) -> None:
    """A view (key, value) per dictionary of the entity."""
    for name, entries in declared.items():
        session.register(
            name,
            pa.table(
                {"key": pa.array(list(entries), pa.string()), "value": pa.array(list(entries.values()), pa.string())}
            ),
        )
