"""The signed webhook: the contract over real HTTP, what its receiver may answer, and Standard Webhooks' own library as the oracle."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import AudienceGone, Batch, Operation
from segment_pipeline.destinations.webhook.connector import SignedWebhook
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.http import Response
from segment_pipeline.sandbox.vendors.webhook.vendor import PREVIOUS, SECRET
from segment_pipeline.testing.batches import Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

OTHER = "whsec_YW5vdGhlci1zZWNyZXQtdGhhdC1ub2JvZHkta25vd3M="
OPERATING = Path(__file__).parent.parent.parent / "segment_pipeline/docs/operating.md"


class TestSignedWebhook(SandboxDestinationContract):
    vendor, connector = "webhook", SignedWebhook
    given = {"signing_secret": SECRET, "next_secret": OTHER, "header": "X-Api-Key: sandbox-gateway-key"}
    settings = {"header": {"X-Api-Key": "sandbox-gateway-key"}}
    unpublished = "the form of its messages is ours: the receiver in the sandbox takes no other"
    created, applied = "/audiences$", "/audiences$"

    @property
    def url(self) -> str:
        return f"{self.server.base_url}/webhook/audiences"

    def remade(self, **changes: Any) -> Any:
        return super().remade(**{"base_url": self.url, **changes})

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        """Signed by the library the scheme's authors publish, and posted by hand."""
        said: list[dict[str, Any]] = [{"operation": "open", "audience": "by sdk"}]
        nothing: dict[str, Any] = {"attributes": {}}
        for operation, some, more in (("upsert", people, nothing), ("remove", gone, {})):
            about = {"operation": operation, "audience": "by sdk", "plan": "1", "batch": 1}
            members = [{"key": digest((p.email, p.phone)), "email": p.email, "phone": p.phone, **more} for p in some]
            said.append({**about, "members": members})
        for number, message in enumerate(said):
            body, at = json.dumps(message), datetime.now(UTC)
            signed = Webhook(SECRET).sign(f"msg_{number}", at, body)
            headers = {"webhook-id": f"msg_{number}", "webhook-timestamp": str(int(at.timestamp()))}
            gateway = {"webhook-signature": signed, "X-Api-Key": "sandbox-gateway-key"}
            requests.post(self.url, body, headers={**headers, **gateway}, timeout=30).raise_for_status()
        return "by sdk"

    def test_every_request_is_verified_by_the_schemes_own_library_and_by_either_secret(
        self, destination: SignedWebhook, audience: str
    ) -> None:
        self.server.record()
        destination.check()
        destination.ensure_audience("zoë 🎁")
        people = [Person("josé@quiet.shop", "+442071838750", '{"city": "Köln \\u2028"}'), *crowd(3)]
        settle(destination, batch(destination, audience, people))
        settle(destination, batch(destination, audience, people[:1], Operation.REMOVE, number=2))
        assert destination.forget(batch(destination, "", people[:1])).accepted == 1
        for secret in (SECRET, OTHER):
            said = [Webhook(secret).verify(each["body"], each["headers"])["operation"] for each in self.recorded()]
            assert said == ["ping", "open", "upsert", "remove", "forget"]

    def test_what_is_sent_is_what_the_docs_say(self, destination: SignedWebhook, audience: str) -> None:
        self.server.record()
        ann = Person("ann@quiet.shop", None, '{"tier": "top", "orders": 3, "left": null}')
        work = batch(destination, audience, [ann])
        settle(destination, work)
        settle(destination, batch(destination, audience, [ann], Operation.REMOVE, number=2))
        told = {"tier": "top", "orders": 3, "left": None}
        member, about = (
            {"key": digest(key_of(destination, ann)), "email": ann.email},
            {"audience": audience, "plan": work.plan},
        )
        added, removed = self.sent()
        assert added == {"operation": "upsert", **about, "batch": 1, "members": [{**member, "attributes": told}]}
        assert removed == {"operation": "remove", **about, "batch": 2, "members": [member]}

    def test_the_five_lines_of_the_docs_verify_a_request(self, destination: SignedWebhook) -> None:
        """And nothing that was changed, is old, or is signed by somebody else."""
        blocks = re.findall(r"^```python\n(.*?)^```", OPERATING.read_text(), re.DOTALL | re.MULTILINE)
        [code] = [block for block in blocks if "webhook-signature" in block]
        names: dict[str, Any] = {}
        exec(compile(code, "operating.md", "exec"), names)
        verified = names["verified"]
        self.server.record()
        destination.check()
        [ping] = self.recorded()
        headers, body = ping["headers"], ping["body"].encode()
        assert verified(SECRET, headers, body)
        assert verified(OTHER, headers, body)
        old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
        for secret, told, content in ((PREVIOUS, headers, body), (SECRET, headers, body + b" "), (SECRET, old, body)):
            assert not verified(secret, told, content)

    def test_a_batch_has_one_id_however_often_it_is_sent_and_a_part_of_it_another(
        self, destination: SignedWebhook, audience: str
    ) -> None:
        """The receiver goes by it, and would take halves of a batch for the batch it has."""
        people = crowd(8)
        self.server.record()
        self.misbehave({"kind": "lost_response", "times": 1})
        work = batch(destination, audience, people)
        settle(destination, work)
        settle(destination, work)
        settle(destination, Batch(work.plan, work.number, work.operation, audience, work.rows.slice(0, 4)))
        ids = [each["headers"]["webhook-id"] for each in self.recorded()]
        assert (len(ids), ids[0], ids[1], len(set(ids))) == (4, ids[1], ids[2], 2)

    def test_a_new_secret_is_brought_out_without_a_gap(self, audience: str) -> None:
        both = self.remade(signing_secret=PREVIOUS, next_secret=SECRET)
        for previous in (True, False):
            self.set(previous=previous)
            both.check()
        self.remade(signing_secret=SECRET.rstrip("="), next_secret="").check()
        self.set(previous=True)
        with pytest.raises(ConfigError, match="WEBHOOK_SECRET"):
            self.remade(signing_secret=SECRET, next_secret="").check()

    def test_the_address_is_used_to_the_letter(self) -> None:
        """Where the query says who may post, as many hosts of functions have it."""
        self.server.record()
        self.remade(base_url=f"{self.url}?code=a1").check()
        assert [(each["path"], each["query"]) for each in self.recorded()] == [("/webhook/audiences", [["code", "a1"]])]

    def test_a_clock_that_is_six_minutes_off_is_named(self, destination: SignedWebhook) -> None:
        now = self.server.clock()
        self.server.set_clock(now + timedelta(minutes=6))
        with pytest.raises(
            ConfigError, match="HTTP 401.*WEBHOOK_SECRET, WEBHOOK_NEXT_SECRET, WEBHOOK_HEADER and both clocks"
        ):
            destination.check()
        self.server.set_clock(now)

    @pytest.mark.parametrize("answers", ["json", "text", "nothing"])
    def test_any_answer_of_success_is_one(self, destination: SignedWebhook, audience: str, answers: str) -> None:
        self.set(answers=answers)
        destination.check()
        assert settle(destination, batch(destination, audience, crowd(3))).accepted == 3

    def test_a_batch_that_is_too_large_there_goes_in_halves(self, destination: SignedWebhook, audience: str) -> None:
        self.set(largest_rows=3)
        assert self.in_parts(batch(destination, audience, crowd(10)), destination) == ({}, 7)
        assert self.held(destination, audience) == keys_of(destination, crowd(10))
        self.set(largest_rows=0)
        rejected, _ = self.in_parts(batch(destination, audience, crowd(1), number=2), destination)
        assert set(rejected.values()) == {"too_large"}

    @pytest.mark.parametrize(("form", "most"), [("row", 1), ("refuses", 2), ("unnamed", 2 * 10 + 2)])
    def test_one_bad_row_costs_nobody_else_their_place(
        self, destination: SignedWebhook, audience: str, form: str, most: int
    ) -> None:
        people = crowd(1000)
        self.set(poison=[people[700].email], poison_form=form)
        rejected, asked = self.in_parts(batch(destination, audience, people), destination)
        assert list(rejected) == [digest(key_of(destination, people[700]))]
        assert set(rejected.values()) == {"refused" if form == "unnamed" else "bad_email"}
        assert self.held(destination, audience) == keys_of(destination, people[:700] + people[701:])
        assert asked <= most

    def in_parts(self, work: Batch, destination: SignedWebhook) -> tuple[dict[str, str], int]:
        """What the push does with a refusal: who was rejected, and how many requests it took."""
        try:
            receipt = destination.apply(work)
        except RejectedRecords as refusal:
            rejected, parts = bodies.apart(work.rows, refusal)
            asked = 1
            for part in parts:
                more, cost = self.in_parts(
                    Batch(work.plan, work.number, work.operation, work.remote_id, part), destination
                )
                rejected, asked = rejected | more, asked + cost
            return rejected, asked
        return dict(receipt.rejected), receipt.requests

    @pytest.mark.parametrize("kind", ["429", "503"])
    def test_it_waits_as_long_as_it_is_told(self, audience: str, kind: str) -> None:
        once = self.remade(attempts=1)
        self.misbehave({"kind": kind, "times": 1, "seconds": 70})
        with pytest.raises(TransientError) as caught:
            once.apply(batch(once, audience, crowd(2)))
        assert caught.value.retry_after == 70

    def test_an_audience_that_is_gone_there_is_opened_again(self, destination: SignedWebhook) -> None:
        """And an `open` is never taken for one of before."""
        with pytest.raises(AudienceGone, match="resend"):
            destination.apply(batch(destination, "gone", crowd(2)))
        self.server.record()
        assert destination.ensure_audience("gone") == destination.ensure_audience("gone") == "gone"
        assert len({each["headers"]["webhook-id"] for each in self.recorded()}) == 2
        assert destination.apply(batch(destination, "gone", crowd(2))).accepted == 2

    def test_members_by_hash_and_by_an_id_of_ours(self, audience: str) -> None:
        hashed = self.remade(identifiers=["external_id", "email"], form="sha256")
        people = [Person("ann@quiet.shop", external_id="0123"), Person("ben@quiet.shop")]
        assert settle(hashed, batch(hashed, audience, people)).accepted == 2
        assert self.held(hashed, audience) == keys_of(hashed, people)
        assert "quiet.shop" not in json.dumps(self.members(audience))

    def test_members_by_the_ids_of_your_own_users(self, audience: str) -> None:
        """Somebody may have several: each is a member."""
        by_id = self.remade(identifiers=["user_id:shop"])
        assert by_id.capabilities.every
        assert settle(by_id, batch(by_id, audience, crowd(3))).accepted == 3
        assert [set(member) for member in self.members(audience)] == [{"id", "key", "user_id", "attributes"}] * 3


