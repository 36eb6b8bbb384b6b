"""The policy without any WebAssembly: `PYTHONPATH=bindings python3 -m unittest`, after `build.sh`."""

import json
import unittest
from types import SimpleNamespace as Fake

from componentize_py_types import Err
from policy import HOUR_MS, Router
from wit_world.exports.policy import Action_Attempt, Action_GiveUp, Action_Wait
from wit_world.imports.faults import FaultKind

NIGHT = 23 * HOUR_MS
NOON = 12 * HOUR_MS
READY = Fake(able=True, ready_in_ms=0)


def chosen(targets, at=NOON, tried=(), fault=FaultKind.OVERLOADED, running=(), **settings):
    history = [Fake(target=target, fault=fault) for target in tried]
    router = Router.open(json.dumps(settings), [])
    match router.decide(Fake(targets=targets, history=history, running=running, now_unix_ms=at)).action:
        case Action_Attempt(attempt):
            return attempt.target
        case Action_GiveUp():
            return "give up"
        case Action_Wait():
            return "wait"


class NightShift(unittest.TestCase):
    def test_the_first_by_day_the_last_by_night(self):
        self.assertEqual(chosen([READY, READY, READY]), 0)
        self.assertEqual(chosen([READY, READY, READY], at=NIGHT), 2)
        self.assertEqual(chosen([READY, READY], **{"from": 11, "to": 13}), 1)

    def test_each_is_tried_once_then_it_is_over(self):
        self.assertEqual(chosen([READY, READY], tried=[0]), 1)
        self.assertEqual(chosen([READY, READY], tried=[0, 1]), "give up")

    def test_ready_ones_first_and_none_that_cannot_serve(self):
        late = Fake(able=True, ready_in_ms=500)
        self.assertEqual(chosen([late, READY]), 1)
        self.assertEqual(chosen([Fake(able=False, ready_in_ms=0), late]), 1)

    def test_while_one_runs_it_waits_and_what_is_wrong_goes_nowhere_else(self):
        self.assertEqual(chosen([READY, READY], running=[Fake(target=0, started_at_ms=0)]), "wait")
        self.assertEqual(chosen([READY, READY], tried=[0], fault=FaultKind.INVALID_REQUEST), "give up")

    def test_settings_that_make_no_sense_are_refused(self):
        for settings, why in [({"to": 24}, "hours"), ({"form": 20}, "`form`")]:
            with self.subTest(settings), self.assertRaises(Err) as refused:
                chosen([READY], **settings)
            self.assertIn(why, refused.exception.value)
        for settings in ["5", "true", "null", "[]", "{", ""]:
            with self.subTest(settings), self.assertRaises(Err) as refused:
                Router.open(settings, [])
            self.assertIn("table", refused.exception.value)
