//! From a component to machine code. A small file can take minutes to compile, or gigabytes; so what somebody handed in is
//! compiled in a process of its own (`pointsman compile`), which limits its own time and memory, has no part in ours, and
//! ends with the call. What comes out of it is machine code of our own making, which this process then takes up.
//!
//! Only plugins that came with the program are compiled in this process, and everything where there is no program: in tests
//! and simulations.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use wasmtime::component::Component;

use super::cache::Cache;
use super::engine::{self, counts_fuel, engine, explained};

/// The compiler's process has low priority, and may wait for a core for so many times its own time.
const PATIENCE: u32 = 4;
/// Machine code that is taken up: eight times a component's limit. Measured are two to four times a component's size.
const ARTIFACT_BYTES_MAX: u64 = 256 << 20;
/// Of what the process says when it fails.
const WORDS_BYTES: u64 = 4 << 10;

/// What compiling one component may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Of a core.
    pub time: Duration,
    /// Address space of the process that compiles.
    pub memory_bytes: u64,
}

/// How components are compiled, and where what was made of them is kept.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The program that compiles, and its limits. Absent: this process does, without any.
    apart: Option<(PathBuf, CompileLimits)>,
    cache: Option<Cache>,
    /// Files from strangers are compiled one after the other: their limits are for all together.
    turn: Arc<Semaphore>,
}

/// Machine code that this program made, in this call or in one before: see [`revive`].
pub struct Artifact(Vec<u8>);

