//! The one wasmtime engine of the process, and what bounds a call into a plugin.
//!
//! Time is what the thread has computed (its CPU clock), read when an epoch passes: a call that waits for a core, because the
//! machine is overloaded, is charged nothing for waiting, so an innocent plugin is not cut. After a tick's work the call also
//! yields, so that a runaway shares its thread until it is cut. A call that is over within a tick reads no clock.
//!
//! A simulation has no real time to count. There, time is fuel: instructions, the same number in every run, and no yield.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Config, Engine, ResourceLimiter, Store, UpdateDeadline};

use super::tally::{One, Tally};

/// How long one tick is.
const TICK: Duration = Duration::from_millis(1);
/// Instructions that count as a tick where fuel is counted: about as many as run in a millisecond.
const FUEL_PER_TICK: u64 = 2_000_000;
/// Native stack of a call, of which the guest may use half.
const STACK_BYTES: usize = 1024 * 1024;

/// What one plugin may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Ticks of about a millisecond that a call may run.
    pub ticks: u32,
    /// Ticks that making an instance and opening it may take.
    pub opening_ticks: u32,
    /// Linear memory, all memories of a component together.
    pub memory_bytes: usize,
    /// What a call may hand back, as the host counts it while copying.
    pub output_bytes: usize,
}

/// A decision is numbers and a short sentence. Interpreted languages need more than that to begin: CPython 13 MB of memory
/// before the first line of a policy, and 2 to 6 ticks of opening in an unoptimised host (11 and more on a machine with a
/// load of 20); QuickJS 1.5 MB, and a tick at most (measured by `tests/tests/languages.rs`, 2026-11-25).
pub const POLICY: Limits = Limits { ticks: 10, opening_ticks: 100, memory_bytes: 128 << 20, output_bytes: 256 << 10 };
/// A codec sees whole bodies: `config::defaults::BODY_BYTES_MAX` of them, and what it makes of them.
pub const CODEC: Limits = Limits { ticks: 20, opening_ticks: 20, memory_bytes: 64 << 20, output_bytes: 128 << 20 };
/// A body of this size earns a call one more tick, up to [`BODY_TICKS_MAX`]. A long session of Claude Code (475 kB, 400 tool calls)
/// takes 11 ms to encode where this was measured, 0.05 ms for this size; bodies of many small values take ten times that, and the rest
/// is for slower machines.
const BYTES_PER_TICK: usize = 2 << 10;
/// Four seconds: nobody's body is worth more.
const BODY_TICKS_MAX: usize = 4_096;

/// A call on a large body may have so many times its bytes of memory beside its limit: what it is given, what it reads of
/// that, what it makes of it, and vectors that double as they grow. So an image of 16 MB passes.
const MEMORY_PER_BYTE: usize = 8;

/// Linear memory of all guests together, beyond what each had when it was opened. Four calls on the largest bodies, or a
/// thousand usual ones, run at once; a large call that comes then is refused, because the gateway is full.
const GUESTS_BYTES_MAX: usize = 1 << 30;
/// What a guest may grow by even then: the pieces of a reply that is on its way need little, and must not be cut because of others'
/// large bodies.
const SMALL_BYTES: usize = 8 << 20;
/// Linear memory that a guest may have before its first call even then: interpreters such as CPython start with 13 MB.
const OPENING_BYTES: usize = 32 << 20;

/// Of all guests of the process.
static MEMORY: Memory = Memory { bytes: AtomicUsize::new(0), most: GUESTS_BYTES_MAX };

/// What guests use together.
#[derive(Debug)]
struct Memory {
    bytes: AtomicUsize,
    most: usize,
}

impl Memory {
    fn is_short(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.most / 2
    }
}

/// Guests use so much memory together that none should be kept that is not used.
pub fn is_memory_short() -> bool {
    MEMORY.is_short()
}

