"""Lines of a wholesaler's till, made up from a seed in the shape of a well-known public data set: without a header, days first.

Guests without id, cancellations whose invoices begin with C and whose quantities are negative, free lines, equal lines, and stock
adjustments that are nobody's order.
"""

from pathlib import Path

import numpy as np
import pandas as pd

NAMES = ("invoice", "stock", "description", "quantity", "when", "price", "customer", "country")
COUNTRIES = ("United Kingdom", "France", "EIRE", "Österreich")


def write(path: Path, lines: int, seed: int = 7) -> None:
    """Write at least so many lines, in cp1252."""
    rng = np.random.default_rng(seed)
    invoices = lines // 8
    sizes = rng.integers(1, 17, invoices)
    sizes[0] += max(0, lines - int(sizes.sum()))
    start = np.datetime64("2010-12-01T08:00")
    minutes = np.sort(rng.integers(0, 373 * 24 * 60, invoices))
    kind = rng.choice(["sale", "cancelled", "adjusted"], invoices, p=[0.9, 0.08, 0.02])
    guest = rng.random(invoices) < 0.25
    of = np.repeat(np.arange(invoices), sizes)
    count = len(of)
    quantity = rng.integers(1, 49, count)
    price = np.round(rng.gamma(2.0, 2.0, count), 2)
    price[rng.random(count) < 0.004] = 0
    adjusted, cancelled = (kind == "adjusted")[of], (kind == "cancelled")[of]
    price[adjusted] = 0
    quantity[adjusted | cancelled] *= -1
    number = np.char.add(np.where(kind == "cancelled", "C", ""), (536365 + np.arange(invoices)).astype(str))
    who = np.where(guest | (kind == "adjusted"), "", (12346 + rng.integers(0, 4372, invoices)).astype(str))
    stock = rng.integers(10000, 14000, count)
    frame = pd.DataFrame(
        {
            "invoice": number[of],
            "stock": stock.astype(str),
            "description": np.where(adjusted, "damaged", np.char.add("CAFÉ MUG ", stock.astype(str))),
            "quantity": quantity,
            "when": pd.Series(start + minutes[of]).dt.strftime("%d/%m/%Y %H:%M"),
            "price": np.char.mod("%.2f", price),
            "customer": who[of],
            "country": np.array(COUNTRIES)[rng.choice(len(COUNTRIES), invoices, p=[0.9, 0.05, 0.03, 0.02])][of],
        }
    )
    again = frame.sample(frac=0.01, random_state=seed)
    pd.concat([frame, again]).sort_index(kind="stable").to_csv(path, index=False, header=False, encoding="cp1252")
