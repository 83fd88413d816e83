"""A signed webhook is let in without a token, for its own source alone, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from controller.config import Config
from controller.errors import ConfigError
from controller.webhooks import SignatureRefused, Webhook, WebhookFile, load
from controller.yaml_source import parse_model

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
NOW = 1_800_000_000.0
GITHUB = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""The signature that GitHub's documentation gives for this secret and this body, to test with."""


def webhook(**how: Any) -> Webhook:
    read = WebhookFile.model_validate({"source": "our-ndr", "secret_env": "S"} | how)
    return load((read,), {"S": SECRET})["our-ndr"]


def timed(at: float, **how: Any) -> tuple[Webhook, dict[str, str]]:
    made = webhook(timestamp_header="X-Time", signed="v0:{timestamp}:{body}", prefix="v0=", header="X-Sig", **how)
    said = f"{at:.0f}"
    mac = hmac.new(SECRET.encode(), b"v0:" + said.encode() + b":" + BODY, hashlib.sha256).hexdigest()
    return made, {"X-Sig": f"v0={mac}", "X-Time": said}


def test_githubs_own_example() -> None:
    webhook().verify({"X-Hub-Signature-256": GITHUB}, BODY, NOW)


@pytest.mark.parametrize(
    ("signature", "body", "reason"),
    [
        (GITHUB, b"Hello, World?", "not of this body"),
        (GITHUB[:-1] + "8", BODY, "not of this body"),
        (GITHUB.removeprefix("sha256="), BODY, "begins with 'sha256='"),
        ("sha256=", BODY, "not of this body"),
        ("sha256=zz", BODY, "not of this body"),
        ("sha256=²", BODY, "not of this body"),
        (GITHUB + "00", BODY, "not of this body"),
        ("", BODY, "needs a token, or a signature"),
    ],
)
def test_anything_else_is_refused_and_tells_no_secret(signature: str, body: bytes, reason: str) -> None:
    with pytest.raises(SignatureRefused, match=reason) as caught:
        webhook().verify({"X-Hub-Signature-256": signature}, body, NOW)
    assert GITHUB[7:] not in str(caught.value)
    assert SECRET not in f"{caught.value}{webhook()!r}"


def test_another_secret_and_another_algorithm_sign_otherwise() -> None:
    with pytest.raises(SignatureRefused):
        load((WebhookFile(source="x", secret_env="S"),), {"S": "x" * 16})["x"].verify(
            {"X-Hub-Signature-256": GITHUB}, BODY, NOW
        )
    right = base64.b64encode(hmac.new(SECRET.encode(), BODY, hashlib.sha512).digest()).decode()
    webhook(algorithm="sha512", encoding="base64", prefix="").verify({"X-Hub-Signature-256": right}, BODY, NOW)


def test_a_signed_time_closes_the_window() -> None:
    for at in (NOW, NOW - 299, NOW + 299):
        made, headers = timed(at)
        made.verify(headers, BODY, NOW)
    for at in (NOW - 301, NOW + 301):
        made, headers = timed(at)
        with pytest.raises(SignatureRefused, match="not within 300 s"):
            made.verify(headers, BODY, NOW)
    made, headers = timed(NOW - 301)
    with pytest.raises(SignatureRefused, match="not of this body"):
        made.verify(headers | {"X-Time": f"{NOW:.0f}"}, BODY, NOW)
    with pytest.raises(SignatureRefused, match="in the header X-Time"):
        made.verify({"X-Sig": headers["X-Sig"]}, BODY, NOW)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"secret_env": None}, "one of secret_file and secret_env"),
        ({"secret_file": "/x"}, "one of secret_file and secret_env"),
        ({"signed": "{timestamp}{body}"}, "write timestamp_header together"),
        ({"timestamp_header": "X-Time"}, "write timestamp_header together"),
        ({"signed": "body"}, "holds {body} once"),
        ({"algorithm": "sha1"}, "algorithm"),
    ],
)
def test_what_is_half_configured_is_a_mistake(how: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        webhook(**how)
    assert reason in str(caught.value)


def test_secrets_are_long_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    how = WebhookFile(source="our-ndr", secret_file=path)
    path.chmod(stat.S_IRUSR | stat.S_IRGRP)
    with pytest.raises(ConfigError, match="can be read by others"):
        load((how,))
    path.chmod(stat.S_IRUSR)
    load((how,))["our-ndr"].verify({"X-Hub-Signature-256": GITHUB}, BODY, NOW)
    for short in (WebhookFile(source="x", secret_env="S"), WebhookFile(source="x", secret_file=tmp_path / "none")):
        with pytest.raises(ConfigError, match="missing, or shorter"):
            load((short,), {"S": "short"})


def test_a_webhook_is_of_a_source_that_there_is_and_of_each_once() -> None:
    one = {"source": "zeek", "secret_env": "S"}
    assert Config.model_validate({"intake": {"webhooks": [one]}}).intake.webhooks[0].source == "zeek"
    with pytest.raises(ConfigError, match=r"x:1: intake.webhooks.0.source: no alert source 'snort'"):
        parse_model(str({"intake": {"webhooks": [one | {"source": "snort"}]}}), Config, "x")
    with pytest.raises(ConfigError, match="'zeek' signs in two ways"):
        parse_model(str({"intake": {"webhooks": [one, one]}}), Config, "x")
