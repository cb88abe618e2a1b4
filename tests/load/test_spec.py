"""The one-line grammar of targets."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load import TargetSpec
from nwbdecode.load.derivations import DERIVATIONS
from nwbdecode.load.spec import escaped, split_columns

PARTS = st.text("abcXYZ019_-. é", min_size=1, max_size=8).filter(lambda s: s == s.strip())
COLUMNS = st.lists(PARTS | st.just("*"), max_size=3).map(
    lambda names: f"[{','.join(names)}]" if names else ""
)
PATHS = st.tuples(st.lists(PARTS, min_size=1, max_size=4).map("/".join), COLUMNS).map("".join)
POSITIVE = st.floats(0, 1e6, allow_nan=False)


@st.composite
def target_specs(draw: st.DrawFn) -> TargetSpec:
    derivation = draw(st.sampled_from(["", *DERIVATIONS]))
    kind = draw(st.sampled_from(["", "linear", "circular", "categorical"]))
    options: dict[str, float] = {}
    n = 1
    if derivation:
        made = DERIVATIONS[derivation]
        kind = draw(st.sampled_from(["", made.kind]))
        n = draw(st.sampled_from(made.sources))
        for option in draw(st.sets(st.sampled_from([*made.defaults, "none"]))) - {"none"}:
            values = st.just(math.inf) | POSITIVE if option == "max_gap" else POSITIVE
            values = values | st.floats(-1e3, 1e3) if option in made.signed else values
            options[option] = draw(values)
    return TargetSpec(
        paths=tuple(draw(PATHS) for _ in range(n)),
        derivation=derivation,
        options=options,
        kind=kind,
        name=draw(st.just("") | PARTS),
    )


@given(target_specs())
def test_a_spec_written_and_read_again_is_equal(spec: TargetSpec) -> None:
    again = TargetSpec.parse(str(spec))
    assert again == spec
    assert str(again) == str(spec)
    assert hash(again) == hash(spec)


@given(st.text("ab/=:,@()[]*1.", max_size=20))
def test_no_text_ends_in_a_foreign_error(text: str) -> None:
    with contextlib.suppress(NWBDecodeError):
        TargetSpec.parse(text)


def test_every_part_of_the_grammar_is_read() -> None:
    spec = TargetSpec.parse(" run = A/led1 : speed( median = 0.3, max_gap=inf ) @linear")
    assert spec == TargetSpec(
        ("A/led1",), "speed", {"median": 0.3, "max_gap": math.inf}, "linear", "run"
    )
    assert TargetSpec.parse("hd=A/led1,A/led2:head_direction").paths == ("A/led1", "A/led2")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A/led1", "led1"),
        ("A/led1:speed", "speed"),
        ("v=A/led1:speed", "v"),
        ("tone@linear", "tone"),
        ("A/pose[3,*]", "pose_3"),
        ("A/led1[x,y]", "led1_x_y"),
        ("A/led1[x]:speed", "speed"),
        ("trials/choice,trials/cue:window(start=-1,stop=0)", "choice"),
    ],
)
def test_the_name_is_given_or_the_derivation_or_the_last_part(text: str, label: str) -> None:
    assert TargetSpec.parse(text).label == label


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("led1:sped", "Did you mean 'speed'"),
        ("led1:speed(gausian=1)", "Did you mean 'gaussian'"),
        ("led1:speed(gaussian=wide)", "is no NAME=NUMBER"),
        ("led1:speed(gaussian=-1)", "zero or a positive"),
        ("led1:speed(gaussian=nan)", "zero or a positive"),
        ("led1:speed(gaussian=inf)", "only max_gap may be inf"),
        ("led1@angle", "unknown kind 'angle'"),
        ("led1:speed@circular", "cannot be circular"),
        ("led1,led2", "no derivation"),
        ("led1,led2:speed", "takes 1 path"),
        ("led1:", "derivation in 'led1:' is empty"),
        ("=led1", "name in '=led1' is empty"),
        ("led1(median=1)", "expected"),
        ("", "expected"),
        (":speed", "expected"),
        ("a/b=led1", "may not hold a '/'"),
        ("led1[]", "is no path"),
        ("led1[x,]", "is no path"),
        ("led1[x", "is no path"),
        ("led1[x]y", "is no path"),
        ("trials/choice:near(stop=inf)", "only max_gap may be inf"),
        ("trials/choice:since(most=-1)", "zero or a positive"),
        ("trials/choice:near@linear", "cannot be linear"),
    ],
)
def test_a_faulty_spec_is_answered_with_what_is_expected(text: str, message: str) -> None:
    with pytest.raises(NWBDecodeError, match=message):
        TargetSpec.parse(text)


def test_a_name_in_the_file_may_hold_what_the_grammar_keeps_for_itself() -> None:
    path = "behavior/speed, cm=s [x] (raw): @1"
    spec = TargetSpec.parse(f"{escaped(path)}[0,2]:speed(gaussian=0.1)@linear")
    assert split_columns(spec.paths[0]) == (path, ("0", "2"))
    assert TargetSpec.parse(str(spec)) == spec
    assert TargetSpec((escaped(path),)).label == "speed_cm_s_x_raw_1"
    literal = "behavior/100 %28 in/out %"
    assert split_columns(escaped(literal)) == (literal, ())


def test_a_name_that_is_not_escaped_is_answered_with_how_to_write_it() -> None:
    with pytest.raises(NWBDecodeError, match=r"write it as .*%3D for =.*%5B for \["):
        TargetSpec(("behavior/speed [x] now",))
