"""Meta: the contract over real HTTP, its own refusals, and Meta's SDK as the oracle."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

from segment_pipeline.delivery.destination import Destination, Operation
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.destinations.meta.uploads import OPTIONS, body_of, in_samples, session_of
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.http import Response
from segment_pipeline.identifiers import RULES
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

OTHER = "1" * 64
NEW = {"name": "a", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}


class TestMetaAudiences(SandboxDestinationContract):
    settings = {"audiences_per_account": 20_000}
    unpublished = "Meta publishes no description of its API but its SDK, which is the oracle"
    vendor, connector = "meta", MetaAudiences
    given = {"access_token": "sandbox-meta-token", "app_secret": "sandbox-meta-secret", "ad_account": "1001"}
    created, applied = "/customaudiences$", "/users$"

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        """It normalises and hashes; and it puts a removal's payload in the URL, as we do not."""
        secrets = (self.given["app_secret"], self.given["access_token"])
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(FacebookSession, "GRAPH", f"{self.server.base_url}/meta")
            api = FacebookAdsApi.init("app", *secrets, api_version="v27.0", crash_log=False)
            made = AdAccount("act_1001", api=api).create_custom_audience(params=NEW)
            schema = [CustomAudience.Schema.MultiKeySchema.email, CustomAudience.Schema.MultiKeySchema.phone]
            theirs = CustomAudience(made["id"], api=api)
            for change, rows in ((theirs.add_users, people), (theirs.remove_users, gone)):
                change(schema, [[str(one.email).title(), f" {one.phone} "] for one in rows], is_raw=True)
            # requests keeps the SDK's sockets in a session that nobody closes.
            api._session.requests.close()
        return str(made["id"])

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {(row.get("EMAIL"), row.get("PHONE")) for row in self.members(remote_id)}

    @pytest.mark.parametrize("version", ["", "27", "v27.0/me"])
    def test_a_version_in_no_form_of_one_is_told(self, version: str) -> None:
        with pytest.raises(ConfigError, match="`version` is one like"):
            self.remade(version=version)

    def test_names_sent_are_neutral(self, destination: MetaAudiences) -> None:
        self.server.record()
        destination.ensure_audience("diabetes buyers in debt")
        text = json.dumps(self.server.recorded("meta"))
        assert "customaudiences" in text
        assert "diabetes" not in text
        assert "debt" not in text

    @pytest.mark.parametrize("which", ["terms_accepted", "user_terms_accepted"])
    @pytest.mark.parametrize("code", [2663, 2655])
    def test_terms_that_are_not_accepted_are_a_persons_work(
        self, destination: MetaAudiences, audience: str, which: str, code: int
    ) -> None:
        """The account's or the user's; calls really say 2663 or 2655, with the address in their text
        (facebook-python-business-sdk's and -nodejs-business-sdk's threads), not the guide's 1870034."""
        self.set(**{which: False, "terms_error": code})
        with pytest.raises(ConfigError, match="accept them at facebook.com/ads/manage/customaudiences/tos"):
            destination.check()
        with pytest.raises(ConfigError, match=f"code {code}.*accept them at"):
            destination.apply(batch(destination, audience, crowd(3)))

    def test_a_list_of_terms_without_ours_is_said_and_stops_nothing(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        """Those of accounts that two businesses share lack entries."""
        self.set(user_terms_accepted=None)
        assert destination.check() == "user_tos_accepted do not say whether its terms are accepted"
        assert settle(destination, batch(destination, audience, crowd(3))).accepted == 3

    def test_a_version_that_was_passed_over_is_said(self, caplog: pytest.LogCaptureFixture) -> None:
        """An ended version is not always refused: the next one answers, and a header says so. Once, not with each call."""
        old = self.remade(version="v24.0")
        for _ in range(2):
            assert "auto-upgraded to v25.0 as v24.0 has been deprecated" in str(old.check())
        assert caplog.text.count("set a newer `version`") == 1
        assert self.remade().check() is None

    def test_rows_are_said_to_be_keys_of_their_own(self, destination: MetaAudiences, audience: str) -> None:
        """`is_raw`: without it Meta takes the columns for keys combined by somebody else."""
        self.server.record()
        settle(destination, batch(destination, audience, crowd(2)))
        list(destination.replace([batch(destination, audience, crowd(2))]))
        sent = [json.loads(each["body"])["payload"] for each in self.server.recorded("meta") if "users" in each["path"]]
        assert [payload["is_raw"] for payload in sent] == [True, True]

    def test_match_keys_go_along_hashed_and_take_nobody_out(self, destination: MetaAudiences, audience: str) -> None:
        """All of the guide's but the device's, where a member has them; what is no hash stays here."""
        rules = {rule.column: RULES[rule.rule] for rule in destination.capabilities.along}
        known = {
            "FN": "Mary",
            "LN": "Lee",
            "FI": "Mary",
            "CT": "Menlo Park",
            "ST": "US-CA",
            "ZIP": "94025",
            "COUNTRY": "US",
        }
        known |= {"DOBY": "1986-02-09", "DOBM": "02-09", "DOBD": "02-09", "GEN": "female"}
        told = {column: rule.apply(known[column]) for column, rule in rules.items()}
        assert set(told) == set(known)
        mary, ann = Person("mary@quiet.shop", None, json.dumps(told)), Person("ann@quiet.shop", None, '{"FN":"Ann"}')
        settle(destination, batch(destination, audience, [mary, ann, *crowd(20)]))
        rows = {row["EMAIL"]: row for row in self.members(audience) if "EMAIL" in row}
        assert rows[key_of(destination, mary)[0]] == {"id": "", "EMAIL": key_of(destination, mary)[0], **told}
        assert "FN" not in rows[key_of(destination, ann)[0]]
        self.server.record()
        settle(destination, batch(destination, audience, [replace(mary, attributes=None)], Operation.REMOVE, number=2))
        [sent] = [json.loads(each["body"])["payload"] for each in self.server.recorded("meta")]
        assert sent["schema"] == ["EMAIL", "PHONE"]
        assert self.held(destination, audience) == keys_of(destination, [ann, *crowd(20)])
        assert self.remade(match_keys=False).capabilities.along == ()

    @pytest.mark.parametrize("way", ["apply", "replace"])
    def test_californias_people_are_sent_under_limited_data_use(
        self, destination: MetaAudiences, audience: str, way: str
    ) -> None:
        """Where the state is not known Meta is asked to find it out; elsewhere it is off, and so it is in a removal."""
        careful = self.remade(limited_data_use=True, match_keys=False)
        [rule] = careful.capabilities.along
        where = ["US-California", "US-TX", "DE-Bayern", "US-", "-", None]
        expected = [("1", "1000"), ("[]",), ("[]",), ("0", "0"), ("0", "0"), ("0", "0")]
        people = [
            Person(f"p{n}@quiet.shop", None, state and json.dumps({rule.column: RULES[rule.rule].apply(state)}))
            for n, state in enumerate(where)
        ]
        work = batch(careful, audience, people)
        receipts = [careful.apply(work)] if way == "apply" else list(careful.replace([work]))
        assert [receipt.accepted for receipt in receipts] == [6]
        rows = {row["EMAIL"]: row for row in self.members(audience)}
        for person, limits in zip(people, expected, strict=True):
            row = rows[key_of(careful, person)[0]]
            held = [row[name] for name in OPTIONS]
            assert held == (["[]", "0", "0"] if limits == ("[]",) else ['["LDU"]', *limits])
        self.server.record()
        careful.apply(batch(careful, audience, people[:1], Operation.REMOVE, number=2))
        [sent] = [json.loads(each["body"])["payload"] for each in self.server.recorded("meta")]
        assert sent["schema"] == ["EMAIL", "PHONE"]

    def test_match_keys_and_limits_go_along_together(self, destination: MetaAudiences, audience: str) -> None:
        both = self.remade(limited_data_use=True)
        told = {"CT": RULES["city/latin-sha256/1"].apply("Menlo Park"), "state": "US-CA"}
        assert {*told} < {rule.column for rule in both.capabilities.along}
        self.server.record()
        both.apply(batch(both, audience, [Person("mary@quiet.shop", None, json.dumps(told)), *crowd(2)]))
        [sent] = [json.loads(each["body"])["payload"] for each in self.server.recorded("meta")]
        assert sent["schema"] == ["EMAIL", "PHONE", "CT", *OPTIONS]
        assert [row[2:] for row in sent["data"]] == [[told["CT"], ["LDU"], 1, 1000], *[["", ["LDU"], 0, 0]] * 2]

    def test_ids_of_ours_go_unhashed_and_are_enough_to_take_somebody_out(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        """A removal of which other members carry the e-mail and the phone names the id alone."""
        ours = self.remade(external_ids=True)
        people = [replace(one, external_id=f"{n:032x}") for n, one in enumerate(crowd(30))]
        assert settle(ours, batch(ours, audience, people)).accepted == 30
        assert {row["EXTERN_ID"] for row in self.members(audience)} == {one.external_id for one in people}
        gone = [Person(external_id=one.external_id) for one in people[:4]]
        assert settle(ours, batch(ours, audience, gone, Operation.REMOVE, number=2)).accepted == 4
        assert {row["EXTERN_ID"] for row in self.members(audience)} == {one.external_id for one in people[4:]}
        assert ours.forget(batch(ours, "", [Person(external_id=people[4].external_id)], Operation.REMOVE)).accepted == 1
        assert len(self.members(audience)) == 25
        receipts = ours.replace([batch(ours, audience, people[:20])])
        assert [receipt.accepted for receipt in receipts] == [20]
        assert {row["EXTERN_ID"] for row in self.members(audience)} == {one.external_id for one in people[:20]}

    def test_an_id_that_would_break_a_request_is_refused_before_anything_is_sent(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        ours = self.remade(external_ids=True)
        odd = [Person("mary@quiet.shop", external_id='1"],["'), Person(), Person("ann@quiet.shop", external_id="2")]
        receipt = settle(ours, batch(ours, audience, odd))
        assert (receipt.accepted, set(receipt.rejected.values())) == (1, {"not_an_id", "no_identifier"})
        assert [row["EXTERN_ID"] for row in self.members(audience)] == ["2"]

    def test_a_sample_names_an_id_and_not_what_it_is_part_of(self) -> None:
        """An id of digits stands within many a hash."""
        ours = MetaAudiences(ad_account="1", external_ids=True)
        rows = batch(ours, "1", [Person("mary@quiet.shop", external_id="1"), Person(external_id="7")]).rows
        named = in_samples(rows, json.dumps([["", "", "7"]]))
        assert named == {rows.column("key").to_pylist()[1]: "invalid_entry"}
        assert in_samples(rows, json.dumps([[OTHER, "", ""]])) == {}

    def test_a_full_account_says_what_to_delete(self, destination: MetaAudiences) -> None:
        self.set(audiences_per_account=0)
        with pytest.raises(ConfigError, match="code 2654.*delete some that nobody uses"):
            destination.ensure_audience("one too many")

    @pytest.mark.parametrize("sequence", [1, 2])
    def test_a_lost_answer_in_a_replacement_is_found_in_its_session(
        self, destination: MetaAudiences, audience: str, sequence: int
    ) -> None:
        """Batch 1 must not come twice, and the last one ends the session: both are looked up, neither is sent blindly."""
        parts = [batch(destination, audience, crowd(30, first=n), number=n) for n in (0, 30)]
        receipts, got = destination.replace(parts), []
        for number in (1, 2):
            if number == sequence:
                self.misbehave({"kind": "lost_response", "path_regex": "/usersreplace$", "times": 1})
            got.append(next(receipts).accepted)
        assert (got, list(receipts)) == ([30, 30], [])
        assert self.held(destination, audience) == keys_of(destination, crowd(60))

    def test_while_a_replacement_is_open_another_waits(self, destination: MetaAudiences, audience: str) -> None:
        parts = [batch(destination, audience, crowd(30, first=n), number=n) for n in (0, 30)]
        assert next(iter(destination.replace(parts))).accepted == 30
        once = self.remade(attempts=1)
        with pytest.raises(TransientError, match="still open, for 90 minutes at most"):
            next(iter(once.replace(parts)))
        with pytest.raises(TransientError, match="still open"):
            once.apply(parts[0])

    def test_a_replacement_by_nobody_is_refused_before_anything_is_sent(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        settle(destination, batch(destination, audience, crowd(3)))
        for nobody in ([], [batch(destination, audience, [])], [batch(destination, audience, [Person()])]):
            with pytest.raises(ContractError, match="delete the audience instead"):
                list(destination.replace(nobody))
        assert self.held(destination, audience) == keys_of(destination, crowd(3))

    def test_invalid_rows_of_a_replacement_are_rejected_by_key(self, destination: MetaAudiences, audience: str) -> None:
        parts = [batch(destination, audience, crowd(30, first=n), number=n) for n in (0, 30)]
        self.misbehave({"kind": "row_errors", "path_regex": "/usersreplace$", "every": 10})
        first, second = destination.replace(parts)
        assert [(one.accepted, len(one.rejected)) for one in (first, second)] == [(27, 3), (27, 3)]
        inside = {digest(key) for key in self.held(destination, audience)}
        assert inside.isdisjoint({*first.rejected, *second.rejected})

    def test_more_invalid_rows_of_a_replacement_than_are_named_end_it_for_smaller_batches(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        """Meta samples 100 of a request; the session is ended all the same, or what came would be the audience in an hour."""
        self.misbehave({"kind": "row_errors", "path_regex": "/usersreplace$", "every": 2})
        receipts = destination.replace([batch(destination, audience, crowd(300))])
        next(receipts)
        with pytest.raises(RejectedRecords, match="50 rows.*smaller batches"):
            next(receipts)
        assert len(self.held(destination, audience)) == 150

    def test_a_removal_that_would_leave_too_few_is_final_and_tried_once(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        """Meta refuses it for good (1870047): a retry would go on for ever."""
        self.set(minimum_people=20)
        people = crowd(21)
        settle(destination, batch(destination, audience, people))
        receipt = destination.apply(batch(destination, audience, people[:5], Operation.REMOVE, number=2))
        assert (receipt.accepted, set(receipt.rejected.values()), receipt.requests) == (0, {"too_few_left"}, 1)
        assert set(receipt.rejected) == {digest(key_of(destination, person)) for person in people[:5]}
        assert self.held(destination, audience) == keys_of(destination, people)

    def test_a_flagged_audience_is_a_persons_work(self, destination: MetaAudiences) -> None:
        audience = destination.ensure_audience("flagged")
        self.server.control("POST", f"/meta/lists/{audience}", {"operation": 471})
        with pytest.raises(ConfigError, match="review its name in Ads Manager"):
            destination.ensure_audience("flagged")
        with pytest.raises(ConfigError, match="review its name in Ads Manager"):
            destination.apply(batch(destination, audience, crowd(3)))

    def test_a_row_refused_without_being_named_is_found_by_splitting(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        """The batch is refused for splitting, down to the row alone, which is then rejected."""
        people = crowd(4)
        self.set(poison=[key_of(destination, people[2])[0]])
        with pytest.raises(RejectedRecords) as caught:
            destination.apply(batch(destination, audience, people))
        assert caught.value.rows == {}
        receipt = destination.apply(batch(destination, audience, people[2:3]))
        assert (receipt.accepted, set(receipt.rejected.values())) == (0, {"invalid_parameter"})

    @pytest.mark.parametrize("form", ["list", "map"])
    def test_rows_called_invalid_are_rejected_by_key(
        self, destination: MetaAudiences, audience: str, form: str
    ) -> None:
        self.set(samples_form=form)
        self.misbehave({"kind": "row_errors", "path_regex": "/users$", "every": 10, "times": 1})
        receipt = destination.apply(batch(destination, audience, crowd(30)))
        assert (receipt.accepted, set(receipt.rejected.values()), len(receipt.rejected)) == (27, {"invalid_entry"}, 3)
        inside = {digest(key) for key in self.held(destination, audience)}
        assert inside.isdisjoint(receipt.rejected)

    def test_an_ended_version_names_the_setting(self) -> None:
        with pytest.raises(ConfigError, match="set a newer `version`"):
            self.remade(version="v19.0", attempts=1).check()

    def test_the_limit_of_the_account_waits_as_long_as_meta_says(self, audience: str) -> None:
        """Meta has no Retry-After: the business-use-case header counts minutes."""
        once = self.remade(attempts=1)
        self.misbehave({"kind": "429", "times": 1, "seconds": 120})
        with pytest.raises(TransientError) as caught:
            once.apply(batch(once, audience, crowd(2)))
        assert caught.value.retry_after == 120


OFFLINE = MetaAudiences(ad_account="1")


@pytest.mark.parametrize(
    ("code", "subcode", "to_do"),
    [
        (2663, None, "accept them at facebook.com/ads/manage/customaudiences/tos"),
        (2655, None, "accept them at"),
        (200, 1870034, "accept them at"),
        (3, None, "give it access to the Marketing API and the permission ads_management"),
        (2654, 1713092, "delete some that nobody uses"),
        (2635, None, "set a newer `version`"),
        (190, 463, "renew META_ACCESS_TOKEN"),
        (100, 33, "META_ACCESS_TOKEN may not use it"),
    ],
)
def test_what_only_a_person_can_mend_says_how(code: int, subcode: int | None, to_do: str) -> None:
    """Codes as people report them from the vendor's SDKs; none is tried again."""
    body = {"error": {"code": code, "error_subcode": subcode, "message": "(#1) no", "is_transient": False}}
    error = OFFLINE._refused(Response(400, {}, json.dumps(body).encode()))
    assert isinstance(error, ConfigError)
    assert to_do in str(error)


@pytest.mark.parametrize(
    ("body", "error"),
    [({"num_received": "2"}, TransientError), ({}, ContractError), ({"num_received": "x"}, ContractError)],
)
def test_an_answer_that_counts_fewer_rows_is_no_success(body: dict[str, Any], error: type[Exception]) -> None:
    rows = batch(OFFLINE, "1", crowd(3)).rows
    with pytest.raises(error):
        OFFLINE._invalid(body, rows)
    assert OFFLINE._invalid({"num_received": 3, "num_invalid_entries": 0}, rows) == {}


def test_a_session_is_the_batchs_own() -> None:
    first, second = (batch(OFFLINE, "7", crowd(2), number=n) for n in (1, 2))
    sessions = [json.loads(body_of(b.rows, session_of(b)))["session"] for b in (first, first, second)]
    assert sessions[0] == sessions[1]
    session, another = sessions[0].pop("session_id"), sessions[2]["session_id"]
    assert session != another
    assert 0 < session < 2**63
    assert sessions[0] == {"batch_seq": 1, "last_batch_flag": True, "estimated_num_total": 2}
