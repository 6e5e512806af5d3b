"""At which of the domains asked for people have an e-mail address: read while rules are evaluated, and kept nowhere.

No trait says it: traits are shown and sent, and a domain may be as good as a name.
"""

from collections.abc import Iterable

import pyarrow as pa

from segment_pipeline.algebra.nodes import EmailDomainRule
from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.persons import define_persons
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.traits.compute import define_identifiers


def define_asked_domains(
    session: Session, rules: Iterable[EmailDomainRule], as_of: AsOf, identity_rules: IdentityRules
) -> None:
    """Make `segment_domains` a view of who has an address at the domains asked for on a day; without rules nothing is read."""
    asked = sorted({domain for rule in rules for domain in rule.domains})
    if not asked:
        return
    # In a session of its own, over the same versions: of a day that is not the newest, identity's views have to be made, and some of
    # them are called as others that rules read.
    with session.lake.session() as apart:
        apart.pins |= session.pins
        define_persons(apart, as_of)
        define_identifiers(apart, as_of, identity_rules)
        apart.register("domains_asked", pa.table({"domain": pa.array(asked, pa.string())}))
        found = apart.reader(statement("segments", "domains")).read_all()
        session.pins |= apart.pins
    session.register("segment_domains", found)
