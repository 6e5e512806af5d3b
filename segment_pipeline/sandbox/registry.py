"""Which vendors the sandbox plays: each folder of `vendors/`, by its name, with the `VENDOR` of its module `vendor`."""

import importlib
import pkgutil
from functools import cache

from segment_pipeline.sandbox import vendors
from segment_pipeline.sandbox.vendor import Vendor

NAMES = tuple(sorted(found.name for found in pkgutil.iter_modules(vendors.__path__)))


@cache
def vendor_of(name: str) -> Vendor:
    """The vendor of that name, one of `NAMES`."""
    found: Vendor = importlib.import_module(f"{vendors.__name__}.{name}.vendor").VENDOR
    return found


def environment(base_url: str) -> dict[str, str]:
    """The variables that point every vendor's connector at a sandbox: its address, its credentials and its account."""
    values = {f"{name.upper()}_BASE_URL": f"{base_url}/{name}" for name in NAMES}
    for name in NAMES:
        values |= {**vendor_of(name).secrets, **vendor_of(name).account}
    return values
