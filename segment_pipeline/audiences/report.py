"""The accounting of one sync, as commands and Dagster show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The accounting of one audience's sync. Numbers are members up to `eligible`, destination keys after it.

    candidates = sum(ineligible) + eligible
    desired = unchanged + added + updated + rejected + held + uncertain
    leaving (keys held before that are not desired) = removed + remove_rejected + held_removals + uncertain_removals

    `status`: `synced`; `undelivered` (explicit denials, suppressions or erasures are not known to be out: `denials` keys);
    `held` (a guard stopped the changes, explicit denials apart; `reasons` names it, `digests` holds what to approve); `partial`
    (some keys are uncertain, the next run settles them); `refused` (the tool would not let go of keys that left); `differs` (all was sent, but before that the tool
    held fewer keys than it had been sent, or another number where nobody else writes to it); `planned` (shown: a sync would not be held); `off`
    (SEGMENT_PIPELINE_SENDING is off: the numbers are what would have been sent, and nothing was, denials included); `retired`
    (it came to its end at this tool);
    `failed` (`reasons` says why; what was sent is accounted for). `rejected` counts keys the tool refuses, lately or now;
    `rejections` these and the removals it refuses by its code, of a sync alone. `hours_behind`: from the end of the day that decided
    to the tool's final answer, of half of the rows it answered (`p50`) and of 95 in 100 (`p95`), in hours; empty: none was sent.
    `requests`: requests that carried changes. `remote`: keys the tool holds: `counted` by the tool, or as its receipts say
    where it tells no number; None: not known. `denials`: keys that explicit denials, suppressions or erasures take out and that are
    not known to be out, all of them where a plan is shown and not sent; `denied_since`: when the oldest of those was said (None:
    none waits, or not known).
    """

    audience: str
    destination: str
    status: str
    as_of: date | None
    candidates: int = 0
    ineligible: Mapping[str, int] = field(default_factory=dict)
    eligible: int = 0
    desired: int = 0
    unchanged: int = 0
    added: int = 0
    updated: int = 0
    rejected: int = 0
    held: int = 0
    uncertain: int = 0
    leaving: int = 0
    removed: int = 0
    remove_rejected: int = 0
    held_removals: int = 0
    uncertain_removals: int = 0
    requests: int = 0
    remote: int | None = None
    counted: bool = False
    denials: int = 0
    denied_since: datetime | None = None
    digests: Sequence[str] = ()
    reasons: Sequence[str] = ()
    rejections: Mapping[str, int] = field(default_factory=dict)
    hours_behind: Mapping[str, float] = field(default_factory=dict)

    def waiting(self, now: datetime) -> str:
        """How many denials wait, and how long already; empty where none does."""
        if not self.denials:
            return ""
        return f"{self.denials} {'denial waits' if self.denials == 1 else 'denials wait'}, {waited(self.denied_since, now)}"


def hours_behind(since: datetime, answered: Sequence[tuple[datetime, int]]) -> dict[str, float]:
    """Of when how many rows were answered, the earliest first: the hours within which half of them were, and 95 in 100."""
    rows = sum(count for _, count in answered)
    found, so_far = dict[str, float](), 0
    for at, count in answered:
        so_far += count
        for name, share in (("p50", 50), ("p95", 95)):
            if name not in found and so_far * 100 >= rows * share:
                found[name] = round((at - since) / timedelta(hours=1), 2)
    return found if rows else {}


def waited(since: datetime | None, now: datetime) -> str:
    """Since when, and how long that is, in whole days or hours."""
    if since is None:
        return "since an unknown day"
    hours = max(0, (now - since) // timedelta(hours=1))
    long = f"{hours // 24} days" if hours >= 2 * 24 else f"{hours} hours"
    return f"the oldest since {since:%Y-%m-%d %H:%M} UTC ({long})"
