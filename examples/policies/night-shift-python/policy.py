"""A policy in Python: by night the cheaper target (the last one) comes first, by day the first one.

`build.sh` puts this module, together with CPython itself, into one file of WebAssembly. There it has no clock, no network
and no files: all that a decision may depend on is in its arguments. ../../../wit/policy.wit says what they are; the build
makes Python classes of it (`bindings/wit_world`), in which `now-unix-ms` is `now_unix_ms`, and an `option` may be None.

The build finds the class `Router` by its name in a module that is named as the contract's interface: `policy`.
"""

import json

from componentize_py_types import Err
from wit_world.exports.policy import Action, Action_Attempt, Action_GiveUp, Action_Wait, Attempt, Decision, Situation, Target
from wit_world.imports.faults import FaultKind

HOUR_MS = 3_600_000
# Faults that are the caller's own: another provider would refuse the request as well.
CALLERS_OWN = {
    FaultKind.INVALID_REQUEST,
    FaultKind.CONTEXT_TOO_LONG,
    FaultKind.CONTENT_POLICY,
    FaultKind.TOO_LARGE,
}


class Router:
    """Made once for each route that uses this policy; its settings never change afterwards."""

    def __init__(self, start: int, end: int) -> None:
        self.start = start  # Hours of the day, UTC.
        self.end = end

    @classmethod
    def open(cls, settings: str, targets: list[Target]) -> "Router":
        """`settings` is the route's `settings` table as JSON. An `Err` refuses it; its text is shown to the operator."""
        given = {"from": 22, "to": 6} | table(settings)
        for name in given.keys() - {"from", "to"}:
            raise Err(f"unknown setting `{name}`: there are `from` and `to`")
        if not all(type(hour) is int and 0 <= hour <= 23 for hour in given.values()):
            raise Err("`from` and `to` are hours, 0 to 23")
        return cls(given["from"], given["to"])

    def decide(self, now: Situation) -> Decision:
        """Called for each request, and again after each attempt that failed. Depends on nothing but `self` and `now`."""
        if now.running:
            return Decision(Action_Wait(), "one attempt at a time")
        if any(attempt.fault in CALLERS_OWN for attempt in now.history):
            return Decision(Action_GiveUp(), "the request is at fault")
        hour = now.now_unix_ms // HOUR_MS % 24
        if self.start <= self.end:
            night = self.start <= hour < self.end
        else:
            night = hour >= self.start or hour < self.end

        order = [number for number, target in enumerate(now.targets) if target.able]
        if night:
            order.reverse()
        order.sort(key=lambda number: now.targets[number].ready_in_ms > 0)  # A stable sort: ready ones first.
        tried = {attempt.target for attempt in now.history}
        for number in order:
            if number not in tried:
                return Decision(attempt(number), "night" if night else "day")
        return Decision(Action_GiveUp(), "all were tried")


def table(settings: str) -> dict:
    """The settings as a dict: JSON may be something else, or none at all."""
    try:
        given = json.loads(settings)
    except ValueError:
        given = None  # No JSON: refused in the same words.
    if not isinstance(given, dict):
        raise Err("the settings must be a table")
    return given


def attempt(number: int) -> Action:
    """An attempt at once, with the timeouts that are configured."""
    return Action_Attempt(
        Attempt(number, after_ms=0, first_token_timeout_ms=None, idle_timeout_ms=None, hedge_after_ms=None)
    )
