"""Whose e-mail address is where: the people a rule about domains means, over the view `segment_domains`."""

from sqlglot import exp

from segment_pipeline.algebra.nodes import EmailDomainRule
from segment_pipeline.profiles.compiler.expressions import column, value


def at_domains(rule: EmailDomainRule) -> exp.Select:
    """One row per person with an address at one of the domains, of segment_domains(profile_id, domain): addresses people have now."""
    on = exp.EQ(this=column("profile_id", "d"), expression=column("profile_id", "n"))
    query = exp.select(column("person_no", "n")).distinct().from_(exp.to_table("segment_domains").as_("d"))
    query = query.join(exp.to_table("people").as_("n"), on=on, copy=False)
    return query.where(exp.In(this=column("domain", "d"), expressions=[value(domain) for domain in rule.domains]))
