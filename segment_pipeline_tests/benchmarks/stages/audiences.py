"""An audience of everybody who may be sent to: the plan after one person in a hundred came or went, the push of the first
plan with the network left out, and a sync that finds nothing to do.

The people are a members-only company of the same size: what identity makes of facts is another room's stage.
"""

from dataclasses import replace
from typing import Any, Final

from segment_pipeline.audiences.audience import Audience, Guards
from segment_pipeline.audiences.lease import acquire, release
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.push import Push
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import sync
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline_tests.benchmarks import by_hand
from segment_pipeline_tests.benchmarks.company import Company, make_members
from segment_pipeline_tests.benchmarks.stage import Stage

AGES: Final = 24 * 365 * 100
SENDS: Final = Guards(removal_share=2.0, large_removal_share=2.0, minimum=0)
# Nothing is large enough: the plan is made and written down, and held.
HOLDS: Final = Guards(removal_share=2.0, large_removal_share=2.0, minimum=1 << 40)
EVERYBODY: Final = Audience(
    "everybody", "everybody", "meta", "ads", "team:ads", guards=SENDS, max_age_hours=AGES
)  # fmt: skip
TRIAL: Final = replace(EVERYBODY, name="trial", guards=HOLDS)


class NowhereMeta(MetaAudiences):
    """Meta's connector, bodies and receipts included, with nobody at the other end."""

    def check(self) -> None: ...

    def ensure_audience(self, name: str) -> str:  # noqa: ARG002
        return "1"

    def find(self, name: str) -> str | None:  # noqa: ARG002
        return None

    def _call(self, method: str, path: str, *, body: Any = None, **_: Any) -> dict[str, Any]:  # noqa: ARG002
        """As Meta answers when every row was taken, and of an audience that is there."""
        if body is None:
            return {"id": "1"}
        return {"num_received": body.count(b'["') - 1, "num_invalid_entries": 0}


def people_of(company: Company) -> Company:
    if "orders" not in company.rows:
        return company
    # The measured process's clock stands the morning after the company's last day.
    return replace(make_members(company.root / "audience-people", company.profiles), as_of=company.as_of)


def with_members(company: Company, *, out: int) -> None:
    """Memberships of the segment `everybody` but for one person in two hundred, by the last digits of their id."""
    people = people_of(company)
    as_of = {"as_of": [people.as_of]}
    with people.lake.session() as session:
        session.scan("profiles")
        session.replace(
            "memberships",
            "SELECT CAST($day AS DATE) AS as_of, 'everybody' AS segment, 'h' AS definition_hash, profile_id FROM profiles "
            "WHERE substr(profile_id, 30, 3) < $first OR substr(profile_id, 30, 3) >= $end",
            as_of,
            day=people.as_of,
            first=f"{out * 20:03x}",
            end=f"{out * 20 + 20:03x}",
        )
        session.replace(
            "segment_sizes",
            "SELECT CAST($day AS DATE) AS as_of, 'everybody' AS segment, 'h' AS definition_hash, "
            "CAST($n AS BIGINT) AS size, CAST($n AS BIGINT) AS population, '{}' AS inputs",
            as_of,
            day=people.as_of,
            n=people.profiles,
        )


def synced(company: Company, audience: Audience) -> SyncReport:
    people = people_of(company)
    destinations = {"meta": NowhereMeta(access_token="none", ad_account="1")}  # noqa: S106
    ledger = Ledger.open(people.settings.ledger)
    try:
        [report] = sync(Round(people.lake, ledger, [audience], destinations, people.settings))
    finally:
        ledger.close()
    return report


def with_everybody_held(company: Company) -> None:
    people = people_of(company)
    if people.lake.version("audience_members") is None:
        with_members(company, out=0)
        report = synced(company, EVERYBODY)
        assert report.status == "synced", report


def with_everybody_changed(company: Company) -> None:
    with_everybody_held(company)
    with_members(company, out=1)


def plan(company: Company) -> int:
    report = synced(company, replace(EVERYBODY, guards=HOLDS))
    assert report.status == "held", report
    assert 0 < report.held + report.held_removals < report.desired / 20, report
    return report.held + report.held_removals


# A name, a city, a postcode and a country are hashed once each, and put beside the few rows that are sent.
ALONG: Final = (
    """'{"FN":"' || f.hash || '","LN":"' || l.hash || '","FI":"' || i.hash || '","CT":"' || t.hash || '","ZIP":"' || z.hash"""
    """ || '","COUNTRY":"' || c.hash || '"}'"""
)
NAMED: Final = """JOIN profiles AS p ON p.profile_id = k.profile_id
    JOIN firsts AS f ON f.value = p.first_name JOIN lasts AS l ON l.value = p.last_name
    JOIN initials AS i ON i.value = p.first_name JOIN cities AS t ON t.value = p.city
    JOIN postcodes AS z ON z.value = p.postcode JOIN countries AS c ON c.value = p.country"""


def _hashed(column: str, normal: str) -> str:
    return f"SELECT value, sha256({normal}) AS hash FROM (SELECT DISTINCT {column} AS value FROM profiles)"


