"""People by where their e-mail addresses are: those they have now, on the newest day and on days before it."""

from datetime import date

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.segments.definition import definition_hash
from segment_pipeline.segments.evaluate import World, members
from segment_pipeline.segments.inspect import explain, preview
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import Rule, all_of, email_domain, none_of, trait
from segment_pipeline.segments.validation import validate
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings
from segment_pipeline_tests.profiles.literal_rows import customer
from segment_pipeline_tests.profiles.snapshots import KEY_SPACES, Put
from segment_pipeline_tests.profiles.trait_rows import read, traits
from segment_pipeline_tests.segments.conftest import DAY, address, person, segment, who

OPENED, BEFORE, LATER = date(2015, 1, 1), date(2017, 2, 1), date(2017, 3, 1)
SETTINGS = Settings.from_env({})
KNOWN = Vocabulary(identity=IdentityRules(key_spaces=KEY_SPACES))


@pytest.mark.also_on_spark("segments/domains")
@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (email_domain("mail.io"), {"ann", "two"}),
        (email_domain("Mail.IO "), {"ann", "two"}),
        (email_domain("post.mail.io"), {"sub"}),
        (email_domain("acme.de", "post.mail.io"), {"sub", "two"}),
        (email_domain("io"), set()),
        (none_of(email_domain("mail.io", "acme.de")), {"sub", "end", "was", "all", "tel", "nil"}),
    ],
)
def test_the_domain_is_all_that_stands_behind_the_at_of_an_address_they_have_now(
    lake: Lake, rule: Rule, found: set[str]
) -> None:
    addresses = [
        address("ann", "ann@mail.io"), address("sub", "ann@post.mail.io"), address("end", "ann@notmail.io"), address("two", "a@acme.de"),
        address("two", "b@mail.io"), address("was", "c@mail.io", "former"), address("all", "info@mail.io", "shared"),
        address("tel", "+49301234567", kind="phone"), address("gone", "d@mail.io"),
    ]  # fmt: skip
    people = dict.fromkeys([*(row["profile_id"] for row in addresses), "nil"])
    world = World(DAY, [person(one) for one in people if one != "gone"], identifiers=addresses)
    assert who(lake, rule, world) == members([segment("one", rule)], world)["one"] == found


def test_a_day_before_the_newest_knows_the_addresses_of_then(lake: Lake, put: Put) -> None:
    put("customers", [
        customer("shopify", "ann", OPENED, email="ann@acme.de"), customer("shopify", "ann", OPENED, updated=LATER, email="ann@mail.io"),
        customer("shopify", "bob", OPENED, email="bob@mail.io"), customer("shopify", "cat", LATER, email="cat@acme.de"),
    ])  # fmt: skip
    found: dict[tuple[date, str], list[str]] = {}
    segments = [segment("acme", email_domain("acme.de")), segment("mail", email_domain("mail.io"))]
    for day in (BEFORE, DAY, BEFORE):
        if (day, "acme") not in found:
            traits(lake, day)
        report = build_memberships(lake, day, segments, SETTINGS, vocabulary=KNOWN)
        assert not report.failed
        keys = {profile_id: key for key, row in read(lake, day).items() for profile_id in [row["profile_id"]]}
        with lake.session() as session:
            session.scan("memberships", partitions={"as_of": [day]})
            rows = session.rows("SELECT segment, profile_id FROM memberships")
        here = {
            one.name: sorted(keys[row["profile_id"]] for row in rows if row["segment"] == one.name) for one in segments
        }
        # What was found on the day stays what is found of it once another is the newest.
        assert found.setdefault((day, "acme"), here["acme"]) == here["acme"]
        assert found.setdefault((day, "mail"), here["mail"]) == here["mail"]
    assert found == {
        (BEFORE, "acme"): ["ann"],
        (BEFORE, "mail"): ["bob"],
        (DAY, "acme"): ["cat"],
        (DAY, "mail"): ["ann", "bob"],
    }


def test_it_is_said_in_words_and_what_a_person_has_is_not_shown(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("shopify", "ann", OPENED, email="ann@acme.de"),
            customer("shopify", "bob", OPENED, email="bob@mail.io"),
        ],
    )
    ann = traits(lake)["ann"]["profile_id"]
    one = segment("one", all_of(email_domain("acme.de", "acme.com"), trait("has_email") == True))  # noqa: E712
    told = explain(lake, DAY, one, [], SETTINGS, ann, vocabulary=KNOWN)
    assert [(term.term, term.holds, term.value) for term in told.terms[1:]] == [
        ("has an e-mail address at acme.com or acme.de", True, None),
        ("has_email == True", True, "True"),
    ]
    found = preview(lake, DAY, one, [], SETTINGS, vocabulary=KNOWN)
    assert [(step.size, step.remaining) for step in found.steps] == [(1, 1), (2, 1)]


def test_no_table_has_a_domain() -> None:
    assert not [column.name for one in all_tables() for column in one.columns if "domain" in column.name]


def test_the_order_of_domains_is_nothing_the_definition_has() -> None:
    one, other = (segment("one", email_domain(*them)) for them in (("a.de", "b.de"), ("B.de", "a.de")))
    assert definition_hash(one, {}) == definition_hash(other, {})
    assert definition_hash(one, {}) != definition_hash(segment("one", email_domain("a.de")), {})


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (email_domain(), 'asks for an e-mail address at no domain: name one, like "gmail.com"'),
        (email_domain("ann@mail.io"), 'asks for an e-mail domain with an @ in it: write what stands behind it, like "gmail.com"'),
        (email_domain("gmail"), 'asks for the e-mail domain "gmail", which has no dot: write all that stands behind the @, like "gmail.com"'),
        (email_domain("*.mail.io"), 'asks for the e-mail domain "*.mail.io", which no address has: write what stands behind the @, of each subdomain by itself'),
        (email_domain(".mail.io"), "which no address has"),
        (email_domain("b\u00fccher.de"), 'write it as addresses have it here, "xn--bcher-kva.de"'),
        (email_domain("example.com"), 'asks for the e-mail domain "example.com", at which nobody is reached'),
        (email_domain(7), "writes email_domain(7): domains takes one name as text"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_no_address_ends_with_is_refused_with_what_to_write(rule: Rule, said: str) -> None:
    [text] = validate([segment("one", rule)])
    assert said in text
    assert "ann" not in text
