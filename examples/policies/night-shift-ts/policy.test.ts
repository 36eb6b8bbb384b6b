import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttemptReport, FaultKind, RequestFacts, RunningAttempt, TargetState } from "./contract.js";
import { policy } from "./policy.js";

const HOUR_MS = 3_600_000;
const READY: TargetState = {
  able: true, circuit: "closed", readyInMs: 0, retryAfterMs: 0, samples: 0, successRate: 1, firstTokenMs: null,
  inFlight: 0, room: null, headroom: null, price: null, warmMs: null, attributes: [],
};
const REQUEST: RequestFacts = {
  operation: "chat", protocol: "openai-chat", stream: true, bodyBytes: 100, inputTokensEstimate: 25, tools: false,
  images: false, documents: false, audio: false, caller: "", conversation: 0, continuing: false, attributes: [],
};

function chosen(
  targets: TargetState[],
  { hour = 12, tried = [] as number[], fault = "overloaded" as FaultKind, running = [] as RunningAttempt[], settings = {} as unknown } = {},
) {
  const history = tried.map((target): AttemptReport => (
    { target, startedAtMs: 0, elapsedMs: 10, fault, status: 529, retryAfterMs: null, attributes: [] }
  ));
  const { action } = policy.Router.open(JSON.stringify(settings), []).decide({
    request: REQUEST, targets, history, running, elapsedMs: 0, remainingMs: 60_000, attemptsLeft: 5,
    nowUnixMs: hour * HOUR_MS, random: 1, sequence: 1, attributes: [],
  });
  return action.tag === "attempt" ? action.val.target : action.tag;
}

test("the first by day, the last by night", () => {
  assert.equal(chosen([READY, READY, READY]), 0);
  assert.equal(chosen([READY, READY, READY], { hour: 23 }), 2);
  assert.equal(chosen([READY, READY], { settings: { from: 11, to: 13 } }), 1);
});

test("each is tried once, then it is over", () => {
  assert.equal(chosen([READY, READY], { tried: [0] }), 1);
  assert.equal(chosen([READY, READY], { tried: [0, 1] }), "give-up");
});

test("ready ones first, and none that cannot serve the request", () => {
  const late = { ...READY, readyInMs: 500 };
  assert.equal(chosen([late, READY]), 1);
  assert.equal(chosen([{ ...READY, able: false }, late]), 1);
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