LETTERS: Final = "regexp_replace(lower(value), '[^\\p{L}]', '', 'g')"
PLAN: Final = f"""
WITH firsts AS MATERIALIZED ({_hashed("first_name", LETTERS)}),
initials AS MATERIALIZED ({_hashed("first_name", f"left({LETTERS}, 1)")}),
lasts AS MATERIALIZED ({_hashed("last_name", LETTERS)}),
cities AS MATERIALIZED ({_hashed("city", LETTERS)}),
countries AS MATERIALIZED ({_hashed("country", LETTERS)}),
postcodes AS MATERIALIZED ({_hashed("postcode", "replace(split_part(lower(value), '-', 1), ' ', '')")}),
said AS (
    SELECT identifier, max(recorded_at) FILTER (WHERE status = 'granted') AS granted_at,
        max(recorded_at) FILTER (WHERE status = 'denied') AS denied_at
    FROM consents WHERE channel = 'ads' AND purpose = 'marketing' GROUP BY identifier
),
people AS (
    SELECT e.profile_id, e.identifier AS email, p.identifier AS phone, s.identifier AS suppressed,
        coalesce(c.granted_at > coalesce(c.denied_at, TIMESTAMPTZ '1970-01-01 00:00:00+00'), FALSE) AS granted,
        c.identifier IS NOT NULL AS asked
    FROM (SELECT profile_id, identifier FROM profile_identifiers WHERE usable AND identifier_type = 'email') AS e
    LEFT JOIN (SELECT profile_id, identifier FROM profile_identifiers WHERE usable AND identifier_type = 'phone') AS p
        ON p.profile_id = e.profile_id
    LEFT JOIN said AS c ON c.identifier = e.identifier
    LEFT JOIN suppressions AS s ON s.identifier = e.identifier
),
denied AS (SELECT DISTINCT phone FROM people WHERE asked AND NOT granted AND phone IS NOT NULL),
desired AS (
    SELECT profile_id, sha256(email) AS email, sha256(ltrim(phone, '+')) AS phone
    FROM (
        SELECT n.profile_id, n.email, CASE WHEN d.phone IS NULL THEN n.phone END AS phone
        FROM people AS n LEFT JOIN denied AS d ON d.phone = n.phone
        WHERE n.granted AND n.suppressed IS NULL
    ) JOIN (SELECT profile_id FROM memberships WHERE segment = 'everybody') USING (profile_id)
),
keyed AS (
    SELECT k.*, substr(sha256({ALONG}), 1, 32) AS payload,
        substr(sha256('email=' || k.email || chr(10) || 'phone=' || coalesce(k.phone, '') || chr(10)), 1, 32) AS key
    FROM desired AS k {NAMED}
),
changed AS (
    SELECT coalesce(k.key, h.key) AS key, k.key IS NULL AS leaves, k.email, k.phone, k.payload, k.profile_id
    FROM keyed AS k
    FULL JOIN (SELECT key, payload_hash FROM audience_members WHERE audience = 'everybody') AS h ON h.key = k.key
    WHERE k.key IS NULL OR h.key IS NULL OR k.payload <> h.payload_hash
)
SELECT 'remove' AS operation, c.key, m.identifiers, NULL AS attributes, m.payload_hash, m.owners
FROM changed AS c JOIN audience_members AS m ON m.key = c.key WHERE c.leaves
UNION ALL
SELECT 'upsert', k.key, to_json({{'email': k.email, 'phone': k.phone}}), {ALONG}, k.payload, [k.profile_id]
FROM changed AS k {NAMED} WHERE NOT k.leaves
"""


def plan_by_hand(company: Company) -> int:
    """As the people are made: one address each, statements about addresses alone, suppressions of the whole person, all of a name.

    What goes along with a row is compared as well: somebody who moved is sent again.
    """
    people = people_of(company)
    tables = ("profiles", "profile_identifiers", "consents", "suppressions", "memberships", "audience_members")
    return by_hand.written(people, by_hand.connection(people, *tables), PLAN)


def with_a_plan(company: Company) -> None:
    """A first plan of everybody, written down and held back."""
    people = people_of(company)
    if not any(entry["audience"] == TRIAL.name for entry in people.lake.partitions("plan_rows")):
        with_members(company, out=0)
        report = synced(company, TRIAL)
        assert report.status == "held", report


def push(company: Company) -> int:
    """The real push of the plan: attempts and receipts in the ledger, bodies of the connector."""
    people = people_of(company)
    ledger = Ledger.open(people.settings.ledger)
    [entry] = [entry for entry in people.lake.partitions("plan_rows") if entry["audience"] == TRIAL.name]
    recorded = ledger.plan(str(entry["digest"]))
    assert recorded is not None
    lease = acquire(ledger, TRIAL.name)
    destination = NowhereMeta(access_token="none", ad_account="1")  # noqa: S106
    with people.lake.session() as session:
        Push(ledger, lease, recorded.plan, destination, "1").run(session)
    release(ledger, lease)
    outcome = ledger.answers.outcome(recorded.plan.digest)
    assert all(batch.state == "final" and not batch.rejected for batch in outcome)
    ledger.close()
    return sum(batch.batch.rows for batch in outcome)


def push_by_hand(company: Company) -> int:
    """One body per batch from one query; nothing is recorded."""
    people = people_of(company)
    hand = by_hand.connection(people, "plan_rows")
    bodies = hand.execute(
        "SELECT count(*), to_json(list([coalesce(json_extract_string(identifiers, '$.email'), ''), "
        "coalesce(json_extract_string(identifiers, '$.phone'), '')])) FROM plan_rows WHERE audience = 'trial' GROUP BY batch"
    ).fetchall()
    assert all(body for _, body in bodies)
    return sum(rows for rows, _ in bodies)


def nothing_to_do(company: Company) -> int:
    report = synced(company, EVERYBODY)
    assert (report.status, report.requests) == ("synced", 0), report
    assert report.unchanged == report.desired, report
    return report.desired


def with_everybody_as_held(company: Company) -> None:
    with_everybody_held(company)
    with_members(company, out=0)


STAGES = (
    Stage("audience-plan", with_everybody_changed, plan, plan_by_hand, members_only=True),
    Stage("audience-push", with_a_plan, push, push_by_hand, members_only=True),
    Stage("audience-unchanged", with_everybody_as_held, nothing_to_do, members_only=True),
)
