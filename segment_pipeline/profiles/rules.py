"""What a company decides about its people: which values may link records, which source to believe, when somebody is loyal.

Holds decisions only; `identity` and `traits` apply them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from segment_pipeline import identifiers
from segment_pipeline.errors import ConfigError
from segment_pipeline.literals import NUMBER, TEXTS, TEXTS_BY_NAME, WHOLE, Kind, by_name, expect, written

# Addresses in reserved domains tell people apart as well as any others, although no mail reaches them: UNREACHABLE.
_BLOCKED_PATTERNS: Mapping[str, Mapping[str, str]] = {
    "email": {reason: p for reason, p in identifiers.BLOCKED["email"].items() if reason != "reserved_domain"},
    "phone": dict(identifiers.BLOCKED["phone"]),
    "loyalty_id": dict(identifiers.BLOCKED["loyalty_id"]),
    "customer_key": dict(identifiers.BLOCKED["customer_key"]),
    "anonymous_id": dict(identifiers.BLOCKED["device_id"]),
}
_PATTERNS: Final[Kind] = by_name(TEXTS_BY_NAME, 'patterns by type and reason, {"email": {"role": "^info@"}}')


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Which identifiers link records to one person. Hashable by value through `repr`; equal rules give equal identities.

    `blocked_patterns`: regular expressions on canonical values, by identifier type and by a name for the reason: what matches
    links nobody and is not sent to. `role_patterns`: of values that link nobody and may be sent to, with consent (an office's
    address). `unreachable`: of e-mails that link and are not sent to, by a name for the reason. Of a
    `customer_key` that one matches, records by it are nobody's, unless its source holds an account by that very key.
    `blocked_values`: values that link nobody and are not sent to (the shop's number, the address on its tablet, the till's own account), by type;
    a `customer_key` with its source (`shop:7`) or without, of any. Orders of a customer who is nobody are as guests' orders.
    `limits`: the most people a value may be seen with before it links none of them, by type.
    `guest_limit`: the most guest orders and carts an e-mail or phone without an account may stand on where nothing that comes
    with them agrees: beyond it, it is the shop's own. `key_spaces`: sources whose `customer_key` names another source's customers, with that source (the
    web shop's id as the analytics' user id); of any other source, customers are its own. `trust`: sources, most trusted
    first, for the golden record; others follow by name.
    """

    blocked_patterns: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _BLOCKED_PATTERNS)
    role_patterns: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: identifiers.ROLES)
    unreachable: Mapping[str, str] = field(default_factory=lambda: identifiers.UNREACHABLE)
    blocked_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, int] = field(
        default_factory=lambda: {"email": 10, "phone": 8, "loyalty_id": 4, "customer_key": 1000, "anonymous_id": 8}
    )
    guest_limit: int = 25
    key_spaces: Mapping[str, str] = field(default_factory=dict)
    trust: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expect(
            written(),
            "identity",
            blocked_patterns=(self.blocked_patterns, _PATTERNS),
            role_patterns=(self.role_patterns, _PATTERNS),
            unreachable=(self.unreachable, TEXTS_BY_NAME),
            blocked_values=(self.blocked_values, by_name(TEXTS, 'texts by type, {"email": ("till@shop.test",)}')),
            limits=(self.limits, by_name(WHOLE, 'whole numbers by type, {"email": 10}')),
            guest_limit=(self.guest_limit, WHOLE),
            key_spaces=(self.key_spaces, TEXTS_BY_NAME),
            trust=(self.trust, TEXTS),
        )
        named = {*self.blocked_patterns, *self.role_patterns, *self.blocked_values, *self.limits}
        if unknown := sorted(named - set(_BLOCKED_PATTERNS)):
            raise ConfigError(
                f"identity's rules name {', '.join(unknown)}, which is no type of identifier: there are {', '.join(_BLOCKED_PATTERNS)}"
            )

    @property
    def listed(self) -> Mapping[str, tuple[str, ...]]:
        """`blocked_values` as records hold them: e-mails and phones in their canonical form."""
        canonical = {"email": identifiers.email, "phone": identifiers.phone}
        return {
            kind: tuple(canonical[kind](value) or value if kind in canonical else value.strip() for value in values)
            for kind, values in self.blocked_values.items()
        }


@dataclass(frozen=True, slots=True)
class TraitRules:
    """Thresholds of the staged traits; days are counted back from as_of, shares are 0 to 1.

    `department_questions`, `interest_questions`: survey questions whose answers declare them.
    """

    new_days: int = 30
    active_days: int = 90
    at_risk_days: int = 180
    top_from: float = 0.9
    mid_from: float = 0.5
    loyal_orders: int = 6
    power_visits: int = 8
    dormant_days: int = 90
    new_arrival_days: int = 30
    department_questions: tuple[str, ...] = ("preferred_department", "favourite_department")
    interest_questions: tuple[str, ...] = ("interest", "interests")

    def __post_init__(self) -> None:
        kinds: dict[Any, Kind] = {int: WHOLE, float: NUMBER}
        wanted = {field.name: (getattr(self, field.name), kinds.get(field.type, TEXTS)) for field in fields(self)}
        expect(written(), "traits", **wanted)
