"""The evaluator of sets against the meaning of single frames: for any rules and any frame they say the same, and no frame is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.network.regions import regions, voices
from drivers.header_sets import EVERYTHING, KINDS, Names, Ranges, frame_of, kind_of, space_of
from drivers.rules import Action, Match, Rule, RuleSet
from drivers.semantics import Crossing, matches, verdict
from tests.strategies import crossings, rule_sets
from tests.strategies import matches as any_match

ALL_ACTIONS = tuple(Action)
numbers = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda two: (two[0], sum(two))), max_size=4)


@given(rule_sets(ALL_ACTIONS), crossings())
def test_a_frame_is_in_exactly_one_region_and_has_its_fate(rules: RuleSet, crossing: Crossing) -> None:
    here = [region for region in regions(voices(rules), EVERYTHING) if region.space.holds(crossing)]
    assert [region.fate for region in here] == [verdict(rules, crossing).fate]


@given(any_match(), crossings())
def test_a_match_speaks_of_what_is_in_its_space(match: Match, crossing: Crossing) -> None:
    assert space_of(match).holds(crossing) is matches(match, crossing)


@given(rule_sets(ALL_ACTIONS), any_match(), crossings())
def test_a_question_about_some_frames_is_answered_about_those(rules: RuleSet, asked: Match, crossing: Crossing) -> None:
    here = [region for region in regions(voices(rules), space_of(asked)) if region.space.holds(crossing)]
    assert len(here) == space_of(asked).holds(crossing)
    assert all(region.fate is verdict(rules, crossing).fate for region in here)


@given(rule_sets(ALL_ACTIONS))
def test_what_decided_is_one_of_the_rules(rules: RuleSet) -> None:
    decided: list[Rule] = [region.rule for region in regions(voices(rules), EVERYTHING) if region.rule is not None]
    assert all(rule.id in rules for rule in decided)


def test_each_kind_is_the_kind_of_its_frame() -> None:
    assert [kind_of(frame_of(kind)) for kind in KINDS] == list(KINDS)
    assert len(set(KINDS)) == len(KINDS)


@given(numbers, numbers, st.integers(0, 50))
def test_ranges_are_sets(a: list[tuple[int, int]], b: list[tuple[int, int]], value: int) -> None:
    one, other = Ranges.of(*a, limit=50), Ranges.of(*b, limit=50)
    in_one, in_other = (any(first <= value <= last for first, last in spans) for spans in (a, b))
    assert one.holds(value) is in_one
    assert (one & other).holds(value) is (in_one and in_other)
    assert (one | other).holds(value) is (in_one or in_other)
    assert (~one).holds(value) is (not in_one)
    assert ~~one == one
    assert bool(one & ~one) is False


@given(
    st.frozensets(st.integers(0, 5)), st.booleans(), st.frozensets(st.integers(0, 5)), st.booleans(), st.integers(0, 6)
)
def test_names_are_sets(a: frozenset[int], not_a: bool, b: frozenset[int], not_b: bool, value: int) -> None:
    one, other = Names(a, not_a), Names(b, not_b)
    in_one, in_other = (value in a) is not not_a, (value in b) is not not_b
    assert (one & other).holds(value) is (in_one and in_other)
    assert (one | other).holds(value) is (in_one or in_other)
    assert (~one).holds(value) is (not in_one)
    assert bool(one & ~one) is False
