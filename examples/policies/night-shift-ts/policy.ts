// A policy in TypeScript: by night the cheaper target (the last one) comes first, by day the first one.
//
// `npm run build` checks the types, and puts the module, together with a small JavaScript engine (QuickJS), into one file
// of WebAssembly. There it has no clock, no network and no `process`: all that a decision may depend on is in its
// arguments. contract.ts has their types, ../../../wit/policy.wit says what they mean.

import type { Action, Decision, FaultKind, Policy, Situation, Target } from "./contract.js";

const HOUR_MS = 3_600_000;
/** Faults that are the caller's own: another provider would refuse the request as well. */
const CALLERS_OWN: FaultKind[] = ["invalid-request", "context-too-long", "content-policy", "too-large"];

/** Made once for each route that uses this policy; its settings never change afterwards. */
class Router {
  private constructor(
    /** Hours of the day, UTC. */
    private readonly from: number,
    private readonly to: number,
  ) {}

  /** `settings` is the route's `settings` table as JSON. A thrown text refuses it, and is shown to the operator. */
  static open(settings: string, _targets: Target[]): Router {
    const { from = 22, to = 6, ...unknown } = table(settings);
    for (const name of Object.keys(unknown)) throw `unknown setting \`${name}\`: there are \`from\` and \`to\``;
    if (!isHour(from) || !isHour(to)) throw "`from` and `to` are hours, 0 to 23";
    return new Router(from, to);
  }

  /** Called for each request, and again after each attempt that failed. Depends on nothing but `this` and `now`. */
  decide(now: Situation): Decision {
    if (now.running.length > 0) return { action: { tag: "wait" }, reason: "one attempt at a time" };
    if (now.history.some((failed) => CALLERS_OWN.includes(failed.fault))) return giveUp("the request is at fault");
    const night = this.isNight(Math.floor(now.nowUnixMs / HOUR_MS) % 24);
    const tried = new Set(now.history.map((attempt) => attempt.target));
    const waits = (target: number) => Number(now.targets[target]!.readyInMs !== 0);

    const order = [...now.targets.keys()].filter((target) => now.targets[target]!.able);
    if (night) order.reverse();
    order.sort((one, other) => waits(one) - waits(other)); // A stable sort: ready ones first.
    const next = order.find((target) => !tried.has(target));

    if (next === undefined) return giveUp("all were tried");
    return { action: attempt(next), reason: night ? "night" : "day" };
  }

  private isNight(hour: number): boolean {
    return this.from <= this.to ? this.from <= hour && hour < this.to : hour >= this.from || hour < this.to;
  }
}

function isHour(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 23;
}

/** The settings as an object: JSON may be something else, or none at all. */
function table(settings: string): Record<string, unknown> {
  let given: unknown = null;
  try {
    given = JSON.parse(settings);
  } catch {} // No JSON: refused in the same words.
  if (typeof given !== "object" || given === null) throw "the settings must be a table";
  return given as Record<string, unknown>;
}

function giveUp(reason: string): Decision {
  return { action: { tag: "give-up" }, reason };
}

/** An attempt at once, with the timeouts that are configured. */
function attempt(target: number): Action {
  const configured = { firstTokenTimeoutMs: null, idleTimeoutMs: null, hedgeAfterMs: null };
  return { tag: "attempt", val: { target, afterMs: 0, ...configured } };
}

export const policy = { Router } satisfies Policy;
