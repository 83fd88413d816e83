"""Webhooks that sign what they send: a keyed hash (HMAC, RFC 2104) of the body in a header, in place of a token.

intake:
  webhooks:
    - source: our-ndr
      secret_file: /etc/netcordon/our-ndr.secret
      header: X-Hub-Signature-256
      prefix: sha256=
    - source: elastic
      secret_env: ELASTIC_SECRET
      header: X-Signature
      encoding: base64
      timestamp_header: X-Signature-Time
      signed: "{timestamp}.{body}"
      window: 5m

The defaults are those of GitHub's webhooks (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries). A body that
somebody sends again is a duplicate by its alerts' keys; where the sender signs a time as well, it is refused once that is too old.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from controller.credentials import read_private
from controller.durations import parse_duration
from controller.errors import ConfigError
from controller.mapping_file import NAME

SHORTEST_SECRET = 16
_TIMESTAMP, _BODY = "{timestamp}", "{body}"
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,80}$")]


class WebhookFile(BaseModel):
    """How one source signs. `signed`: what the hash is of. `window`: how far the signed time (seconds since the epoch) may be from ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str = Field(pattern=NAME)
    secret_file: Path | None = None
    secret_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    header: HeaderName = "X-Hub-Signature-256"
    prefix: str = Field(default="sha256=", max_length=20)
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: HeaderName | None = None
    signed: str = Field(default=_BODY, max_length=100)
    window: Annotated[float, BeforeValidator(parse_duration)] = 300.0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("one of secret_file and secret_env says where the secret is")
        if self.signed.count(_BODY) != 1 or self.signed.count(_TIMESTAMP) > 1:
            raise ValueError(
                f"`signed` holds {_BODY} once, and {_TIMESTAMP} once where the time is signed: {self.signed!r}"
            )
        if (self.timestamp_header is None) != (_TIMESTAMP not in self.signed):
            raise ValueError(
                f"write timestamp_header together with {_TIMESTAMP} in `signed`, or neither: a time that is not signed is anybody's"
            )
        return self


class SignatureRefused(Exception):
    """Why, in words that tell the sender and nobody else anything: never the secret, never the right signature."""


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """One source's signatures. Its secret is in no representation of it."""

    how: WebhookFile
    secret: bytes

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises SignatureRefused for what can be told before the body is read."""
        for name in (self.how.header, self.how.timestamp_header):
            if name is not None and not headers.get(name):
                raise SignatureRefused(f"this needs a token, or a signature in the header {name}")

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Raises SignatureRefused unless the body was signed with the secret, and lately where a time is signed. The comparison takes as
        long whatever is compared."""
        self.check(headers)
        given = headers[self.how.header]
        time = "" if self.how.timestamp_header is None else headers[self.how.timestamp_header]
        before, _, after = self.how.signed.partition(_BODY)
        parts = (
            before.replace(_TIMESTAMP, time).encode("utf-8", "replace"),
            body,
            after.replace(_TIMESTAMP, time).encode("utf-8", "replace"),
        )
        right = hmac.new(self.secret, b"".join(parts), getattr(hashlib, self.how.algorithm)).digest()
        if not given.startswith(self.how.prefix):
            raise SignatureRefused(f"the signature in {self.how.header} begins with {self.how.prefix!r}")
        if not hmac.compare_digest(self._decoded(given.removeprefix(self.how.prefix)), right):
            raise SignatureRefused(f"the signature in {self.how.header} is not of this body under this source's secret")
        if self.how.timestamp_header is not None and not _near(time, now, self.how.window):
            raise SignatureRefused(
                f"the time in {self.how.timestamp_header} is not within {self.how.window:g} s of ours"
            )

    def _decoded(self, said: str) -> bytes:
        try:
            if self.how.encoding == "hex":
                return bytes.fromhex(said) if said.isascii() else b""
            return base64.b64decode(said, validate=True)
        except (ValueError, binascii.Error):
            return b""


def _near(said: str, now: float, window: float) -> bool:
    return said.isascii() and said.isdecimal() and len(said) <= 12 and abs(now - int(said)) <= window


def load(webhooks: tuple[WebhookFile, ...], environment: Mapping[str, str] = os.environ) -> Mapping[str, Webhook]:
    """Each source's, with its secret. Raises ConfigError for a secret that is not there, too short to be one, or open to others."""
    return {how.source: Webhook(how, _secret(how, environment)) for how in webhooks}


def _secret(how: WebhookFile, environment: Mapping[str, str]) -> bytes:
    if how.secret_env is not None:
        secret, where = environment.get(how.secret_env, "").strip(), f"${how.secret_env}"
    else:
        path = (how.secret_file or Path()).expanduser()
        secret, where = read_private(path), str(path)
    if len(secret) < SHORTEST_SECRET:
        raise ConfigError(
            f"webhook of {how.source}: the secret in {where} is missing, or shorter than {SHORTEST_SECRET} characters"
        )
    return secret.encode()
