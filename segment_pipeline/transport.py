"""What went wrong between us and a host, in our words: the libraries' own quote URLs with their query."""

import requests
import urllib3

from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError


def network_failure(said: str, seconds: float, error: Exception) -> SegmentPipelineError:
    """The error for one that `requests` or `urllib3` raised. `said`: the request, as errors name it; `seconds`: how long an answer was waited for."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        return ConfigError(f"{said} failed in TLS: check the host's certificate and the base URL")
    if isinstance(error, requests.ConnectTimeout) or isinstance(
        reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
    ):
        return TransientError(f"{said} could not connect: check that the host is up; it is tried again later")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError) or isinstance(
        reason, urllib3.exceptions.TimeoutError
    ):
        return TransientError(f"{said} gave no answer within {seconds:g} s: it may have been carried out", sent=True)
    if isinstance(
        error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError | urllib3.exceptions.HTTPError
    ):
        return TransientError(
            f"{said} lost its connection before the answer was whole: it may have been carried out", sent=True
        )
    return ContractError(f"{said} got an answer that HTTP does not allow ({type(error).__name__})")