/// The engine, made at the first call.
///
/// # Errors
/// When this machine cannot run WebAssembly as we need it (no executable memory, an unknown processor).
pub fn engine() -> anyhow::Result<&'static Engine> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    engine.as_ref().map_err(|error| anyhow!("starting the WebAssembly engine: {error}"))
}

/// From now on, and before the engine's first use: count fuel instead of ticks, so that two runs are alike to the last
/// instruction. For processes that simulate.
///
/// # Errors
/// When the engine was used already.
pub fn count_fuel() -> anyhow::Result<()> {
    ensure!(*FUEL.get_or_init(|| true), "the WebAssembly engine runs already, and counts ticks");
    Ok(())
}

static FUEL: OnceLock<bool> = OnceLock::new();

/// Did somebody call [`count_fuel`]? It is too late for that afterwards.
pub fn counts_fuel() -> bool {
    *FUEL.get_or_init(|| false)
}

/// One that only compiles, and counts nothing: what it makes, [`engine`] can run.
///
/// # Errors
/// See [`engine`].
pub fn compiling() -> anyhow::Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model(true).epoch_interruption(!counts_fuel()).consume_fuel(counts_fuel());
    config.async_stack_size(STACK_BYTES).max_wasm_stack(STACK_BYTES / 2);
    Engine::new(&config).map_err(explained)
}

/// Engines with the same number make the same of a component: the same version, settings and processor.
///
/// # Errors
/// See [`engine`].
pub fn fingerprint() -> anyhow::Result<u64> {
    // Its numbers stay the same; if a later Rust changed them, everything would be compiled once more.
    let mut hasher = DefaultHasher::new();
    engine()?.precompile_compatibility_hash().hash(&mut hasher);
    Ok(hasher.finish())
}

fn start() -> anyhow::Result<Engine> {
    let engine = compiling()?;
    if counts_fuel() {
        return Ok(engine);
    }
    let ticking = engine.weak();
    std::thread::Builder::new()
        .name("plugin-ticks".to_owned())
        .spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                #[expect(clippy::disallowed_methods, reason = "plugin time is real time, on a thread of its own")]
                std::thread::sleep(TICK);
            }
        })
        .context("starting the thread that counts plugin time")?;
    Ok(engine)
}

/// What the host keeps beside an instance: its limits, and how far it has used them.
#[derive(Debug)]
pub struct Guest {
    limits: Limits,
    /// What the call may still compute.
    cpu_left: Duration,
    /// Since it went on: the thread's CPU clock when it was last read, and what was charged.
    segment: Option<Segment>,
    /// Where fuel is counted: what the call was given.
    fuel_given: u64,
    /// What linear memory may be now, for a call on a body of some size.
    memory_bytes_max: usize,
    memory_bytes: usize,
    /// Of that, what was in use when it was opened, and its first call began.
    opened_bytes: Option<usize>,
    /// Of that, what counts in `memory`.
    counted_bytes: usize,
    memory: &'static Memory,
    /// Which limit ended the call, when one did: wasmtime's error text would have to be searched otherwise.
    pub exceeded: Option<Exceeded>,
    /// Counted as long as the store is there.
    _one: One,
}

/// A piece of a call between two yields, which is on one thread.
#[derive(Clone, Copy, Debug)]
struct Segment {
    cpu_at: Duration,
    charged: Duration,
}

/// What becomes of a call when an epoch has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Cut,
    GoOn,
    Yield,
}

/// A limit that a plugin ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    Time,
    Memory,
    /// All guests together.
    AllMemory,
}

/// An empty store with these limits, counted as an instance.
///
/// # Errors
/// See [`engine`].
pub fn store(limits: Limits, tally: &Tally) -> anyhow::Result<Store<Guest>> {
    let mut store = Store::new(engine()?, Guest::new(limits, tally));
    store.limiter(|guest| guest);
    if counts_fuel() {
        return Ok(store);
    }
    store.epoch_deadline_callback(|mut context| {
        Ok(match context.data_mut().at_epoch(thread_cpu()) {
            Next::Cut => UpdateDeadline::Interrupt,
            Next::GoOn => UpdateDeadline::Continue(1),
            Next::Yield => UpdateDeadline::Yield(1),
        })
    });
    Ok(store)
}

