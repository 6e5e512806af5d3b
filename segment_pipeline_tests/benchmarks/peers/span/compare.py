"""A build of 180,000 customer records, 500,000 orders and a million events: identities, traits, segments by percentile."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from segment_pipeline_tests.benchmarks.peers.command import Cost, run
from segment_pipeline_tests.benchmarks.peers.comparison import Comparison, Finding, Place, Work
from segment_pipeline_tests.benchmarks.peers.lakes import lake_of
from segment_pipeline_tests.benchmarks.peers.span.shop import (
    SOURCES,
    as_of,
    customers_file,
    fill_customers,
    write_customers,
    write_facts,
)

PEOPLE: Final = 120_000
HERE: Final = Path(__file__).parent

# Pairs of records: of one person in truth, put together, and both.
PAIRS: Final = """
SELECT
    (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM judged GROUP BY person) AS t),
    (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM judged GROUP BY profile_id) AS t),
    (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM judged GROUP BY person, profile_id) AS t)
"""


@dataclass(frozen=True, slots=True)
class Ours:
    """`ids`: where who is who was written, one row per customer record: `record`, `profile_id`."""

    scratch: Path

    def run(self, action: str, name: str, *rest: str) -> Cost:
        module = "segment_pipeline_tests.benchmarks.peers.ours"
        return run([sys.executable, "-m", module, action, str(self.scratch / name), *rest])

    def ids(self, name: str) -> Path:
        to = self.scratch / f"{name}.ids.parquet"
        with lake_of(self.scratch / name).session() as session:
            session.scan("identities", partitions={"as_of": [as_of()]})
            rows = session.table("SELECT record_key AS record, profile_id FROM identities WHERE entity = 'customer'")
        duckdb.from_arrow(rows).write_parquet(str(to))
        return to


@dataclass(frozen=True, slots=True)
class Span:
    """Run by its own command line on Parquet, the faster of the two kinds of files it takes; its CSV is for who is who alone."""

    place: Place

    def run(self, files: Path, out: str, *options: str, config: Path = HERE / "span_config.yaml") -> Cost:
        formats = ("--data-extension", "parquet", "--format", "parquet")
        folders = ("--data-dir", str(files), "--output-dir", str(self.place.scratch / out))
        return run([self.place.program("span", "span-data"), "run", str(config), *folders, *formats, *options])

    def seeded(self, files: Path, out: str, seed: str) -> Cost:
        """With the graph of an earlier run as its seed, which is its own way to keep ids."""
        graph = self.place.scratch / seed / "id_graph.csv"
        duckdb.read_csv(str(graph), all_varchar=True).write_parquet(str(files / "LOCAL_SOURCES_SEED.parquet"))
        config = self.place.scratch / "seeded.yaml"
        text = (HERE / "span_config.yaml").read_text(encoding="utf-8")
        config.write_text(
            text.replace("\nc360:", "\n  seed: { dataset: LOCAL.SOURCES.SEED }\n\nc360:"), encoding="utf-8"
        )
        return self.run(files, out, "--skip-c360", config=config)

    def ids(self, out: str) -> Path:
        to = self.place.scratch / f"{out}.ids.parquet"
        duckdb.execute(
            f"COPY (SELECT source_id AS record, profile_id FROM read_csv('{self.place.scratch / out / 'id_graph.csv'}', "
            f"all_varchar = true)) TO '{to}'"
        )
        return to


def compare(place: Place) -> Comparison:
    people = max(120, round(PEOPLE * place.share) // 120 * 120)
    files, reordered, more = (place.folder(name) for name in ("files", "reordered", "more"))
    records = write_customers(files, people)
    events = write_facts(files, people)
    write_customers(reordered, people, 'sha256("CUSTOMER_ID")')
    write_customers(more, people, added=people // 100)

    ours, span = Ours(place.scratch), Span(place)
    landed = ours.run("land", "ours", str(files))
    built, theirs = ours.run("build", "ours"), span.run(files, "span")
    before = (ours.ids("ours"), span.ids("span"))
    for name, source in (("ours_reordered", reordered), ("ours_more", more)):
        fill_customers(place.scratch / name, source)
        ours.run("identities", name)
    span.run(reordered, "span_reordered", "--skip-c360")
    span.run(more, "span_more", "--skip-c360")
    span.seeded(more, "span_seeded", "span")

    def moved(ours_after: str, span_after: str) -> tuple[int, int]:
        return changed(before[0], ours.ids(ours_after)), changed(before[1], span.ids(span_after))

    (my_precision, my_recall), (precision, recall) = (judged(ids, files) for ids in before)
    same_twice = moved("ours_reordered", "span_reordered")
    one_more = moved("ours_more", "span_more")
    kept = moved("ours_more", "span_seeded")
    return Comparison(
        "span-data 0.5.0",
        [
            Work(f"build of {records:,} records and {events:,} events", built, theirs, target=5.0),
            Work("the same, and our landing of the files", built.after(landed), theirs),
        ],
        [
            Finding("pairs of records rightly put together, %", my_precision, precision),
            Finding("pairs of records of one person found, %", my_recall, recall),
            Finding("records of another id, the same rows in another order", *same_twice),
            Finding("records of another id, 1 % new people", *one_more),
            Finding("the same, seeded with the earlier ids", one_more[0], kept[1]),
        ],
    )


def judged(ids: Path, files: Path) -> tuple[float, float]:
    """Precision and recall over pairs of records, in per cent."""
    truth = " UNION ALL ".join(
        f'SELECT "CUSTOMER_ID" AS record, "PERSON" AS person FROM read_parquet(\'{customers_file(files, source)}\')'
        for source in SOURCES
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE VIEW judged AS SELECT * FROM ({truth}) AS t JOIN read_parquet('{ids}') AS i USING (record)"
        )
        real, together, right = map(float, connection.execute(PAIRS).fetchall()[0])
    return round(100 * right / together, 2), round(100 * right / real, 2)


def changed(before: Path, after: Path) -> int:
    """Records that are in both and whose id is another one."""
    query = f"""
    SELECT count(*) FROM read_parquet('{before}') AS b JOIN read_parquet('{after}') AS a USING (record)
    WHERE a.profile_id <> b.profile_id
    """
    return int(duckdb.execute(query).fetchall()[0][0])
