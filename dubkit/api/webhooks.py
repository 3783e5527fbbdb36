"""Webhooks: when a job ends, it is sent to the address that its request named.

A name is looked up once, and the address that was checked (:mod:`dubkit.web.addresses`) is the one
that is called; redirects are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from dubkit.errors import InputError
from dubkit.web.addresses import resolve
from dubkit.web.jobs import read_job

from .errors import Refusal, refusal

log = logging.getLogger("dubkit")

TICK = 0.5
"""Seconds between two looks at the jobs whose end somebody wants to know."""
TRIES, PAUSE, TIMEOUT = 4, 5.0, 10.0
"""Attempts, and seconds: between them, growing, and for each."""
ALLOWING = "--allow-private-webhooks"
SIGNATURE = "X-Dubkit-Signature"
"""``sha256=`` and the HMAC of the body with the API's key, if there is one."""


def check_address(address: str, private: bool = False) -> str:
    """The IP address that a webhook leads to. Raises Refusal if it is no address of the web, or,
    unless ``private`` ones are allowed, one of this machine or of a network of its own."""
    try:
        return resolve(address, "the webhook", private=private, allowing=ALLOWING)
    except InputError as failure:
        raise refusal(failure, "webhook") from None


class Webhooks:
    """Jobs whose end is to be sent somewhere, and the thread that does it."""

    def __init__(self, shown: Callable[[Path], Any], key: str, *, private: bool) -> None:
        """``shown`` returns what is sent, given the folder of a job."""
        self.private = private
        self._shown = shown
        self._key = key
        self._waiting: set[Path] = set()
        self._wake = threading.Event()
        threading.Thread(target=self._work, name="webhooks", daemon=True).start()

    def add(self, folder: Path) -> None:
        """Send the job in a folder when it ends."""
        self._waiting.add(folder)
        self._wake.set()

    def _work(self) -> None:
        while True:
            self._wake.wait(None if not self._waiting else TICK)
            self._wake.clear()
            for folder in list(self._waiting):
                try:
                    job = read_job(folder)
                except ValueError:  # it was deleted
                    self._waiting.discard(folder)
                    continue
                if job.over:
                    self._waiting.discard(folder)
                    body = json.dumps(self._shown(folder), ensure_ascii=False).encode()
                    arguments = (str(job.about["webhook"]), body)
                    threading.Thread(target=self._send, args=arguments, daemon=True).start()

    def _send(self, address: str, body: bytes) -> None:
        for attempt in range(TRIES):
            if attempt and threading.Event().wait(PAUSE * attempt):
                return
            try:
                if post(address, body, self._key, private=self.private) < 500:
                    return
            except (Refusal, httpx.HTTPError, OSError) as failure:
                log.info("the webhook was not reached: %s", failure)


def post(address: str, body: bytes, key: str, *, private: bool) -> int:
    """Send a body to an address that is checked again; returns the status. Raises Refusal, and
    httpx.HTTPError if nobody answers."""
    place = check_address(address, private)
    url = httpx.URL(address)
    headers = {"Content-Type": "application/json", "Host": url.netloc.decode("ascii")}
    if key:
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers[SIGNATURE] = f"sha256={signature}"
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client:
        request = client.build_request(
            "POST", url.copy_with(host=place), content=body, headers=headers,
            extensions={"sni_hostname": url.host},
        )  # fmt: skip
        response = client.send(request, stream=True)  # its body is nothing to us
        response.close()
        return response.status_code
