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
    """The variables that point every vendor's connector at a sandbox: its addresses, its credentials and its account."""
    values: dict[str, str] = {}
    for name in NAMES:
        vendor, own = vendor_of(name), f"{base_url}/{name}"
        values |= {f"{name.upper()}_BASE_URL": own, **vendor.secrets, **vendor.account}
        values |= {variable: f"{own}{path}" for variable, path in vendor.addresses.items()}
    return values
