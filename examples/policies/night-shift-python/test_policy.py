"""The policy without any WebAssembly: `PYTHONPATH=bindings python3 -m unittest`, after `build.sh`."""

import json
import unittest
from types import SimpleNamespace as Fake

from componentize_py_types import Err
from policy import HOUR_MS, Router
from wit_world.exports.policy import Action_Attempt, Action_GiveUp

NIGHT = 23 * HOUR_MS
NOON = 12 * HOUR_MS
READY = Fake(able=True, ready_in_ms=0)


def chosen(targets, at=NOON, tried=(), **settings):
    history = [Fake(target=target) for target in tried]
    router = Router.open(json.dumps(settings), [])
    match router.decide(Fake(targets=targets, history=history, now_unix_ms=at)).action:
        case Action_Attempt(attempt):
            return attempt.target
        case Action_GiveUp():
            return "give up"


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

    def test_settings_that_make_no_sense_are_refused(self):
        for settings, why in [({"to": 24}, "hours"), ({"form": 20}, "`form`")]:
            with self.subTest(settings), self.assertRaises(Err) as refused:
                chosen([READY], **settings)
            self.assertIn(why, refused.exception.value)
