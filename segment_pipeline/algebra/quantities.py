"""The words for values of a person: what is counted, summed or picked among activities, to compare with a value or with each other.

count(activities("order", within=days(90))) > count(activities("order", within=days(90, ago=90)))
trait("last_order_on") < ago(days(60))
"""

from segment_pipeline.algebra.arguments import Days, word
from segment_pipeline.algebra.comparing import Quantity, Trait
from segment_pipeline.algebra.parts import Activities, Aggregate, Ago, Arithmetic, DaysSince, Mistake

a_quantity = word(Quantity)


@a_quantity
def count(of: Activities) -> Quantity:
    """How many activities were chosen."""
    return Quantity(Aggregate("count", of))


@a_quantity
def sum_of(measure: str, of: Activities) -> Quantity:
    """The sum over chosen activities: `sum_of("amount", activities("order", within=days(30))) >= 100`; 0 where there are none."""
    return Quantity(Aggregate("sum", of, measure))


@a_quantity
def total_of(measure: str, of: Activities) -> Quantity:
    """The sum over chosen activities; 0 where there are none, and unknown where there are some and the measure of none is known."""
    return Quantity(Aggregate("total", of, measure))


@a_quantity
def avg_of(measure: str, of: Activities) -> Quantity:
    """The sum by the number of chosen activities whose measure is known; unknown where there are none."""
    return Quantity(Arithmetic("/", Aggregate("sum", of, measure), Aggregate("count", of, measure)))


@a_quantity
def min_of(field: str, of: Activities) -> Quantity:
    """The least value among chosen activities; unknown where there is none."""
    return Quantity(Aggregate("min", of, field))


@a_quantity
def max_of(field: str, of: Activities) -> Quantity:
    """The greatest value among chosen activities; unknown where there is none."""
    return Quantity(Aggregate("max", of, field))


@a_quantity
def distinct(field: str, of: Activities) -> Quantity:
    """How many different values chosen activities have: `distinct("day", …)`, `distinct("product", …)`."""
    return Quantity(Aggregate("distinct", of, field))


@a_quantity
def first(field: str, of: Activities) -> Quantity:
    """The value of the first chosen activity that has one; of several at once the least."""
    return Quantity(Aggregate("first", of, field))


@a_quantity
def last(field: str, of: Activities) -> Quantity:
    """The value of the last chosen activity that has one; of several at once the greatest."""
    return Quantity(Aggregate("last", of, field))


@a_quantity
def nth(n: int, field: str, of: Activities) -> Quantity:
    """The value of the nth chosen activity that has one, from 1, as they happened."""
    return Quantity(Aggregate("nth", of, field, n))


@a_quantity
def most_frequent(field: str, of: Activities) -> Quantity:
    """The value most chosen activities have; of equally many the least."""
    return Quantity(Aggregate("most", of, field))


@a_quantity
def share(part: Activities, of: Activities, measure: str | None = None) -> Quantity:
    """What some chosen activities are of others: by their number, or by a sum. Unknown where the whole is not above 0."""
    if measure is None:
        return Quantity(Arithmetic("/", Aggregate("count", part), Aggregate("count", of)))
    return Quantity(Arithmetic("/", Aggregate("sum", part, measure), Aggregate("sum", of, measure)))


@a_quantity
def days_since(day: "Quantity | Trait") -> Quantity:
    """Company days from a day to as_of: `days_since(first("day", …)) >= 365`, `days_since(trait("first_order_on"))`."""
    held = day.value
    return Quantity(held if isinstance(held, Mistake) else DaysSince(held))


@a_quantity
def ago(number: Days) -> Quantity:
    """The company day so many before as_of; `ago(days(0))` is as_of."""
    return Quantity(Ago(number))
