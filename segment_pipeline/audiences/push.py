"""Sends a plan: each batch attempted in the ledger before it leaves and ended by a receipt, whatever the vendor does.

Delivery is at-least-once. What was sent and never answered is `uncertain`, what never left is `unsent`; both are the next
diff's business. Decides nothing about who is in an audience.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Semaphore
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from segment_pipeline import clock
from segment_pipeline.audiences.lease import Lease, kept
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.plan import Plan, PlannedBatch, batch_numbers
from segment_pipeline.delivery import bodies, jobs
from segment_pipeline.delivery.destination import Asynchronous, Batch, Destination, Operation, Receipt, Replaceable
from segment_pipeline.errors import ContractError, RejectedRecords, TransientError
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import trusted

ATTEMPTS = 8
LONGEST_WAIT = 60.0
SPLIT = 1_000_000  # parts of a split batch are numbered from here, so that no vendor takes one for its whole
HOPELESS = 30  # members of a batch refused one by one, and nobody taken: no member is to blame,
LARGE = 300  # where so many are in it; fewer may be those that were refused before, and be asked for one by one
WITHHELD = "withheld"
REKEYED_PHASE = 4

T = TypeVar("T")
Recheck = Callable[[pa.Table], frozenset[str]]
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Delivery:
    """What is known of one batch or a part of it. `state`: final, uncertain or unsent."""

    state: str = "final"
    requests: int = 0
    rejected: dict[str, str] = field(default_factory=dict)
    vendor_ids: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None

    def join(self, other: "Delivery") -> None:
        """Parts make a whole: it is final when all of them are, and unsent only when nothing left."""
        if self.state != other.state:
            self.state = "uncertain"
        self.requests += other.requests
        self.rejected.update(other.rejected)
        self.vendor_ids.update(other.vendor_ids)
        self.trouble = self.trouble or other.trouble


@dataclass(slots=True)
class Parts:
    """How a batch fares that may be sent in parts. `alone`: members refused by themselves; `taken`: somebody was taken; `given_up`:
    what was left of it is not sent.
    """

    planned: PlannedBatch
    rows: int
    made: int = 0
    alone: int = 0
    taken: bool = False
    given_up: bool = False

    @property
    def hopeless(self) -> bool:
        """Whatever the tool refuses the batch for, it is none of its members: to go on would take two requests for each of them."""
        return self.rows >= LARGE and not self.taken and self.alone >= HOPELESS

    def next_number(self) -> int:
        self.made += 1
        return self.planned.number + SPLIT * self.made


def patiently(call: Callable[[], T]) -> T:
    """Repeat a call the vendor was too busy for; raises its last TransientError."""
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except TransientError as error:
            if attempt + 1 == ATTEMPTS:
                raise
            _pause(attempt, error)
    raise AssertionError("unreachable: the last attempt raises")


def _pause(attempt: int, error: TransientError) -> None:
    ours = 0.5 * 2**attempt
    clock.sleep(min(LONGEST_WAIT, max(ours, error.retry_after or ours)))


class Push:
    """One plan on its way to one remote audience. `recheck` names keys that may no longer be sent; asked once a plan is old."""

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        plan: Plan,
        destination: Destination,
        remote_id: str,
        *,
        recheck: Recheck | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.ledger, self.lease, self.plan = ledger, lease, plan
        self.destination, self.remote_id = destination, remote_id
        self.recheck, self.progress = recheck, progress
        self.unsettled = False
        self.troubles: list[str] = []
        self._room = Semaphore(max(1, destination.capabilities.parallel))
        self._done = 0

    def run(self, session: Session) -> None:
        """Send every batch, phase by phase. Raises ConfigError or ConflictError, what is under way then ends as uncertain."""
        session.scan("plan_rows", partitions={"audience": [self.plan.audience], "digest": [self.plan.digest]})
        for phase, planned in batch_numbers(self.plan.batches).items():
            if phase == REKEYED_PHASE and self.unsettled:
                # The keys that take their place are not confirmed: the next run removes them.
                break
            self._phase(session, planned)

    def replace(self, session: Session, tool: Replaceable) -> None:
        """Send the whole plan as what the audience is to hold, in the place of whatever it holds: all of it counts, or nothing."""
        session.scan("plan_rows", partitions={"audience": [self.plan.audience], "digest": [self.plan.digest]})
        planned = [batch for phase in batch_numbers(self.plan.batches).values() for batch in phase]
        with self.ledger.transaction() as connection:
            self.lease.renew(connection)
            for batch in planned:
                self.ledger.attempt(connection, self.plan.digest, batch.number, self.lease.token)
        batches = [
            Batch(self.plan.digest, batch.number, batch.operation, self.remote_id, rows)
            for batch, rows in self._contents(session, planned)
        ]
        with kept(self.ledger, self.lease):
            receipts = patiently(lambda: list(tool.replace(batches)))
        if len(receipts) != len(batches):
            raise ContractError(f"{self.destination.name} answered for {len(receipts)} of {len(batches)} batches")
        with self.ledger.transaction() as connection:
            self.lease.renew(connection)
            for sent, receipt in zip(batches, receipts, strict=True):
                self.ledger.receive(connection, self.plan.digest, sent.number, "final", self._sound(receipt, sent))

    def _phase(self, session: Session, planned: Sequence[PlannedBatch]) -> None:
        most, under_way = self.destination.capabilities.under_way, set[Future[None]]()
        with ThreadPoolExecutor(most, thread_name_prefix="push") as pool:
            for batch, rows in self._contents(session, planned):
                while len(under_way) >= most:
                    ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in ended:
                        future.result()
                allowed, withheld = self._allowed(batch, rows)
                under_way.add(pool.submit(self._send, batch, allowed, withheld))
            for future in under_way:
                future.result()

    def _contents(self, session: Session, planned: Sequence[PlannedBatch]) -> Iterator[tuple[PlannedBatch, pa.Table]]:
        """The rows of each batch, streamed in order: a plan need not fit into memory."""
        columns = ", ".join(
            f"json_extract_string(identifiers, {literal(chr(36) + '.' + chr(34) + f + chr(34))}) AS {quote(f)}"
            for f in self.plan.fields
        )
        query = trusted(
            "audiences/batches",
            f"SELECT batch, key, {columns}, vendor_id, attributes FROM plan_rows "
            f"WHERE batch BETWEEN {planned[0].number} AND {planned[-1].number} ORDER BY batch, key",
        )
        reader = session.reader(query)
        held = pa.Table.from_batches([], reader.schema)
        for batch in planned:
            while held.num_rows < batch.rows:
                try:
                    held = pa.concat_tables([held, pa.Table.from_batches([reader.read_next_batch()])])
                except StopIteration:
                    break
            rows, held = held.slice(0, batch.rows), held.slice(batch.rows)
            if rows.num_rows != batch.rows or set(rows["batch"].unique().to_pylist()) - {batch.number}:
                raise ContractError(f"plan {self.plan.digest}: batch {batch.number} is not in the lake as planned")
            yield batch, rows.drop_columns(["batch"])
        reader.read_all()

    def _allowed(self, batch: PlannedBatch, rows: pa.Table) -> tuple[pa.Table, frozenset[str]]:
        """The rows that may still go out, and the keys that may not; removals always may."""
        if self.recheck is None or batch.operation is Operation.REMOVE:
            return rows, frozenset()
        withheld = self.recheck(rows)
        if not withheld:
            return rows, withheld
        kept = pc.invert(pc.is_in(rows["key"], pa.array(sorted(withheld), pa.string())))
        return rows.filter(kept), withheld

    def _send(self, batch: PlannedBatch, rows: pa.Table, withheld: frozenset[str]) -> None:
        with self.ledger.transaction() as connection:
            self.lease.renew(connection)
            self.ledger.attempt(connection, self.plan.digest, batch.number, self.lease.token)
        parts = Parts(batch, rows.num_rows)
        delivery = self._deliver(parts, rows, batch.number) if rows.num_rows else Delivery()
        told = {} if parts.given_up else delivery.rejected
        rejected = told | dict.fromkeys(withheld, WITHHELD)
        receipt = Receipt(
            accepted=batch.rows - len(rejected),
            rejected=rejected,
            vendor_ids=delivery.vendor_ids,
            requests=delivery.requests,
        )
        with self.ledger.transaction() as connection:
            self.lease.renew(connection)
            self.ledger.receive(connection, self.plan.digest, batch.number, delivery.state, receipt)
        if delivery.state != "final":
            self.unsettled = True
        if delivery.trouble:
            self.troubles.append(delivery.trouble)
        self._done += batch.rows
        if self.progress:
            self.progress(self.plan.audience, self._done, self.plan.rows)

    def _deliver(self, parts: Parts, rows: pa.Table, number: int) -> Delivery:
        """Apply rows until the answer is final or patience ends; rows the vendor refuses are cut out and the rest goes on."""
        batch = Batch(self.plan.digest, number, parts.planned.operation, self.remote_id, rows)
        delivery, sent = Delivery(), False
        for attempt in range(ATTEMPTS):
            if attempt:
                self._still_ours()
            try:
                with self._room:
                    receipt = self.destination.apply(batch)
                delivery.requests += receipt.requests
                sent = True
                receipt = self._final(receipt, batch, delivery)
            except RejectedRecords as refusal:
                delivery.requests += 1
                delivery.join(self._without_refused(parts, rows, refusal))
                return delivery
            except TransientError as error:
                delivery.requests += 1
                sent = sent or error.sent
                delivery.trouble = str(error)
                if attempt + 1 < ATTEMPTS:
                    _pause(attempt, error)
                continue
            except ContractError as error:
                # The answer made no sense; the rows may well be there.
                delivery.state, delivery.trouble = "uncertain", str(error)
                return delivery
            parts.taken = parts.taken or receipt.accepted > 0
            delivery.trouble = None
            delivery.rejected.update(receipt.rejected)
            delivery.vendor_ids.update(receipt.vendor_ids)
            return delivery
        delivery.state = "uncertain" if sent else "unsent"
        return delivery

    def _final(self, receipt: Receipt, batch: Batch, delivery: Delivery) -> Receipt:
        """The receipt once the vendor's job has ended."""
        if receipt.handle is not None:
            with self.ledger.transaction() as connection:
                self.lease.renew(connection)
                parent = batch.number % SPLIT
                self.ledger.note_handle(connection, self.plan.digest, parent, receipt.handle)
            receipt = self._ended(receipt, batch, delivery)
        return self._sound(receipt, batch)

    def _sound(self, receipt: Receipt, batch: Batch) -> Receipt:
        """The receipt; raises ContractError for one that does not account for each row."""
        known = set(batch.rows.column("key").to_pylist()) if receipt.rejected else set[str]()
        if receipt.accepted + len(receipt.rejected) != batch.rows.num_rows or not receipt.rejected.keys() <= known:
            raise ContractError(
                f"{self.destination.name} answered for {receipt.accepted + len(receipt.rejected)} rows of a batch of "
                f"{batch.rows.num_rows}: its receipt does not add up"
            )
        return receipt

    def _ended(self, receipt: Receipt, batch: Batch, delivery: Delivery) -> Receipt:
        """The vendor's job asked for until it has ended."""
        tool, handle = self.destination, receipt.handle
        if not isinstance(tool, Asynchronous):
            raise ContractError(f"{tool.name} named a job but has no `poll` to ask for its end")

        def ask() -> Receipt | None:
            nonlocal handle
            self._still_ours()
            try:
                polled = tool.poll(str(handle), batch)
            except TransientError:
                delivery.requests += 1
                raise
            delivery.requests += polled.requests
            handle = polled.handle
            return None if handle else polled

        return jobs.ended(ask, tool.capabilities.job_seconds, of=tool.name)

    def _without_refused(self, parts: Parts, rows: pa.Table, refusal: RejectedRecords) -> Delivery:
        """The rows named are rejected and the others sent again; where none is named, halves are sent until one row is left."""
        rejected, others = bodies.apart(rows, refusal)
        if not refusal.rows and rejected:
            parts.alone += 1
        sent = []
        for other in others:
            if parts.hopeless:
                parts.given_up = True
                trouble = f"{refusal}: so was each of {HOPELESS} members by themselves, and nobody was taken"
                sent.append(Delivery("uncertain", trouble=trouble))
                break
            sent.append(self._deliver(parts, other, parts.next_number()))
        first, *more = [Delivery(rejected=rejected), *sent] if rejected else sent
        for delivery in more:
            first.join(delivery)
        return first

    def _still_ours(self) -> None:
        with self.ledger.transaction() as connection:
            self.lease.renew(connection)
