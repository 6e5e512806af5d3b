"""An S3 of moto's on loopback for as long as a block lasts, with one empty bucket and nothing of a test before."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem


@contextmanager
def bucket(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[tuple[Any, str]]:
    """A client and the server's address; credentials that it takes are in the environment."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(variable, "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        S3FileSystem.clear_instance_cache()  # one is kept for each way to make it, and the endpoint is not part of that
        address = "http://{}:{}".format(*server.get_host_and_port())
        # What a server holds outlives it in its process.
        requests.post(f"{address}/moto-api/reset", timeout=10).raise_for_status()
        client = boto3.client("s3", endpoint_url=address)
        client.create_bucket(Bucket=name)
        yield client, address
    finally:
        server.stop()
