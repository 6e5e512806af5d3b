"""Words of rules that no product of the company has: a rule that is well said, and empty as long as that is so."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from segment_pipeline.algebra.nodes import CountRule, SequenceRule, ShareRule, SumRule, TraitRule
from segment_pipeline.algebra.parts import LATEST, Activities, Rule
from segment_pipeline.algebra.spelling import meant
from segment_pipeline.algebra.trees import leaves
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.segments.rules import Segment

# Activities whose category and collection are a product's alone; events may name others themselves.
_OF_PRODUCTS_ALONE: Final = frozenset({"product_bought", "product_returned", "cart_abandoned"})


def unheard(session: Session, segments: Sequence[Segment]) -> list[tuple[str, str]]:
    """Segment and sentence of each word that none of the products held has; nothing where no products are held."""
    asked = [(segment.name, *each) for segment in segments for each in dict.fromkeys(_asked(segment.where))]
    if not asked:
        return []
    session.scan("products")
    known: dict[str, set[str]] = {}
    for row in session.rows(statement("segments", "product_words")):
        known.setdefault(row["filter"], set()).add(row["word"])
    return [
        (name, f"asks for the {of} {word}, which no product has{_instead(word, of, known)}")
        for name, of, word in asked
        if known and word not in known.get(of, ())
    ]


def _instead(word: str, of: str, known: Mapping[str, set[str]]) -> str:
    # SKUs are alike without one being meant for another.
    return "" if of == "product" else meant(word, sorted(known.get(of, ())))


def _asked(rule: Rule) -> Iterator[tuple[str, str]]:
    """Filter and word of what a rule asks of products; `latest` is no word."""
    for leaf in leaves(rule):
        match leaf:
            case CountRule(of) | SumRule(of):
                yield from _chosen(of)
            case SequenceRule(steps):
                for step in steps:
                    yield from _chosen(step)
            case ShareRule(dimension, value):
                yield dimension, value
            case TraitRule("top_department", "==" | "!=" | "in", values):
                yield from (("department", str(value)) for value in values)


def _chosen(of: Activities) -> Iterator[tuple[str, str]]:
    alone = of.name in _OF_PRODUCTS_ALONE
    for field in ("brand", "department", *(("category", "collection") if alone else ())):
        yield from ((field, word) for word in getattr(of, field) if word != LATEST)
    # An item of several SKUs is found by each of them.
    yield from (("product", sku) for item in of.item for sku in item.split("|"))
