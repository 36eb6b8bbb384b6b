// ../../../wit/policy.wit as TypeScript, the way `componentize-qjs` hands it over; what each field means stands there.
// 64-bit integers are numbers: exact up to 2⁵³, as every time and size is, but rounded beyond, and near 2⁶⁴ even negative.
// Of `random` and `conversation` make a share from 0 to 1: `Math.abs(now.random) / 2 ** 63`.

export interface Attribute { name: string; value: string }

export interface Target {
  id: string;
  provider: string;
  model: string;
  weight: number;
  attributes: Attribute[];
}

export interface RequestFacts {
  operation: string;
  protocol: string;
  stream: boolean;
  bodyBytes: number;
  inputTokensEstimate: number;
  tools: boolean;
  images: boolean;
  documents: boolean;
  audio: boolean;
  caller: string;
  conversation: number;
  continuing: boolean;
  attributes: Attribute[];
}

export interface Price { input: number; output: number }

export type Circuit = "closed" | "half-open" | "open";

export interface TargetState {
  able: boolean;
  circuit: Circuit;
  readyInMs: number;
  retryAfterMs: number;
  samples: number;
  successRate: number;
  firstTokenMs: number | null;
  inFlight: number;
  room: number | null;
  headroom: number | null;
  price: Price | null;
  warmMs: number | null;
  attributes: Attribute[];
}

export type FaultKind =
  | "overloaded" | "rate-limited" | "quota-exhausted" | "server-error" | "unavailable" | "timed-out" | "connection"
  | "malformed-reply" | "truncated" | "authentication" | "permission" | "model-not-found" | "invalid-request"
  | "context-too-long" | "content-policy" | "too-large" | "unsupported" | "busy" | "adapter-failed";

export interface AttemptReport {
  target: number;
  startedAtMs: number;
  elapsedMs: number;
  fault: FaultKind;
  status: number;
  retryAfterMs: number | null;
  attributes: Attribute[];
}

export interface RunningAttempt { target: number; startedAtMs: number }

export interface Situation {
  request: RequestFacts;
  targets: TargetState[];
  history: AttemptReport[];
  running: RunningAttempt[];
  elapsedMs: number;
  remainingMs: number;
  attemptsLeft: number;
  nowUnixMs: number;
  random: number;
  sequence: number;
  attributes: Attribute[];
}

export interface Attempt {
  target: number;
  afterMs: number;
  firstTokenTimeoutMs: number | null;
  idleTimeoutMs: number | null;
  hedgeAfterMs: number | null;
}

export type Action = { tag: "attempt"; val: Attempt } | { tag: "wait" } | { tag: "give-up" };

export interface Decision { action: Action; reason: string }

/** What a module exports as `policy`: the resource `router`, as a class. */
export interface Policy {
  Router: {
    /** A thrown string refuses the settings, and is shown to the operator. */
    open(settings: string, targets: Target[]): { decide(situation: Situation): Decision };
  };
}
