"""One case of a suite as a process: python -m segment_pipeline_tests.prove.case MODULE CASE FOLDER RESULT."""

import json
import sys
from importlib import import_module
from pathlib import Path

from segment_pipeline_tests.prove.suite import Suite


def main(module: str, case: str, folder: str, result: str) -> None:
    suite: Suite = import_module(module).SUITE
    tried = suite.prove(json.loads(case), Path(folder))
    Path(result).write_text(json.dumps(tried), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