/// Give a store its full limits again, before a call that works on `body_bytes`.
pub fn arm(store: &mut Store<Guest>, body_bytes: usize) {
    let more = u32::try_from((body_bytes / BYTES_PER_TICK).min(BODY_TICKS_MAX)).unwrap_or(u32::MAX);
    let guest = store.data_mut();
    if guest.opened_bytes.is_none() {
        guest.opened_bytes = Some(guest.memory_bytes);
        // Pages that it has not written are shared by all instances.
        guest.uncount();
    }
    let ticks = guest.limits.ticks.saturating_add(more);
    guest.memory_bytes_max = guest.limits.memory_bytes.saturating_add(body_bytes.saturating_mul(MEMORY_PER_BYTE));
    set_ticks(store, ticks);
}

/// Give a new store what making an instance in it, and opening that, may take.
pub fn arm_to_open(store: &mut Store<Guest>) {
    let ticks = store.data().limits.opening_ticks;
    set_ticks(store, ticks);
}

fn set_ticks(store: &mut Store<Guest>, ticks: u32) {
    if counts_fuel() {
        // Only an engine that counts none refuses it.
        let fuel = u64::from(ticks) * FUEL_PER_TICK;
        let _ = store.set_fuel(fuel);
        store.data_mut().fuel_given = fuel;
    } else {
        let guest = store.data_mut();
        (guest.cpu_left, guest.segment) = (TICK.saturating_mul(ticks), None);
        store.set_epoch_deadline(1);
    }
    let output_bytes = store.data().limits.output_bytes;
    store.set_hostcall_fuel(output_bytes);
}

/// Instructions that the last call took, where they are counted.
pub fn fuel_used(store: &Store<Guest>) -> u64 {
    store.get_fuel().map_or(0, |left| store.data().fuel_given.saturating_sub(left))
}

/// What this thread has computed since it began.
fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

impl Guest {
    fn new(limits: Limits, tally: &Tally) -> Guest {
        Guest {
            limits,
            cpu_left: TICK * limits.ticks,
            segment: None,
            fuel_given: 0,
            memory_bytes_max: limits.memory_bytes,
            memory_bytes: 0,
            opened_bytes: None,
            counted_bytes: 0,
            memory: &MEMORY,
            exceeded: None,
            _one: tally.instances.one_more(),
        }
    }

    /// An epoch has passed since the call went on, or since the last time. What it computed before the first of them is not
    /// known: it is taken to be like what it computes until the second.
    fn at_epoch(&mut self, cpu: Duration) -> Next {
        let Some(Segment { cpu_at, charged }) = self.segment else {
            self.segment = Some(Segment { cpu_at: cpu, charged: Duration::ZERO });
            return Next::GoOn;
        };
        let used = cpu.saturating_sub(cpu_at);
        let charge = if charged.is_zero() { used + used.min(TICK) } else { used };
        let Some(left) = self.cpu_left.checked_sub(charge) else {
            self.exceeded = Some(Exceeded::Time);
            return Next::Cut;
        };
        self.cpu_left = left;
        let charged = charged + charge;
        self.segment = (charged < TICK).then_some(Segment { cpu_at: cpu, charged });
        if charged < TICK { Next::GoOn } else { Next::Yield }
    }

    fn uncount(&mut self) {
        self.memory.bytes.fetch_sub(std::mem::take(&mut self.counted_bytes), Ordering::Relaxed);
    }

