"""The suite of destinations whose vendor has a module in the sandbox: the general one, and what a network adds to it."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, ClassVar, Final

import pytest

from segment_pipeline.connector import fields_of, value
from segment_pipeline.delivery.destination import Destination, Operation
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.testing import DestinationContract
from segment_pipeline.testing.batches import (
    Key,
    Person,
    batch,
    counts,
    crowd,
    digest,
    keys_of,
    settle,
    settle_again,
)
from segment_pipeline_tests.contracts.published import Schema, published
from segment_pipeline_tests.sandbox.source_world import specs_at_hand

MANY: Final = 12_000


class SandboxDestinationContract(DestinationContract):
    """Properties of a destination across a network, whose vendor the sandbox plays."""

    vendor: ClassVar[str]
    """The vendor's name in the sandbox."""
    connector: ClassVar[type[Any]]
    given: ClassVar[Mapping[str, Any]]
    """Fields the sandbox takes; its address is added."""
    created: ClassVar[str]
    applied: ClassVar[str]
    """Regular expressions of the paths that make an audience, and that carry rows."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """The sandbox vendor's own settings."""
    alike: ClassVar[Collection[str]] = ()
    """Methods of the requests in which the vendor's SDK and the connector are to agree to the letter."""
    published: ClassVar[str] = ""
    """What the vendor has published: a file of the folder of vendors' schemas. Every request, and every answer, is one of its."""
    besides: ClassVar[Mapping[str, Schema]] = {}
    """What the vendor's pages show and its document lacks: more properties of the objects that stand in a property of this name."""
    undescribed: ClassVar[str] = ""
    """Which calls (`METHOD /path`, a regular expression) the file was cut without, and are not held to it."""
    unpublished: ClassVar[str] = ""
    """Why there is no such file."""
    no_sdk: ClassVar[str] = ""
    """Why no SDK of the vendor's can put people into an audience: the test by it is not collected."""
    server: SandboxServer

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        assert bool(cls.published) != bool(cls.unpublished), "what the vendor published, or why there is nothing"
        if cls.no_sdk:
            cls.test_the_vendors_own_sdk_leaves_the_same_state = None  # type: ignore[assignment, method-assign]

    @pytest.fixture(scope="class")
    @classmethod
    def _running(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
        with SandboxServer(tmp_path_factory.mktemp(cls.vendor), vendors=[cls.vendor]) as running:
            running.control("PUT", f"/{cls.vendor}/settings", dict(cls.settings))
            yield running

    @pytest.fixture(autouse=True)
    def _well_behaved(self, _running: SandboxServer) -> Iterator[None]:
        self.server = _running
        before = self.control("settings")
        self.open = ExitStack()
        _running.record(limit=5_000)
        with self.open:
            yield
        asked = _running.recorded(self.vendor)
        _running.clear_faults()
        _running.record(on=False)
        self.set(**before)
        assert sorted({why for each in asked for why in self.wrong(each)}) == []

    @pytest.fixture
    def destination(self, _well_behaved: None) -> Destination:
        made: Destination = self.remade()
        return made

    def remade(self, **changes: Any) -> Any:
        """The destination with other fields."""
        made = self.connector(**{"base_url": f"{self.server.base_url}/{self.vendor}", **self.given, **changes})
        self.open.callback(made.close)
        return made

    def control(self, path: str) -> Any:
        return self.server.control("GET", f"/{self.vendor}/{path}")

    def members(self, remote_id: str) -> list[dict[str, Any]]:
        """What the other side holds of everybody in the audience, their ids there included."""
        listed: list[dict[str, Any]] = self.control(f"lists/{remote_id}")["members"]
        return listed

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        columns = [rule.column for rule in destination.capabilities.identifiers]
        return {tuple(member.get(column) for column in columns) for member in self.members(remote_id)}

    def recorded(self, path: str = "") -> list[dict[str, Any]]:
        """The requests recorded to paths that end so."""
        return [one for one in self.server.recorded(self.vendor) if one["path"].endswith(path)]

    def sent(self, path: str = "") -> list[Any]:
        """The JSON those carried that carried any."""
        return [json.loads(one["body"]) for one in self.recorded(path) if one["body"]]

    def set(self, **settings: Any) -> None:
        """Settings of the sandbox's vendor, in force until the test ends."""
        self.server.control("PUT", f"/{self.vendor}/settings", settings)

    def lapse(self, destination: Destination) -> None:
        self.server.set_clock(self.server.clock() + timedelta(hours=2))

    def misbehave(self, *rules: Mapping[str, object]) -> None:
        """Faults of the other side, in force until the test ends."""
        self.server.faults([{"vendor": self.vendor, **rule} for rule in rules])

    def wrong(self, recorded: Mapping[str, Any]) -> Iterable[str]:
        """What of a recorded request and its answer the vendor does not describe; nothing where its document is not at hand."""
        undescribed = re.fullmatch(self.undescribed, f"{recorded['method']} {self.asked(recorded['path'])}")
        if not self.published or not specs_at_hand() or undescribed:
            return ()
        return published(self.published, self.besides).wrong(recorded, self.asked(recorded["path"]))

    def asked(self, path: str) -> str:
        """The path of a request as the vendor's document has it."""
        return path.removeprefix(f"/{self.vendor}")

    def test_what_the_vendor_published_is_at_hand(self) -> None:
        """Then each test here, at its end, holds what was asked and answered in it against that."""
        if self.published:
            assert published(self.published, self.besides).document["paths"]

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        """The audience that the vendor's own SDK makes, puts people into and takes some of them out of."""
        raise NotImplementedError

    def test_the_vendors_own_sdk_leaves_the_same_state(self, destination: Destination, audience: str) -> None:
        """The same people through the vendor's SDK and through us: the same members, by the same requests where they can be."""
        people = [Person(f"shopper{i}@quiet.shop", f"+1415555{i:04d}", user_id=f"user-{i}") for i in range(40)]
        self.server.record()
        theirs = self.by_sdk(people, people[:5])
        by_sdk = self._sent(theirs)
        self.server.record()
        ids = settle(destination, batch(destination, audience, people)).vendor_ids
        settle(destination, batch(destination, audience, people[:5], Operation.REMOVE, number=2, vendor_ids=ids))
        assert self.held(destination, audience) == self.held(destination, theirs) == keys_of(destination, people[5:])
        assert self.members(audience) == self.members(theirs)
        assert self._sent(audience) == by_sdk

    def _sent(self, audience: str) -> list[Any]:
        """Requests recorded about an audience, by the methods that are alike."""
        sent = []
        for each in self.server.recorded(self.vendor):
            if each["method"] in self.alike and audience in each["path"] + each["body"]:
                headers = {name: held for name, held in each["headers"].items() if name not in ("user-agent", "accept")}
                body = json.loads(each["body"].replace(audience, "A"))
                sent.append((each["method"], each["path"].replace(audience, "A"), each["query"], headers, body))
        return sent

    @pytest.mark.parametrize("given", ["wrong", ""])
    def test_wrong_credentials_name_their_variable(self, destination: Destination, given: str) -> None:
        """A person must act, and the message says on what."""
        for name, variable in fields_of(destination).items():
            if variable.secret and (given or not variable.optional):
                with pytest.raises(ConfigError, match=variable.name):
                    self.remade(**{name: given}).check()

    def test_a_missing_field_is_seen_offline(self) -> None:
        """Without an address that answers, the first variable that has no default and is missing is named."""
        for name, variable in fields_of(self.connector).items():
            if not variable.optional and not variable.default:
                with pytest.raises(ConfigError, match=f"{variable.name} is not set"):
                    self.remade(**{"base_url": "http://127.0.0.1:9", name: ""}).secrets_present()

    @pytest.mark.parametrize("operation", list(Operation))
    def test_credentials_that_end_in_mid_run_name_their_variable(
        self, destination: Destination, audience: str, operation: Operation
    ) -> None:
        """What was taken before stays, a person is told what to renew, and once it is renewed the same batch goes on."""
        people = crowd(20)
        settle(destination, batch(destination, audience, people[:10]))
        work = batch(
            destination, audience, people[10:] if operation is Operation.UPSERT else people[:5], operation, number=2
        )
        self.misbehave({"kind": "expired_token"})
        secrets = [variable.name for variable in fields_of(destination).values() if variable.secret]
        with pytest.raises(ConfigError, match="|".join(secrets)):
            settle(destination, work)
        assert self.held(destination, audience) == keys_of(destination, people[:10])
        self.server.clear_faults()
        renewed = self.remade()
        assert settle(renewed, work).accepted == work.rows.num_rows
        left = people if operation is Operation.UPSERT else people[5:10]
        assert self.held(destination, audience) == keys_of(destination, left)

    def test_an_audience_renamed_over_there_is_still_ours(self, destination: Destination, audience: str) -> None:
        """It is known by its id: what somebody else calls it costs nobody their place."""
        settle(destination, batch(destination, audience, crowd(30)))
        self.server.control("POST", f"/{self.vendor}/lists/{audience}", {"name": "Spring campaign"})
        settle(destination, batch(destination, audience, crowd(10, first=30), number=2))
        settle(destination, batch(destination, audience, crowd(5), Operation.REMOVE, number=3))
        assert self.held(destination, audience) == keys_of(destination, crowd(35, first=5))
        assert counts(destination, audience) in (None, 35)

    def test_an_audience_deleted_over_there_is_told(self, destination: Destination, audience: str) -> None:
        """Neither made anew without a word, nor taken for empty: whoever syncs is told to resend."""
        settle(destination, batch(destination, audience, crowd(10)))
        self.server.control("DELETE", f"/{self.vendor}/lists/{audience}")
        with pytest.raises((ConfigError, ContractError)):
            settle(destination, batch(destination, audience, crowd(5, first=20), number=2))

    def test_one_of_many_audiences_is_found(self, destination: Destination) -> None:
        """In an account with thousands of lists an audience is found again, whatever page it is on, and others are left alone."""
        first = destination.ensure_audience("before the many")
        known = {one["id"] for one in self.control("lists")}
        others = [f"somebody else's {n}" for n in range(MANY)]
        self.server.control("POST", f"/{self.vendor}/lists", {"like": first, "names": others})
        last = destination.ensure_audience("after the many")
        assert destination.ensure_audience("before the many") == first
        assert destination.ensure_audience("after the many") == last
        made = [one["id"] for one in self.control("lists") if one["id"] not in known]
        assert len(made) == MANY + 1
        self.server.control("DELETE", f"/{self.vendor}/lists", {"ids": made})

    def test_a_lost_answer_to_a_creation_makes_no_second_audience(self, destination: Destination) -> None:
        """What was made without our hearing of it is found, not made again."""
        self.misbehave({"kind": "lost_response", "method": "POST", "path_regex": self.created, "times": 1})
        first = destination.ensure_audience("made unheard")
        assert destination.ensure_audience("made unheard") == first
        names = {one["id"]: one["name"] for one in self.control("lists")}
        assert list(names.values()).count(names[first]) == 1

    @pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "lost_response", "truncated"])
    @pytest.mark.parametrize("operation", list(Operation))
    def test_a_passing_fault_is_survived(
        self, destination: Destination, audience: str, kind: str, operation: Operation
    ) -> None:
        """Each kind of fault, once, on the call that carries rows: the end is as without it."""
        people = crowd(40)
        if operation is Operation.REMOVE:
            settle(destination, batch(destination, audience, people))
        self.misbehave({"kind": kind, "path_regex": self.applied, "times": 1})
        work = batch(
            destination, audience, people[:10] if operation is Operation.REMOVE else people, operation, number=2
        )
        assert settle_again(destination, work).accepted == work.rows.num_rows
        left = people[10:] if operation is Operation.REMOVE else people
        assert self.held(destination, audience) == keys_of(destination, left)

    def test_mixed_faults_on_a_fifth_of_all_requests_change_nothing(
        self, destination: Destination, audience: str
    ) -> None:
        """Limits, server errors, dead connections and cut answers at random: batches end right, in any order of pain."""
        people = crowd(300)
        kinds = ("429", "500", "503", "reset", "lost_response", "truncated")
        self.misbehave(*({"kind": kind, "rate": 0.2 / len(kinds), "seed": n} for n, kind in enumerate(kinds)))
        for number in range(10):
            part = people[number * 30 : number * 30 + 30]
            assert settle_again(destination, batch(destination, audience, part, number=number)).accepted == 30
        for number in range(5):
            part = people[number * 20 : number * 20 + 20]
            gone = batch(destination, audience, part, Operation.REMOVE, number=10 + number)
            assert settle_again(destination, gone).accepted == 20
        assert self.held(destination, audience) == keys_of(destination, people[100:])

    def test_a_lasting_fault_says_whether_rows_may_have_arrived(self, destination: Destination, audience: str) -> None:
        """A connection that dies after the work is `sent`; a limit that lets nothing in is not."""
        once = self.remade(attempts=1)
        work = batch(once, audience, crowd(5))
        self.misbehave({"kind": "429", "path_regex": self.applied, "times": 1})
        with pytest.raises(TransientError) as limited:
            once.apply(work)
        self.misbehave({"kind": "lost_response", "path_regex": self.applied, "times": 1})
        with pytest.raises(TransientError) as lost:
            once.apply(work)
        assert (limited.value.sent, lost.value.sent) == (False, True)
        assert settle(destination, work).accepted == 5

    def test_a_partial_failure_is_told_row_by_row_or_not_at_all(self, destination: Destination, audience: str) -> None:
        """Rows the vendor fails are rejected by key, or the batch is refused for splitting; never counted as accepted."""
        people = crowd(40)
        self.misbehave({"kind": "row_errors", "path_regex": self.applied, "every": 10, "times": 1})
        work = batch(destination, audience, people)
        try:
            receipt = settle(destination, work)
        except RejectedRecords as error:
            assert all(0 <= position < 40 for position in error.rows)
            return
        assert receipt.accepted + len(receipt.rejected) == 40
        assert receipt.rejected
        inside = {digest(key) for key in self.held(destination, audience)}
        assert inside.isdisjoint(receipt.rejected)
        assert len(inside) == receipt.accepted

    @pytest.mark.parametrize(
        "kind", ["429", "500", "503", "reset", "lost_response", "truncated", "expired_token", "row_errors"]
    )
    def test_no_error_or_log_holds_a_person_or_a_secret(
        self, destination: Destination, audience: str, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Failures injected on purpose, at the most talkative log level: no identifier as sent, no credential."""
        caplog.set_level("DEBUG")
        once = self.remade(attempts=1)
        people = crowd(12)
        self.misbehave({"kind": kind})
        said = [repr(once)]
        for call in (
            lambda: once.check(),
            lambda: once.ensure_audience("nobody"),
            lambda: settle(once, batch(once, audience, people)),
            lambda: settle(once, batch(once, audience, people, Operation.REMOVE)),
            lambda: counts(once, audience),
        ):
            try:
                said.append(repr(call()))
            except SegmentPipelineError as error:
                said += [str(error), repr(error.__cause__), repr(error.__context__)]
        text = " ".join(said) + caplog.text
        private = [part for key in keys_of(once, people) for part in key if part]
        private += [value(once, name) for name, variable in fields_of(once).items() if variable.secret]
        assert [word for word in private if word in text] == []
