"""Processes forked from one that has loaded what they need: a fresh one would first load Dagster, DuckDB and the rest."""

import multiprocessing
import os
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Final

_LOADED: Final = ["segment_pipeline.tasks", "deltalake", "duckdb", "pyarrow.parquet", "sqlglot.dialects.duckdb"]


def loading() -> ForkServerContext:
    """Have the process that others are forked from load the pipeline, while this one does something else; once per process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    forkserver.ensure_running()
    return context


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