    /// What linear memory has grown by, in bytes, since the first call began. It never shrinks while the instance lives.
    pub fn grown_bytes(&self) -> usize {
        self.opened_bytes.map_or(0, |opened| self.memory_bytes.saturating_sub(opened))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.uncount();
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // A component may have several memories.
        let all = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if all > self.memory_bytes_max {
            self.exceeded = Some(Exceeded::Memory);
            // An error rather than a refusal: a guest that is told "no" would go on without its memory.
            return Err(wasmtime::Error::msg(format!("more than {} bytes of memory", self.memory_bytes_max)));
        }
        let more = desired.saturating_sub(current);
        self.counted_bytes = self.counted_bytes.saturating_add(more);
        let is_full = self.memory.bytes.fetch_add(more, Ordering::Relaxed).saturating_add(more) > self.memory.most;
        let is_small = match self.opened_bytes {
            Some(opened) => all.saturating_sub(opened) <= SMALL_BYTES,
            None => all <= OPENING_BYTES,
        };
        if is_full && !is_small {
            self.exceeded = Some(Exceeded::AllMemory);
            return Err(wasmtime::Error::msg("all plugins together use as much memory as they may"));
        }
        self.memory_bytes = all;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        const ELEMENTS: usize = 20_000;
        Ok(desired <= ELEMENTS)
    }
}

/// The whole chain of a wasmtime error, as our own kind of error.
pub fn explained(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(limits: Limits) -> Guest {
        let tally = Tally::new("x", "");
        Guest::new(limits, &tally)
    }

    /// Faults: F132
    #[test]
    fn a_call_that_waits_for_a_core_is_charged_nothing() {
        let (mut waits, mut cpu) = (guest(POLICY), Duration::ZERO);
        for _ in 0..1_000 {
            // A hundred microseconds of a core between two epochs: the others had it.
            cpu += TICK / 200;
            assert_ne!(waits.at_epoch(cpu), Next::Cut, "{cpu:?}");
        }
        let (mut runs, mut cpu, mut epochs) = (guest(POLICY), Duration::ZERO, 0);
        let mut yields = 0;
        loop {
            cpu += TICK;
            epochs += 1;
            match runs.at_epoch(cpu) {
                Next::Cut => break,
                Next::Yield => yields += 1,
                Next::GoOn => {}
            }
        }
        assert_eq!((epochs, yields, runs.exceeded), (12, 5, Some(Exceeded::Time)), "ten ticks, and the next one");
    }

    /// Faults: F134
    #[test]
    fn all_guests_together_have_so_much_memory() {
        let memory: &'static Memory = Box::leak(Box::new(Memory { bytes: AtomicUsize::new(0), most: 1 << 30 }));
        let new = || {
            let mut one = guest(Limits { memory_bytes: 128 << 20, ..CODEC });
            one.memory = memory;
            one
        };
        let mut guests: Vec<Guest> = Vec::new();
        let full = (0..100).find(|_| {
            let mut one = new();
            let grown = one.memory_growing(0, 120 << 20, None);
            let is_full = one.exceeded == Some(Exceeded::AllMemory);
            assert_eq!(grown.is_err(), is_full);
            guests.push(one);
            is_full
        });
        assert_eq!((full, memory.is_short()), (Some(8), true));
        // Who needs little is not cut, whoever took the rest.
        let mut small = new();
        assert!(small.memory_growing(0, 2 << 20, None).is_ok());
        small.opened_bytes = Some(small.memory_bytes);
        assert!(small.memory_growing(2 << 20, 10 << 20, None).is_ok());
        assert!(small.memory_growing(10 << 20, 11 << 20, None).is_err() && small.exceeded == Some(Exceeded::AllMemory));
        guests.clear();
        assert_eq!((new().memory_growing(0, 100 << 20, None).is_ok(), memory.is_short()), (true, false));
    }

    #[tokio::test]
    async fn memory_is_a_multiple_of_what_a_call_works_on() {
        let mut store = store(CODEC, &Tally::new("x", "")).expect("a store");
        arm(&mut store, 0);
        assert_eq!(store.data().memory_bytes_max, CODEC.memory_bytes);
        let largest = usize::try_from(crate::config::defaults::BODY_BYTES_MAX).expect("it fits");
        arm(&mut store, largest);
        assert_eq!(store.data().memory_bytes_max, CODEC.memory_bytes + largest * MEMORY_PER_BYTE);
    }
}
