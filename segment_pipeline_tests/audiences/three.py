"""Random histories in which the declaration, what we remember and what the tool holds each change by themselves.

After every run that nothing stopped, an audience that is `synced` holds exactly who it should, wherever it is, and nobody of ours
is anywhere else; or it says why not. What it says to do is done, and then it is right.
"""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from segment_pipeline.audiences import trust
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.reconcile import reconcile
from segment_pipeline.audiences.rename import rename
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.retire import retire, see_to_left
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import resend, sync
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.audiences.crash import Fuse, Stopped, stepping
from segment_pipeline_tests.audiences.histories import company, expected, strongest
from segment_pipeline_tests.audiences.tool import KINDS, DeletingTool, FindingTool, OpenTool, ReplacingTool
from segment_pipeline_tests.audiences.world import Person, World, audience

ABILITIES: dict[str, Callable[[OpenTool], Any]] = {
    "open": lambda tool: tool, "replacing": ReplacingTool, "finding": FindingTool, "deleting": DeletingTool
}  # fmt: skip
REMEMBERED = ("audience_members", "plan_rows", "sent_keys")
ROUNDS, TRIES = 3, 8


class Wrong(AssertionError):
    """An audience that is said to be right and is not."""


class History:
    """One company, one audience that moves about, two tools of one kind."""

    def __init__(self, home: Path, seed: int) -> None:
        home.mkdir(exist_ok=True)
        self.home, self.random, self.log = home, Random(seed), list[str]()
        self.kind = self.random.choice(list(KINDS))
        self.ability = self.random.choice(["open", "open", *ABILITIES])
        self.owned = self.ability == "open" and self.random.random() < 0.6
        self.hand = self.random.choice(["drop", "put"])
        self.world = World(home)
        self.inner = {
            name: OpenTool(home / f"{name}.sqlite", name, **KINDS[self.kind], batch_rows=2)
            for name in ("tool", "other")
        }
        self.tools: dict[str, Destination] = {n: ABILITIES[self.ability](tool) for n, tool in self.inner.items()}
        self.name, self.at, self.declared = "a0", "tool", True
        self.people: list[Person] = []
        self.copied = False
        self.change_people()

    @property
    def who(self) -> Audience:
        return audience(name=self.name, destination=self.at, owned=self.owned)

    @property
    def catalogue(self) -> list[Audience]:
        return [self.who] if self.declared else []

    # What happens.

    def change_people(self) -> None:
        if self.world.lake.lost("consents"):
            # Nothing lands until somebody has accepted the loss.
            return
        draw = self.random
        drawn = [
            Person(
                "",
                draw.choice([None, "a", "b", "c"]),
                draw.choice([None, None, "+12025550101", "+12025550102"]),
                consent=draw.choice([True, True, True, False, None]),
                member=draw.random() < 0.7,
            )
            for _ in range(6)
        ]
        self.people = company(drawn, self.kind)
        self.world.people(self.people)
        self.log.append("people")

    def change_declaration(self) -> None:
        match self.random.choice(["rename", "move", "drop"]):
            case "rename":
                old, self.name = self.name, f"a{int(self.name[1:]) + 1}"
                self.log.append(f"rename {old} {self.name}")
                self.disturbed(lambda: self.renamed(old, self.name), chance=0.5)
            case "move":
                self.at = "other" if self.at == "tool" else "tool"
                self.log.append(f"move to {self.at}")
            case _:
                self.declared = False
                self.log.append("drop")

    def change_memory(self) -> None:
        draw = ["ledger lost", "members lost", "plans lost", "denials lost", "activation lost"]
        if self.copied:
            draw += ["ledger older", "lake older"] * 2
        what = self.random.choice(draw)
        self.log.append(what)
        self.world.ledger.close()
        lake, before = self.home / "lake", self.home / "before"
        lost = {"members lost": ["audience_members"], "plans lost": ["plan_rows"], "denials lost": ["consents"]}
        lost |= {"activation lost": [*REMEMBERED, "_tables"], "lake older": list(REMEMBERED)}
        for name in lost.get(what, ()):
            shutil.rmtree(lake / name, ignore_errors=True)
            if what == "lake older" and (before / name).exists():
                shutil.copytree(before / name, lake / name)
        if what.startswith("ledger"):
            for path in self.home.glob("ledger.sqlite*"):
                path.unlink()
        if what == "ledger older":
            shutil.copy(before / "ledger.sqlite", self.home / "ledger.sqlite")
        self.world = World(self.home, engine=self.world.lake.engine)

    def change_tool(self) -> None:
        tool, lists = self.inner[self.at], list(self.inner[self.at].lists())
        if not lists:
            return
        chosen = self.random.choice(lists)
        what = self.random.choice(["lose", self.hand]) if self.ability == "open" else "lose"
        self.log.append(f"{what} by hand")
        if what == "lose":
            tool.lose(chosen)
        elif what == "drop":
            tool.drop(chosen, self.random.randint(1, 3))
        else:
            number = self.random.randint(0, 9)
            tool.put(chosen, **{tool.given.identifiers[0].column: f"stranger{number}@else.test"})

    def copy(self) -> None:
        """A copy is made of what is remembered, for somebody to put back later."""
        before = self.home / "before"
        shutil.rmtree(before, ignore_errors=True)
        before.mkdir()
        self.world.ledger.close()
        shutil.copy(self.home / "ledger.sqlite", before / "ledger.sqlite")
        for name in REMEMBERED:
            if (self.home / "lake" / name).exists():
                shutil.copytree(self.home / "lake" / name, before / name)
        self.world.ledger = Ledger.open(f"sqlite:///{self.home / 'ledger.sqlite'}")
        self.copied = True
        self.log.append("copy")

    # What is done about it.

    def disturbed(self, work: Callable[[], object], *, chance: float = 0.4) -> None:
        """Do something, perhaps stopped at one of its steps as a killed process is; the process that held the lease is gone."""
        if self.random.random() >= chance:
            work()
            return

        def stop() -> None:
            raise Stopped

        whole = self.world
        fuse = Fuse(self.random.randint(1, 70), stop)
        self.world = stepping(whole, self.inner["tool"], fuse)
        self.inner["other"].step = fuse
        with suppress(Stopped):
            work()
        for tool in self.inner.values():
            tool.step = lambda name: None
        self.world = whole
        with whole.ledger.transaction() as connection:
            connection.execute(sa.text("UPDATE leases SET expires_at = 0"))
        self.log.append(f"stopped at {fuse.at} of {fuse.taken}")

    def run(self) -> list[SyncReport]:
        return [*sync(self.round), *see_to_left(self.round)]

    @property
    def round(self) -> Round:
        return self.world.round(self.catalogue, self.tools)

    def retire(self, report: SyncReport, how: str) -> None:
        with suppress(ConfigError):
            # Of two places at one tool the first call ends both.
            retire(self.round, report.audience, how, destination=report.destination)

    def resend(self, report: SyncReport) -> None:
        resend(self.round, report.audience)

    def reconcile(self, report: SyncReport) -> None:
        """Whose the members are of whom nobody can tell is answered where it is asked."""
        done = reconcile(self.round, report.audience, destination=report.destination)
        if any("--strangers ours" in reason for one in done for reason in one.reasons):
            reconcile(self.round, report.audience, destination=report.destination, strangers="ours")

    def accept(self, table: str) -> None:
        """Begun anew, landed again, and said to be whole."""
        trust.accept(self.world.lake, self.world.ledger, table)
        self.world.people(self.people)
        trust.accept(self.world.lake, self.world.ledger, table)

    def renamed(self, old: str, new: str) -> None:
        with suppress(ConfigError):
            # Nobody has heard of it yet.
            rename(self.world.lake, self.world.ledger, old, new, declared=self.catalogue, destinations=self.tools)

    def obey(self, reports: list[SyncReport]) -> None:
        """Do what each report says is to be done."""
        for report in reports:
            said = "; ".join(report.reasons)
            if found := re.search(r"half renamed: finish it with `segment-pipeline rename audience (\w+) (\w+)`", said):
                self.renamed(found[1], found[2])
            elif found := re.search(r"`segment-pipeline accept (\w+)`", said):
                self.accept(found[1])
            elif "audiences retire" in said:
                how = "empty" if self.ability == "open" and "unverified" not in said else "delete"
                self.disturbed(partial(self.retire, report, how))
            elif "audiences resend" in said and "no longer has" in said:
                self.disturbed(partial(self.resend, report))
            elif "audiences reconcile" in said:
                self.disturbed(partial(self.reconcile, report))

    # What must be.

    def wrong(self) -> list[str]:
        """Every list of either tool that does not hold what it should, with both."""
        found = []
        places = {(p.destination, p.remote_id): p for p in self.world.ledger.places.all()}
        want = expected(self.people)
        for name, tool in self.inner.items():
            for remote_id in tool.lists():
                held = {f"{email or ''}/{phone or ''}" for email, phone in tool.held(remote_id)}
                if not self.owned:
                    held = {row for row in held if "stranger" not in row}
                place = places.get((name, remote_id))
                here = bool(place and place.declared(self.catalogue))
                right = want if here else set[str]()
                same = strongest(held) == sorted(set(strongest(right))) if tool.given.one_record else held == right
                if not same and not (not here and all("stranger" in row for row in held)):
                    found.append(f"{name} {remote_id}: holds {sorted(held)}, should hold {sorted(right)}")
        return found

    def check(self, reports: list[SyncReport]) -> bool:
        """True where all is well; raises Wrong where it is only said to be."""
        well = all(report.status in ("synced", "retired") for report in reports)
        if well and (wrong := self.wrong()):
            raise Wrong(f"{self}: {wrong}")
        silent = [r for r in reports if r.status != "synced" and not r.reasons]
        if any(r.status == "held" for r in silent):
            raise Wrong(f"{self}: held without a word: {silent}")
        return well

    def __str__(self) -> str:
        kind = f"{self.kind}, {self.ability}, {'owned' if self.owned else 'shared'}"
        return f"{kind}: {'; '.join(self.log)}"

    def settle(self) -> None:
        """Obey until all is well, which takes a few runs."""
        for _ in range(TRIES):
            reports = self.run()
            self.log.append("run: " + ", ".join(f"{r.audience}@{r.destination} {r.status}" for r in reports))
            if self.check(reports):
                again = self.run()
                if any(report.requests for report in again) or not self.check(again):
                    raise Wrong(f"{self}: a second run was not quiet: {again}")
                return
            self.obey(reports)
        raise Wrong(f"{self}: never well: {reports}")


def converges(home: Path, seed: int) -> None:
    """Three rounds of changes, each followed by a run that is right or says why not, and by what it says is to be done."""
    history = History(home, seed)
    draw = history.random
    history.run()
    for _ in range(ROUNDS):
        if draw.random() < 0.5:
            history.copy()
        for _ in range(draw.randint(0, 2)):
            history.change_people()
            history.disturbed(history.run)
        changes = [history.change_declaration, history.change_memory, history.change_tool, history.change_people]
        for change in draw.sample(changes, draw.randint(1, 2)):
            change()
        history.check(history.run())
        history.settle()
        history.declared = True
    history.settle()
    history.world.ledger.close()
    shutil.rmtree(home)