impl Artifact {
    /// To be called with what [`precompile`] made, and nothing else: it will be executed.
    pub(super) fn trusted(bytes: Vec<u8>) -> Artifact {
        Artifact(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Compiler {
    /// In this process, and without limits: where everything is trusted. What was made is kept where `POINTSMAN_CACHE` says.
    pub fn here() -> Compiler {
        // One that cannot be used costs time.
        let cache = Cache::found(None).unwrap_or_default();
        Compiler { apart: None, cache, turn: Arc::new(Semaphore::new(1)) }
    }

    /// In a process of this very program.
    pub fn apart(limits: CompileLimits) -> Compiler {
        // On Linux this is the program that runs, even when its file was replaced meanwhile.
        let own = Path::new("/proc/self/exe");
        let found = || std::env::current_exe().unwrap_or_else(|_| PathBuf::from("pointsman"));
        Self::apart_by(if own.exists() { own.to_owned() } else { found() }, limits)
    }

    /// In a process of this program: `PROGRAM compile …` does as `pointsman compile`.
    pub fn apart_by(program: PathBuf, limits: CompileLimits) -> Compiler {
        Compiler { apart: Some((program, limits)), cache: None, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The same, and what was made is kept, so that the next start finds it.
    pub fn keeping(self, cache: Option<Cache>) -> Compiler {
        Compiler { cache, ..self }
    }

    /// The same with other limits, where there are any.
    pub fn within(&self, limits: CompileLimits) -> Compiler {
        let apart = self.apart.as_ref().map(|(program, _)| (program.clone(), limits));
        Compiler { apart, cache: self.cache.clone(), turn: Arc::clone(&self.turn) }
    }

    /// Compile what somebody handed in; `sha256` is its digest.
    ///
    /// # Errors
    /// What is wrong with it, or which limit it does not keep to.
    pub(super) async fn compile(&self, bytes: &[u8], sha256: &str) -> anyhow::Result<Component> {
        let Some((program, limits)) = &self.apart else {
            return self.compile_here(bytes.to_vec(), sha256).await;
        };
        if let Some(component) = self.kept(sha256).await {
            return Ok(component);
        }
        let _turn = self.turn.acquire().await.context("the compiler is gone")?;
        let artifact = compile_apart(program, *limits, bytes).await?;
        let (cache, sha256) = (self.cache.clone(), sha256.to_owned());
        blocking(move || {
            let component = revive(&artifact)?;
            if let Some(cache) = cache {
                cache.keep(&sha256, &artifact);
            }
            Ok(component)
        })
        .await
    }

    /// Compile in this process what is trusted.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) async fn compile_here(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
        sha256: &str,
    ) -> anyhow::Result<Component> {
        if let Some(component) = self.kept(sha256).await {
            return Ok(component);
        }
        let (cache, sha256) = (self.cache.clone(), sha256.to_owned());
        blocking(move || {
            let Some(cache) = cache else { return Component::new(engine()?, bytes).map_err(invalid) };
            let artifact = Artifact::trusted(precompile(bytes.as_ref())?);
            let component = revive(&artifact)?;
            cache.keep(&sha256, &artifact);
            Ok(component)
        })
        .await
    }

    async fn kept(&self, sha256: &str) -> Option<Component> {
        let (cache, sha256) = (self.cache.clone()?, sha256.to_owned());
        let found = blocking(move || cache.find(&sha256).map(|artifact| revive(&artifact)).transpose()).await;
        found.unwrap_or_else(|error| {
            tracing::warn!("a plugin that was compiled before does not fit any more, and is compiled again: {error:#}");
            None
        })
    }
}

async fn blocking<R: Send + 'static>(work: impl FnOnce() -> anyhow::Result<R> + Send + 'static) -> anyhow::Result<R> {
    tokio::task::spawn_blocking(work).await.context("compiling was cut short")?
}

/// Machine code for the component, to be taken up by this program in this or another process.
///
/// # Errors
/// What is wrong with it.
pub fn precompile(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    engine::compiling()?.precompile_component(bytes).map_err(invalid)
}

/// Take up machine code.
#[expect(
    unsafe_code,
    reason = "an artifact was made by `precompile`: by a process of this program in this very call, or by one before, which \
              left it in a folder that only our own user can write, under the component's digest and the engine's hash, \
              and with its own digest, so that no damaged one is taken"
)]
fn revive(artifact: &Artifact) -> anyhow::Result<Component> {
    // SAFETY: see above. That it was made for this engine is checked by wasmtime.
    unsafe { Component::deserialize(engine()?, artifact.bytes()) }.map_err(explained)
}

fn invalid(error: wasmtime::Error) -> anyhow::Error {
    explained(error).context("the component is damaged or not valid")
}

async fn compile_apart(program: &Path, limits: CompileLimits, bytes: &[u8]) -> anyhow::Result<Artifact> {
    let mut child = Command::new(program)
        .arg0("pointsman")
        .arg("compile")
        .args(["--seconds", &seconds(limits).to_string(), "--bytes", &limits.memory_bytes.to_string()])
        .args(counts_fuel().then_some("--fuel"))
        // There may be keys in the environment, which are no business of a compiler.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the process that compiles")?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut stdin, stdout, stderr) = stdin
        .zip(stdout)
        .zip(stderr)
        .map(|((stdin, stdout), stderr)| (stdin, stdout.take(ARTIFACT_BYTES_MAX + 1), stderr.take(WORDS_BYTES)))
        .context("the process that compiles has no pipes")?;
    let work = async {
        let give = async {
            // One that ends before it has read all says why.
            let _ = stdin.write_all(bytes).await;
            drop(stdin);
        };
        let ((), artifact, words, status) = tokio::join!(give, all(stdout), all(stderr), child.wait());
        anyhow::Ok((artifact?, words?, status.context("waiting for the process that compiles")?))
    };
    let Ok(ended) = tokio::time::timeout(limits.time * PATIENCE, work).await else {
        child.kill().await.context("ending the process that compiles")?;
        bail!(
            "compiling it has not ended after {} s ({PATIENCE} times `[gate] compile_time`)",
            (limits.time * PATIENCE).as_secs_f64()
        );
    };
    let (artifact, words, status) = ended?;
    if !status.success() {
        return Err(failed(status, String::from_utf8_lossy(&words).trim(), limits));
    }
    if u64::try_from(artifact.len()).is_ok_and(|length| length > ARTIFACT_BYTES_MAX) {
        bail!("compiled it would have more than {} MiB of machine code", ARTIFACT_BYTES_MAX >> 20);
    }
    Ok(Artifact::trusted(artifact))
}

async fn all(mut from: impl tokio::io::AsyncRead + Unpin) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).await.context("reading what the process that compiles says")?;
    Ok(bytes)
}

/// Why there is no machine code.
fn failed(status: ExitStatus, words: &str, limits: CompileLimits) -> anyhow::Error {
    use std::os::unix::process::ExitStatusExt as _;
    const XCPU: i32 = 24;
    const KILL: i32 = 9;
    // So Rust and wasmtime say that there is none left; the first ends its process.
    if words.contains("memory allocation") || words.contains("out of memory") {
        let most = limits.memory_bytes >> 20;
        return anyhow!("compiling it takes more than {most} MiB of memory (`[gate] max_compile_bytes`)");
    }
    match status.signal() {
        None => anyhow!("{words}"),
        Some(XCPU | KILL) => {
            anyhow!("compiling it takes more than {} s of a core (`[gate] compile_time`)", seconds(limits))
        }
        Some(signal) => anyhow!("the compiler breaks down on it (signal {signal}): {words}"),
    }
}

/// The kernel counts whole seconds.
fn seconds(limits: CompileLimits) -> u64 {
    limits.time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
