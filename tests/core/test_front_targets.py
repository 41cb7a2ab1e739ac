"""Where the front's connections go, and how they are counted: no sockets needed."""

from __future__ import annotations

import pytest

from gitrelease.front.targets import Count, Instance, Target

ONE = Target("127.0.0.1", 8600, "one")
TWO = Target("127.0.0.1", 8601, "two")


def test_a_backend_with_open_connections_is_counted_after_the_switch_and_forgotten_when_they_have_ended() -> None:
    instance = Instance()
    instance.switch(ONE)
    instance.opened("one")

    instance.switch(TWO)
    assert instance.backends == {"one": Count(open=1, total=1), "two": Count()}

    instance.closed("one")
    instance.switch(TWO)
    assert instance.backends == {"two": Count()}


def test_the_target_itself_is_never_forgotten() -> None:
    instance = Instance()
    instance.switch(ONE)
    instance.opened("one")
    instance.closed("one")

    instance.switch(ONE)

    assert instance.backends == {"one": Count(open=0, total=1)}


def test_giving_up_counts_for_the_instance_and_for_its_target_if_it_has_one() -> None:
    instance = Instance()

    instance.gave_up()
    instance.switch(ONE)
    instance.gave_up()

    assert instance.failed == 2
    assert instance.backends == {"one": Count(failed=1)}


@pytest.mark.parametrize(
    ("text", "target"),
    [("127.0.0.1:8600:one", ONE), ("::1:8600:one", Target("::1", 8600, "one"))],
    ids=["IPv4", "IPv6"],
)
def test_a_target_is_read_from_the_command_line(text: str, target: Target) -> None:
    assert Target.parse(text) == target


@pytest.mark.parametrize("text", ["localhost:8600:one", "127.0.0.1:0:one", "127.0.0.1:65536:one", "127.0.0.1:x:one"])
def test_what_nothing_can_reach_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match=r"no IP address|no port|invalid literal"):
        Target.parse(text)
