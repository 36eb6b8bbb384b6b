import assert from "node:assert/strict";
import { test } from "node:test";
import { policy } from "./policy.js";

const NIGHT = 23 * 3_600_000;
const NOON = 12 * 3_600_000;
const READY = { able: true, readyInMs: 0 };

function chosen(targets, { at = NOON, tried = [], fault = "overloaded", running = [], settings = {} } = {}) {
  const router = policy.Router.open(JSON.stringify(settings), []);
  const history = tried.map((target) => ({ target, fault }));
  const { action } = router.decide({ targets, history, running, nowUnixMs: at });
  return action.tag === "attempt" ? action.val.target : action.tag;
}

test("the first by day, the last by night", () => {
  assert.equal(chosen([READY, READY, READY]), 0);
  assert.equal(chosen([READY, READY, READY], { at: NIGHT }), 2);
  assert.equal(chosen([READY, READY], { settings: { from: 11, to: 13 } }), 1);
});

test("each is tried once, then it is over", () => {
  assert.equal(chosen([READY, READY], { tried: [0] }), 1);
  assert.equal(chosen([READY, READY], { tried: [0, 1] }), "give-up");
});

test("ready ones first, and none that cannot serve the request", () => {
  assert.equal(chosen([{ able: true, readyInMs: 500 }, READY]), 1);
  assert.equal(chosen([{ able: false, readyInMs: 0 }, { able: true, readyInMs: 500 }]), 1);
});

test("while one runs it waits, and what is wrong goes nowhere else", () => {
  assert.equal(chosen([READY, READY], { running: [{ target: 0, startedAtMs: 0 }] }), "wait");
  assert.equal(chosen([READY, READY], { tried: [0], fault: "invalid-request" }), "give-up");
});

test("settings that make no sense are refused", () => {
  assert.throws(() => chosen([READY], { settings: { from: 24 } }), /hours/);
  assert.throws(() => chosen([READY], { settings: { form: 20 } }), /`form`/);
  assert.throws(() => chosen([READY], { settings: 5 }), /table/);
});
