"""Who is near a store: the view `segment_stores`, and the people a rule about stores means."""

from collections.abc import Iterable
from datetime import date

from sqlglot import exp

from segment_pipeline.algebra.nodes import NearStoreRule
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.compiler.expressions import column, distance, value
from segment_pipeline.profiles.facts.versions import define_stores


def define_asked_stores(session: Session, rules: Iterable[NearStoreRule], as_of: date) -> None:
    """Make `segment_stores` a view of the stores there are on a day; without rules nothing is read."""
    if list(rules):
        define_stores(session, as_of)
        session.define("segment_stores", statement("profiles/compiler", "stores"), as_of=as_of)


def near_stores(rule: NearStoreRule) -> exp.Select:
    """One row per person whose place is near a store: places are few, so each is measured once."""
    places = exp.select(column("lat"), column("lon")).distinct().from_(exp.to_table("traits"))
    apart = distance(column("lat", "p"), column("lon", "p"), column("lat", "s"), column("lon", "s"))
    near = exp.select(column("lat", "p"), column("lon", "p")).distinct().from_(places.subquery("p"))
    within = exp.LTE(this=apart, expression=value(rule.km))
    near = near.join(exp.to_table("segment_stores").as_("s"), on=within, copy=False)
    if rule.stores:
        near = near.where(exp.In(this=column("store_key", "s"), expressions=[value(key) for key in rule.stores]))
    on = exp.EQ(this=column("profile_id", "n"), expression=column("profile_id", "t"))
    query = exp.select(column("person_no", "n")).from_(exp.to_table("traits").as_("t"))
    query = query.join(exp.to_table("people").as_("n"), on=on, copy=False)
    same = [exp.EQ(this=column(name, "d"), expression=column(name, "t")) for name in ("lat", "lon")]
    return query.join(near.subquery("d"), on=exp.and_(*same), copy=False)
