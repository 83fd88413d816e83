"""What goes into a column comes out equal, whatever an attacker named things."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.model import Alert, Attachment, End, Endpoint, Managed, Proof, Reach, Stage, Survival
from controller.store import codec
from drivers.rules import PortName, Rule
from tests.strategies import MACS, rules

words = st.text(st.characters(exclude_categories=()), max_size=12)
times = st.floats(0, 4e9)
addresses = st.ip_addresses()
macs = st.sampled_from(MACS)
attachments = st.builds(Attachment, words, words.map(PortName), st.none() | st.integers(1, 4094))
endpoints = st.builds(
    Endpoint,
    macs=st.frozensets(macs),
    ips=st.frozensets(addresses, max_size=3),
    attachment=attachments,
    realm=words,
    neighbours=st.frozensets(macs),
    managed=st.sampled_from(Managed),
    type=words,
    role=words,
    owner=words,
    criticality=words,
)
reaches = st.lists(st.builds(Reach, words, words, words, words), max_size=3).map(tuple)
proofs = st.builds(Proof, reaches, reaches, reaches, st.dictionaries(words, st.sampled_from(Survival), max_size=3))
ends = st.builds(End, st.none() | addresses, st.none() | macs, st.none() | st.integers(0, 65535))
alerts = st.builds(
    Alert,
    words,
    words,
    times,
    times,
    words,
    st.none() | words,
    st.integers(1, 5),
    ends,
    ends,
    words,
    words,
    words,
    words,
    st.none() | st.floats(0, 1),
    st.lists(words, max_size=3).map(tuple),
    words,
)


@given(endpoints)
def test_endpoints(value: Endpoint) -> None:
    assert codec.load_endpoint(codec.dump_endpoint(value)) == value


@given(st.none() | proofs)
def test_proofs(value: Proof | None) -> None:
    assert codec.load_proof(codec.dump_proof(value)) == value


@given(alerts)
def test_alerts(value: Alert) -> None:
    assert codec.load_alert(value.id, codec.dump_alert(value)) == value


@given(rules())
def test_rules(value: Rule) -> None:
    back = codec.load_rule(codec.dump_rule(value), value.id)
    assert (back, back.provenance, back.bounce, back.id) == (value, value.provenance, value.bounce, value.id)


@given(st.dictionaries(st.sampled_from(Stage), times))
def test_stages(value: dict[Stage, float]) -> None:
    assert codec.load_stages(codec.dump_stages(value)) == value


@given(st.lists(words).map(tuple))
def test_words(value: tuple[str, ...]) -> None:
    assert codec.load_words(codec.dump_words(value)) == value


@given(endpoints, proofs, alerts)
def test_json_text_can_be_stored_anywhere(endpoint: Endpoint, proof: Proof, alert: Alert) -> None:
    for text in (codec.dump_endpoint(endpoint), codec.dump_proof(proof) or "", codec.dump_alert(alert)):
        assert text.isascii()
        assert "\0" not in text


@given(words)
def test_storable_text_is_text_for_every_database_and_stays_so(text: str) -> None:
    stored = codec.storable(text)
    stored.encode()
    assert "\0" not in stored
    assert codec.storable(stored) == stored
    assert len(stored) == len(text)


def test_a_request_has_one_digest() -> None:
    assert codec.digest("a", 1.0, None) == codec.digest("a", 1.0, None)
    assert codec.digest("a", "b") != codec.digest("ab", "")
