"""Our destination for the loopback tool: what a connector does for a vendor that takes hashed identifiers in batches."""

from functools import cached_property
from typing import ClassVar

from segment_pipeline.connector import About, ConnectorKind
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.http import HttpClient


class LoopbackTool:
    """Rows are held and removed as the whole tuple (EMAIL, PHONE), SHA-256 in hex, as in our connector for Meta."""

    about: ClassVar[About] = About(ConnectorKind.DESTINATION, "Loopback", "a tool on this host")
    name = "loopback"

    def __init__(self, base_url: str, batch_rows: int = 10_000) -> None:
        self.base_url, self.batch_rows = base_url, batch_rows

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="ads",
            identifiers=(
                IdentifierRule("EMAIL", "email", "email/sha256/1"),
                IdentifierRule("PHONE", "phone", "phone/digits-sha256/1"),
            ),
            batch_rows=self.batch_rows,
            batch_bytes=4 * 1024 * 1024,
            parallel=4,
        )

    @cached_property
    def http(self) -> HttpClient:
        return HttpClient(self.base_url, name=self.name)

    def secrets_present(self) -> None:
        """There are none."""

    def check(self) -> None:
        """There are no credentials and no terms."""

    def ensure_audience(self, name: str) -> str:
        return name

    def apply(self, batch: Batch) -> Receipt:
        row = "to_json({'EMAIL': \"EMAIL\", 'PHONE': \"PHONE\"})"
        [(_, _, rows)] = bodies.json_parts(batch.rows, row, self.capabilities.batch_bytes)
        self.http.json(
            "POST" if batch.operation is Operation.UPSERT else "DELETE",
            "/rows",
            data=f'{{"rows": [{rows}]}}'.encode(),
            headers={"Content-Type": "application/json"},
            idempotent=True,
        )
        return Receipt(accepted=batch.rows.num_rows)
