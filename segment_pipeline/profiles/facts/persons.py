"""Whose a record is as of a day, from the snapshot of identities: by id, and by a number within the session.

Reads `identities`; decides nothing about who is who.
"""

from collections.abc import Mapping

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.numbers import refuse_shared
from segment_pipeline.profiles.facts.versions import define_orders


def define_persons(session: Session, as_of: AsOf, *, materialize: bool = True) -> None:
    """Define the view persons(source, entity, record_key, key_no, profile_id) of one snapshot; raises ContractError without one.

    A day before the first record has one, and nobody in it.
    """
    session.scan("identities", partitions={"as_of": [as_of.day]}, alias="identities_as_of")
    query = "SELECT source, entity, record_key, key_no, profile_id FROM identities_as_of"
    session.define("persons", query, materialize=materialize)
    # A snapshot is there when it has a row: asking the table's log would open it once more.
    if not session.value("SELECT count(*) FROM persons") and not session.is_empty_snapshot("identities", as_of.day):
        raise ContractError(f"there are no identities as of {as_of.day}: materialise them for that day first")


def define_numbered_persons(
    session: Session, as_of: AsOf, *, named: bool = False, people_defined: bool = False
) -> None:
    """Define activity_persons, whose each record of a snapshot is by the number of the person in people(profile_id, person_no),
    which is defined as well unless it is there. `named`: with ids beside the numbers. Raises ContractError without a snapshot, and
    where two records have one number.
    """
    define_persons(session, as_of, materialize=False)
    if not people_defined:
        session.define("people", statement("profiles/facts", "people"), materialize=True)
    session.define("activity_persons", statement("profiles/facts", "activity_persons"), materialize=True, named=named)
    refuse_shared(session, "activity_persons", "key_no", "records")


def define_sales(session: Session, as_of: AsOf) -> None:
    """Define orders_as_of, order_persons and sales (completed ones) over the view persons."""
    define_orders(session, as_of)
    session.define("order_persons", statement("profiles/facts", "order_persons"), materialize=True)
    session.define("sales", statement("profiles/facts", "sales"))


def register_key_spaces(session: Session, key_spaces: Mapping[str, str]) -> None:
    """Make the view key_spaces(source, owner): sources whose customer keys are another source's."""
    session.given("key_spaces", {"source": "VARCHAR", "owner": "VARCHAR"}, list(key_spaces.items()))
