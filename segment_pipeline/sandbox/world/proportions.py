"""How the synthetic part of the demo world is mixed: every share, count and rate in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proportions:
    """Shares are 0–1 of the population their comment names; counts are at full size and scale with the households."""

    # Till: shares of households, then of receipts.
    till_email: float = 0.88
    till_phone: float = 0.93
    shared_phone: float = 0.03
    birthday_known: float = 0.6
    birthday_without_year: float = 0.15
    loyalty_account: float = 0.75
    instant_profile: float = 0.05
    duplicate_customer: float = 0.01
    customer_deleted: float = 0.003
    customer_changes: float = 0.15
    order_tender_only: float = 0.02
    order_nobody: float = 0.01
    order_late: float = 0.01
    order_edited: float = 0.01
    order_opened_first: float = 0.005
    order_returned: float = 0.012
    return_unlinked: float = 0.2
    return_exchange: float = 0.1
    order_cancelled: float = 0.005
    open_orders: int = 60
    gift_card_loads: int = 600
    gift_card_loads_last_week: float = 0.01
    stores_in_canada: float = 0.01

    # Who shops online: share of households, then of those.
    web_households: float = 0.45
    same_email: float = 0.70
    phone_only: float = 0.12
    guest_known_email: float = 0.08
    mistyped_email_known_phone: float = 0.05
    nothing_shared: float = 0.05
    web_only_people: int = 1500
    web_only_account: float = 0.75
    web_only_in_canada: float = 0.1
    tablet_orders: int = 400
    noreply_orders: int = 150

    # Web shop.
    orders_per_web_household: float = 7.5
    orders_per_web_only: float = 2.6
    line_markdown: float = 0.6
    order_coupon: float = 0.1
    order_refunded: float = 0.06
    order_cancelled_web: float = 0.02
    order_test: float = 0.007
    order_gift_card: float = 0.02
    account_merged: float = 0.015
    account_deleted: float = 0.004
    account_changes: float = 0.1
    checkouts: int = 2500
    checkout_recovered: float = 0.35
    checkout_bought_in_store: float = 0.05
    cad_per_usd: float = 1.298

    # Consent: shares of people, then of those who granted it.
    email_consent: float = 0.75
    ads_consent: float = 0.55
    sms_consent: float = 0.30
    product_consent: float = 0.65
    withdrawn_last_month: float = 0.03
    withdrawn_after: float = 0.01
    data_sale_opt_out: float = 0.03

    # Web analytics.
    browse_sessions_per_order: float = 1.0
    browse_sessions_per_person: float = 5.0
    browse_sessions_per_till_household: float = 2.0
    anonymous_devices: int = 2000
    logged_in_sessions: float = 0.45
    event_late: float = 0.03
    event_repeated: float = 0.005
    message_delivered: float = 0.97
    message_opened: float = 0.4
    message_clicked: float = 0.1
    newsletters_per_year: int = 8
    survey_answered: float = 0.2

    # People who are sure to be in each worked example, per example; 2 in a world of fewer than 1,000 households.
    planted: int = 6

    def __post_init__(self) -> None:
        mix = (
            self.same_email
            + self.phone_only
            + self.guest_known_email
            + self.mistyped_email_known_phone
            + self.nothing_shared
        )
        if abs(mix - 1) > 1e-9:
            raise ValueError(f"the kinds of web households add up to {mix}, not to 1")
