// A policy in JavaScript: by night the cheaper target (the last one) comes first, by day the first one.
//
// This is an ordinary module without dependencies. `npm run build` puts it, together with a small JavaScript engine
// (QuickJS), into one file of WebAssembly. There it has no clock, no network and no `process`: all that a decision may
// depend on is in its arguments. ../../../wit/policy.wit says what they are; names like `now-unix-ms` become `nowUnixMs`,
// and what is `option` there may be `null` here.

const HOUR_MS = 3_600_000;
/** Faults that are the caller's own: another provider would refuse the request as well. */
const CALLERS_OWN = ["invalid-request", "context-too-long", "content-policy", "too-large"];

/** Made once for each route that uses this policy; its settings never change afterwards. */
class Router {
  /** `settings` is the route's `settings` table as JSON. A thrown text refuses it, and is shown to the operator. */
  static open(settings, _targets) {
    const { from = 22, to = 6, ...unknown } = table(settings);
    for (const name of Object.keys(unknown)) throw `unknown setting \`${name}\`: there are \`from\` and \`to\``;
    const isHour = (value) => Number.isInteger(value) && value >= 0 && value <= 23;
    if (!isHour(from) || !isHour(to)) throw "`from` and `to` are hours, 0 to 23";
    return new Router(from, to);
  }

  constructor(from, to) {
    this.from = from; // Hours of the day, UTC.
    this.to = to;
  }

  /** Called for each request, and again after each attempt that failed. Depends on nothing but `this` and `now`. */
  decide(now) {
    if (now.running.length > 0) return { action: { tag: "wait" }, reason: "one attempt at a time" };
    if (now.history.some((failed) => CALLERS_OWN.includes(failed.fault))) return giveUp("the request is at fault");
    const hour = Math.floor(now.nowUnixMs / HOUR_MS) % 24;
    const night =
      this.from <= this.to ? this.from <= hour && hour < this.to : hour >= this.from || hour < this.to;
    const isTried = (target) => now.history.some((attempt) => attempt.target === target);
    const isReady = (target) => now.targets[target].readyInMs === 0;

    let order = [...now.targets.keys()].filter((target) => now.targets[target].able);
    if (night) order.reverse();
    order = [...order.filter(isReady), ...order.filter((target) => !isReady(target))];
    const next = order.find((target) => !isTried(target));

    if (next === undefined) return giveUp("all were tried");
    return { action: { tag: "attempt", val: attempt(next) }, reason: night ? "night" : "day" };
  }
}

/** The settings as an object: JSON may be something else, or none at all. */
function table(settings) {
  let given = null;
  try {
    given = JSON.parse(settings);
  } catch {} // No JSON: refused in the same words.
  if (typeof given !== "object" || given === null) throw "the settings must be a table";
  return given;
}

function giveUp(reason) {
  return { action: { tag: "give-up" }, reason };
}

/** An attempt at once, with the timeouts that are configured. */
function attempt(target) {
  return { target, afterMs: 0, firstTokenTimeoutMs: null, idleTimeoutMs: null, hedgeAfterMs: null };
}

/** What the contract calls the interface `policy` with its resource `router`. */
export const policy = { Router };
