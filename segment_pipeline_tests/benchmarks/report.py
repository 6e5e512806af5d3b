"""What was measured, as records and as a table, with the machine and the growth from size to size."""

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from segment_pipeline_tests.benchmarks.measure import Measured

PACKAGES: Final = ("segment-pipeline", "duckdb", "deltalake", "pyarrow", "sqlglot", "pyspark")


@dataclass(frozen=True, slots=True)
class Result:
    """One stage at one size. `failure`: why there are no figures."""

    stage: str
    size: str
    profiles: int
    engine: str
    run: Measured | None = None
    by_hand: Measured | None = None
    failure: str | None = None

    def record(self) -> dict[str, Any]:
        """Flat, with stable names; figures that do not exist are left out."""
        told: dict[str, Any] = {
            "stage": self.stage,
            "size": self.size,
            "profiles": self.profiles,
            "engine": self.engine,
        }
        if self.failure:
            told["failure"] = self.failure
        if self.run:
            told |= {"rows": self.run.rows, "seconds": self.run.seconds, "cpu_seconds": self.run.cpu_seconds}
            told |= {"peak_mb": self.run.peak_mb, "rows_per_second": round(self.run.rows / max(self.run.seconds, 1e-3))}
        if self.run and self.by_hand:
            told |= {"by_hand_seconds": self.by_hand.seconds, "by_hand_cpu_seconds": self.by_hand.cpu_seconds}
            told |= {"by_hand_peak_mb": self.by_hand.peak_mb}
            told |= {"ratio": round(self.run.seconds / max(self.by_hand.seconds, 1e-3), 2)}
        return told


def growth(results: Sequence[Result]) -> dict[str, float]:
    """By stage: b of seconds = a × profiles^b, by least squares of the logarithms; stages of one size have none."""
    found = {}
    for name in dict.fromkeys(result.stage for result in results):
        points = [
            (math.log(r.profiles), math.log(max(r.run.seconds, 1e-3)))
            for r in results
            if r.stage == name and r.run is not None
        ]
        if len({x for x, _ in points}) < 2:
            continue
        across, up = (sum(values) / len(points) for values in zip(*points, strict=True))
        slope = sum((x - across) * (y - up) for x, y in points) / sum((x - across) ** 2 for x, _ in points)
        found[name] = round(slope, 2)
    return found


def machine() -> dict[str, Any]:
    """Where it was measured: figures of two machines are not comparable, ratios are."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        **versions,
    }


def show(results: Sequence[Result], console: Console) -> None:
    exponents = growth(results)
    told = machine()
    columns = "stage, size, rows, seconds, cpu s, peak MB, rows/s, by hand s, by hand cpu s, ratio, growth".split(", ")
    table = Table(title=", ".join(f"{name} {value}" for name, value in told.items()), title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in ("stage", "size") else "right")
    for result in results:
        if result.failure:
            table.add_row(result.stage, result.size, f"[red]{result.failure}", *[""] * 8)
            continue
        record = result.record()
        figures = [
            f"{record[name]:,}" if name in record else ""
            for name in "rows seconds cpu_seconds peak_mb rows_per_second by_hand_seconds by_hand_cpu_seconds ratio".split()
        ]
        table.add_row(result.stage, result.size, *figures, str(exponents.get(result.stage, "")))
    console.print(table)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
