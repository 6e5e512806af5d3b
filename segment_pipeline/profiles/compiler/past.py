"""Who was in a segment before: the view `segment_past`, and the people a rule about it means."""

from collections.abc import Iterable
from datetime import date, timedelta

from sqlglot import exp

from segment_pipeline.algebra.nodes import PastRule
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.compiler.expressions import column, value


def define_past(session: Session, rules: Iterable[PastRule], as_of: date) -> None:
    """Make `segment_past` a view of what the snapshots before a day say of these segments; without rules nothing is read."""
    asked = list(rules)
    if not asked:
        return
    days = {as_of - timedelta(days=back) for rule in asked for back in _days_back(rule)}
    session.scan("memberships", partitions={"as_of": sorted(days)}, alias="memberships_before")
    session.scan("membership_changes")
    session.scan("profile_aliases")
    session.define("segment_past", statement("profiles/compiler", "past"), as_of=as_of)


def past(rule: PastRule, as_of: date) -> exp.Select:
    """One row per person a rule about former members means."""
    on = exp.EQ(this=column("profile_id", "p"), expression=column("profile_id", "n"))
    query = exp.select(column("person_no", "n")).from_(exp.to_table("segment_past").as_("p"))
    query = query.join(exp.to_table("people").as_("n"), on=on, copy=False)
    query = query.where(exp.EQ(this=column("segment", "p"), expression=value(rule.segment)), copy=False)
    if rule.kind == "member":
        first, last = as_of - timedelta(days=rule.ago + rule.days - 1), as_of - timedelta(days=rule.ago)
        between = exp.Between(this=column("as_of", "p"), low=value(first), high=value(last))
        query = query.where(exp.EQ(this=column("what", "p"), expression=value("member")), between, copy=False)
        counted = exp.Count(this=exp.Distinct(expressions=[column("as_of", "p")]), big_int=True)
        return query.group_by(column("person_no", "n")).having(exp.EQ(this=counted, expression=value(rule.days)))
    what = {"entered": ["entered"], "left": ["exited"], "ever": ["entered", "shown"]}[rule.kind]
    query = query.where(exp.In(this=column("what", "p"), expressions=[value(each) for each in what]), copy=False)
    if rule.kind != "ever":
        since = value(as_of - timedelta(days=rule.days))
        query = query.where(exp.GTE(this=column("as_of", "p"), expression=since), copy=False)
    return query.distinct()


def _days_back(rule: PastRule) -> range:
    return range(rule.ago, rule.ago + rule.days) if rule.kind == "member" else range(0)
