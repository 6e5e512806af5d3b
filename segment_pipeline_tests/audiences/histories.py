"""What a sync that was stopped anywhere must come to, over companies that change before the next one.

Kills of a real process and random histories; the tests try a few, the suites of `prove` many.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.audiences.crash import Fuse, Stopped, operate, stepping, tool_in
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import LATER, Person, World, audience

Held = set[str]
P = "+12025550100"


def expected(people: list[Person], rejected: frozenset[str] = frozenset()) -> Held:
    """What the tool should hold, by the strongest identifier of each row: the rules in a few plain lines."""
    blocked = {i for p in people if p.consent is False for i in (p.email, p.phone) if i}
    rows = set()
    for p in people:
        if p.member and p.consent:
            email, phone = (i if i not in blocked else None for i in (p.email, p.phone))
            if (email or phone) and not {email, phone} & rejected:
                rows.add((email, phone))
    return {f"{email or ''}/{phone or ''}" for email, phone in rows}


def held(tool: Tool) -> Held:
    return {f"{email or ''}/{phone or ''}" for email, phone in tool.held()}


def strongest(rows: Held) -> list[str]:
    """Tools with one record per person keep a phone they once learnt, so rows are compared by what finds them."""
    return sorted(row.split("/")[0] or row for row in rows)


def agree(tool: Tool, people: list[Person]) -> bool:
    want = expected(people, tool.refuses)
    if not tool.capabilities.one_record:
        return held(tool) == want
    return strongest(held(tool)) == sorted(set(strongest(want)))


BASE = [Person(f"p{i}", f"p{i}@shop.test", f"+1202555020{i}" if i % 2 else None) for i in range(8)]
SECOND = [
    *BASE[1:5],
    replace(BASE[5], email="moved@shop.test"),
    replace(BASE[6], member=False),
    replace(BASE[7], consent=False, said=LATER),
    Person("new", "new@shop.test", P),
    Person("newer", "newer@shop.test", None),
    Person("phone", None, "+12025550300"),
]
CHANGES: dict[str, Callable[[list[Person]], list[Person]]] = {
    "nothing": lambda people: people,
    "a leave": lambda people: [replace(p, member=p.profile_id not in ("new", "p2")) for p in people],
    "a withdrawn consent": lambda people: [
        replace(p, consent=False, said=LATER) if p.profile_id in ("newer", "p1") else p for p in people
    ],
    "a changed e-mail": lambda people: [
        replace(p, email=f"again-{p.profile_id}@shop.test") if p.profile_id in ("new", "p3", "p5") else p for p in people
    ],
    "a shared phone": lambda people: [
        replace(p, phone=P) if p.profile_id in ("p1", "newer") else p for p in people
    ],
    "a shared phone whose other owner denies": lambda people: [
        *people, Person("spouse", "spouse@shop.test", P, consent=False, member=False, said=LATER)
    ],
}  # fmt: skip


# What is killed beside a sync, and the state it ends with when nothing stops it.
ENDINGS = {"rename": "renamed", "retire": "retired", "reconcile": "synced"}


def command(home: Path, step: int, kind: str, what: str = "sync") -> list[str]:
    return [sys.executable, "-m", "segment_pipeline_tests.audiences.crash", str(home), str(step), kind, what]


def started(home: Path, kind: str) -> None:
    """A company whose audience is at the tool, and which has changed since."""
    world = World(home)
    world.people(BASE)
    assert world.sync(audience(), tool_in(home, kind)).status == "synced"
    world.people(SECOND)
    world.ledger.close()


def steps_of(start: Path, kind: str, what: str = "sync") -> int:
    """How many steps a sync of the changed company, or something else done with it, takes when nothing stops it."""
    whole = start.parent / "whole"
    shutil.copytree(start, whole)
    done = subprocess.run(command(whole, 0, kind, what), capture_output=True, text=True, timeout=600, check=True)
    shutil.rmtree(whole)
    status, steps = done.stdout.split()[0], int(done.stdout.split()[1])
    assert status == ENDINGS.get(what, "synced")
    return steps


def ends_right_after_kills(start: Path, kind: str, kills: Iterable[tuple[int, str]]) -> int:
    """SIGKILL of a real process at each of these steps, followed by the change of that name and a run that ends right.

    Returns how many kills there were.
    """
    count = 0
    for at, name in kills:
        home = start.parent / f"killed-{at}"
        shutil.copytree(start, home)
        killed = subprocess.run(command(home, at, kind), capture_output=True, timeout=600, check=False)
        assert killed.returncode == -signal.SIGKILL, (name, at, killed.stderr.decode()[-2000:])
        after, tool = World(home), tool_in(home, kind)
        people = CHANGES[name](SECOND)
        after.people(people)
        report = after.sync(audience(), tool)
        assert (report.status, report.remote) == ("synced", len(held(tool))), (name, at)
        assert agree(tool, people), (name, at)
        assert after.sync(audience(), tool).requests == 0, (name, at)
        after.ledger.close()
        shutil.rmtree(home)
        count += 1
    return count


def lose_ledger(start: Path) -> None:
    """What makes an audience one that has to be reconciled."""
    for path in start.glob("ledger.sqlite*"):
        path.unlink()


def finishes_after_kills(start: Path, kind: str, what: str, kills: Iterable[int]) -> int:
    """SIGKILL of a real process at each of these steps of a renaming, retiring or reconciling; called again it is finished.

    Returns how many kills there were.
    """
    count = 0
    for at in kills:
        home = start.parent / f"{what}-{at}"
        shutil.copytree(start, home)
        killed = subprocess.run(command(home, at, kind, what), capture_output=True, timeout=600, check=False)
        assert killed.returncode == -signal.SIGKILL, (what, at, killed.stderr.decode()[-2000:])
        after, tool = World(home), tool_in(home, kind)
        with contextlib.suppress(ConfigError):
            # Killed in its very last step there is nothing left to do.
            assert operate(after, tool, what) == ENDINGS[what], (what, at)
        if what == "retire":
            assert (held(tool), after.ledger.places.all()) == (set(), []), at
        else:
            who = audience(name="buyers" if what == "rename" else "shoppers")
            report = after.sync(who, tool)
            assert (report.status, report.remote) == ("synced", len(held(tool))), (what, at, report.reasons)
            assert agree(tool, SECOND), (what, at)
            assert list(tool.lists().values()) == [who.name], (what, at)
            assert after.sync(who, tool).requests == 0, (what, at)
        after.ledger.close()
        shutil.rmtree(home)
        count += 1
    return count


PEOPLE = st.lists(
    st.builds(
        Person,
        profile_id=st.just(""),
        email=st.sampled_from([None, "a", "b", "c"]),
        phone=st.sampled_from([None, None, "+12025550101", "+12025550102"]),
        consent=st.sampled_from([True, True, True, False, None]),
        member=st.booleans(),
    ),
    min_size=6,
    max_size=6,
)


def company(drawn: list[Person], kind: str) -> list[Person]:
    """Six people; on tools with one record each, those without an address have a number of their own."""
    people = []
    for i, p in enumerate(drawn):
        shared = kind != "one_record" and i % 2 == 0
        email = p.email and (f"{p.email}@shop.test" if shared else f"{p.email}{i}@shop.test")
        phone = f"+1202555040{i}" if kind == "one_record" and not email else p.phone
        people.append(replace(p, profile_id=f"p{i}", email=email, phone=phone))
    return people


HISTORIES = st.fixed_dictionaries(
    {
        "histories": st.lists(st.tuples(PEOPLE, st.one_of(st.none(), st.integers(1, 60))), min_size=2, max_size=4),
        "trouble": st.sampled_from([0.0, 0.0, 0.2]),
        "refused": st.sampled_from([frozenset[str](), frozenset({"a@shop.test"})]),
        "last": PEOPLE,
    }
)


def converges(
    home: Path,
    kind: str,
    *,
    histories: Sequence[tuple[list[Person], int | None]],
    trouble: float,
    refused: frozenset[str],
    last: list[Person],
) -> None:
    """Companies one after the other, the sync of each stopped at a step or not; then one that is not stopped ends right."""
    world, tool = World(home), tool_in(home, kind)
    tool.refuses = refused

    def stop() -> None:
        raise Stopped

    for drawn, at in histories:
        world.people(company(drawn, kind))
        tool.trouble = trouble
        twin = stepping(world, tool, Fuse(at, stop))
        with contextlib.suppress(Stopped):
            twin.sync(audience(), tool, lease_seconds=-1.0)
    tool.step, tool.trouble = lambda name: None, 0.0
    people = company(last, kind)
    world.people(people)
    report = world.sync(audience(), tool)
    again = world.sync(audience(), tool)
    assert agree(tool, people), (held(tool), expected(people, refused))
    assert (report.status, again.requests) == ("synced", 0)
    assert again.remote == again.desired - again.rejected
    world.ledger.close()
    shutil.rmtree(home)