OFFLINE = SignedWebhook(signing_secret=SECRET, base_url="https://hooks.quiet.shop/a?code=1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": "http://hooks.quiet.shop/a"}, "WEBHOOK_URL is no https address"),
        ({"base_url": "hooks"}, "WEBHOOK_URL is no https address"),
        ({"signing_secret": "whsec_c2hvcnQ="}, "WEBHOOK_SECRET is no secret to sign by: make one with"),
        ({"signing_secret": SECRET.removeprefix("whsec_")}, "WEBHOOK_SECRET is no secret"),
        ({"next_secret": "whsec_?"}, "WEBHOOK_NEXT_SECRET is no secret"),
        ({"header": "abc"}, "WEBHOOK_HEADER is no header"),
        ({"header": "X Key: abc"}, "WEBHOOK_HEADER is no header"),
        ({"header": "X-Key: a\nX-Other: b"}, "WEBHOOK_HEADER is no header"),
    ],
)
def test_what_is_set_wrongly_is_seen_offline(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        SignedWebhook(**{"signing_secret": SECRET, "base_url": OFFLINE.base_url, **changes}).secrets_present()


@pytest.mark.parametrize(
    "changes", [{"identifiers": []}, {"identifiers": ["email", "email"]}, {"identifiers": ["name"]}, {"batch_rows": 0}]
)
def test_what_cannot_be_declared_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SignedWebhook(**changes)


@pytest.mark.parametrize(
    ("status", "body", "rejected"),
    [
        (200, b"", {}),
        (200, b'"ok"', {}),
        (200, b'{"took": 2}', {}),
        (202, b'{"rejected": {"a": "no_such_country"}}', {"a": "no_such_country"}),
        (207, b'{"rejected": {"a": "ann@quiet.shop is odd"}}', {"a": "unknown"}),
        (207, b'{"took": 1}', None),
        (207, b"", None),
        (200, b'{"rejected": ["a"]}', None),
        (200, b'{"rejected": {"c": "who"}}', None),
        (200, b'{"rejected"', None),
    ],
)
def test_an_answer_names_whom_it_did_not_take_or_says_nothing_of_rows(
    status: int, body: bytes, rejected: dict[str, str] | None
) -> None:
    """What may have left somebody out and does not tell whom is no success."""
    answer = Response(status, {"content-type": "application/json; charset=utf-8"}, body)
    if rejected is None:
        with pytest.raises(ContractError):
            OFFLINE._rejected(answer, ["a", "b"])
    else:
        assert OFFLINE._rejected(answer, ["a", "b"]) == rejected


@pytest.mark.parametrize(
    ("status", "kind"), [(200, None), (301, ConfigError), (308, ConfigError), (404, ConfigError), (500, None)]
)
def test_an_address_that_takes_no_posts_names_its_variable(status: int, kind: type[Exception] | None) -> None:
    error = OFFLINE._refused(Response(status, {}, b""))
    assert error is None if kind is None else isinstance(error, kind)
    assert kind is None or "check WEBHOOK_URL" in str(error)
