//! From bytes to a plugin that may serve: every check that a component passes before a request depends on it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use anyhow::{anyhow, bail, ensure};
use pointsman_bundle::{BUNDLED, Bundled};
use sha2::{Digest as _, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use super::codec::Codec;
use super::compile::Compiler;
use super::contract::{self, Contract};
use super::describe::{self, About};
use super::engine::{Guest, engine, explained};
use super::instance::Isolation;
use super::package::Package;
use super::tally::Tally;

/// A component larger than this is refused. Interpreted languages bring up to 20 MB.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Exports `policy`.
    Policy,
    /// Exports `provider`, `client-protocol`, or both.
    Adapter { provider: bool, client: bool },
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Policy => "routing-policy",
            Kind::Adapter { provider: true, client: true } => "codec",
            Kind::Adapter { provider: true, client: false } => "provider-adapter",
            Kind::Adapter { .. } => "client-adapter",
        })
    }
}

/// One version of one plugin: compiled, checked, ready to be instantiated.
pub struct Plugin {
    /// The name of its slot, such as `failover`.
    pub name: String,
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: String,
    pub kind: Kind,
    /// Size of the component.
    pub bytes: usize,
    /// Names of the type-only interfaces that it imports. Functions are never among them.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// What its author says of it, when it is a package.
    pub package: Option<Package>,
    /// What it says of itself and how to call it; absent for a policy, which is opened for each route.
    pub codec: Option<Codec>,
    about: Option<About>,
    pub(super) code: Code,
    pub tally: Arc<Tally>,
    pub isolation: Arc<Isolation>,
}

/// Compiled and linked, and the version of the contract by which to call it.
#[derive(Clone)]
pub(super) struct Code {
    pub contract: Contract,
    pub pre: InstancePre<Guest>,
}

impl Code {
    /// Its shapes are not those of the version that it names.
    pub fn misfit(&self, error: &wasmtime::Error) -> anyhow::Error {
        anyhow!("it does not fit the contract ({}): {error:#}", self.contract)
    }
}

impl Plugin {
    /// Compile, in this process and without limits, and check a component. Takes a tenth of a second to seconds: not for
    /// the request path.
    ///
    /// # Errors
    /// Says what is wrong with the bytes, in words for the plugin's author.
    pub async fn load(name: &str, bytes: &[u8]) -> anyhow::Result<Arc<Plugin>> {
        Self::load_by(&Compiler::here(), name, bytes).await
    }

    /// The same, compiled as `compiler` says.
    ///
    /// # Errors
    /// As above, and which limit of compiling it does not keep to.
    pub async fn load_by(compiler: &Compiler, name: &str, bytes: &[u8]) -> anyhow::Result<Arc<Plugin>> {
        ensure!(!bytes.is_empty(), "the file is empty");
        ensure!(
            bytes.len() <= COMPONENT_BYTES_MAX,
            "the file has {} bytes, but a plugin may have {COMPONENT_BYTES_MAX}",
            bytes.len()
        );
        require_component(bytes)?;
        let package = Package::of(bytes)?;
        let sha256 = hex(&Sha256::digest(bytes));
        let component = compiler.compile(bytes, &sha256).await?;
        Self::check(name, sha256, bytes.len(), package, &component).await
    }

    async fn check(
        name: &str,
        sha256: String,
        bytes: usize,
        package: Option<Package>,
        component: &Component,
    ) -> anyhow::Result<Arc<Plugin>> {
        let engine = engine()?;
        let component_type = component.component_type();
        let mut imports = Vec::new();
        for (import, item) in component_type.imports(engine) {
            require_only_types(import, &item.ty)?;
            imports.push(import.to_owned());
        }
        let exports: Vec<String> = component_type.exports(engine).map(|(export, _)| export.to_owned()).collect();
        let (contract, kind, is_described) = kind(&exports)?;
        let pre = Linker::new(engine).instantiate_pre(component).map_err(explained)?;
        let code = Code { contract, pre };
        let (tally, isolation) = (Arc::new(Tally::new(name, &sha256)), Arc::default());
        let (mut codec, mut about) = (None, None);
        if let Kind::Adapter { provider, client } = kind {
            codec = Some(Codec::open(&code, provider, client, &tally, &isolation).await?);
        } else {
            super::policy::probe(&code, &tally).await?;
            if is_described {
                about = describe::about(&code, &tally).await?;
            }
        }
        let name = name.to_owned();
        Ok(Arc::new(Plugin {
            name,
            sha256,
            kind,
            bytes,
            imports,
            exports,
            package,
            codec,
            about,
            code,
            tally,
            isolation,
        }))
    }

    /// An adapter once more, for who compares: each call has an instance of its own, and counts for nothing.
    ///
    /// # Errors
    /// It is no adapter, or does not start a second time.
    pub async fn codec_apart(&self) -> anyhow::Result<Codec> {
        let Kind::Adapter { provider, client } = self.kind else { bail!("it is a {}, not an adapter", self.kind) };
        let (tally, isolation) = (Arc::new(Tally::new(&self.name, &self.sha256)), Arc::<Isolation>::default());
        isolation.set(true);
        Codec::open(&self.code, provider, client, &tally, &isolation).await
    }

    /// What a policy says of itself and its settings, if it says anything.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// The version of the contract that it was built against, or one that is served alike.
    pub fn contract(&self) -> Contract {
        self.code.contract
    }

    /// The first twelve digits of the digest: enough to tell versions apart.
    pub fn digest12(&self) -> &str {
        self.sha256.get(..12).unwrap_or(&self.sha256)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.name, self.digest12())
    }
}

/// A built-in plugin, compiled once in a process.
///
/// # Errors
/// When there is none of that name, or the engine does not start.
pub async fn bundled(name: &str) -> anyhow::Result<Arc<Plugin>> {
    bundled_by(&Compiler::here(), name).await
}

/// The same; what was made of it may be kept. It is compiled in this process, because it came with the program.
///
/// # Errors
/// As above.
pub async fn bundled_by(compiler: &Compiler, name: &str) -> anyhow::Result<Arc<Plugin>> {
    static COMPILED: [OnceLock<Component>; BUNDLED.len()] = [const { OnceLock::new() }; BUNDLED.len()];
    let position = BUNDLED.iter().position(|bundled| bundled.name == name);
    let position = position.ok_or_else(|| anyhow!("there is no built-in plugin `{name}`"))?;
    let (Bundled { sha256, bytes, .. }, slot) = (&BUNDLED[position], &COMPILED[position]);
    let component = match slot.get() {
        Some(component) => component.clone(),
        None => {
            let made = compiler.compile_here(*bytes, sha256).await?;
            slot.get_or_init(|| made).clone()
        }
    };
    Plugin::check(name, (*sha256).to_owned(), bytes.len(), None, &component).await
}

fn require_component(bytes: &[u8]) -> anyhow::Result<()> {
    const CORE_MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];
    ensure!(bytes.starts_with(b"\0asm"), "this is not WebAssembly: it does not begin with `\\0asm`");
    ensure!(
        !bytes.starts_with(&CORE_MODULE),
        "this is a core WebAssembly module, not a component: build it with the linker `wasm-component-ld` (examples/ \
         shows how)"
    );
    Ok(())
}

/// A plugin is a pure function. An import of a function would be a clock, a network or a file.
fn require_only_types(import: &str, item: &ComponentItem) -> anyhow::Result<()> {
    let functions: Vec<String> = match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine()?)
            .filter(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
            .map(|(name, _)| name.to_owned())
            .collect(),
        ComponentItem::Type(_) => Vec::new(),
        _ => vec![import.to_owned()],
    };
    ensure!(
        functions.is_empty(),
        "it imports `{import}` ({}), but a plugin may import no function: it gets no clock, network or files. Build it \
         for wasm32-unknown-unknown, or with its WASI imports stubbed",
        functions.join(", ")
    );
    Ok(())
}

/// What it is, by which version of the contract, and whether it says something of itself.
fn kind(exports: &[String]) -> anyhow::Result<(Contract, Kind, bool)> {
    let (contract, interfaces) = contract::find(exports)?.unwrap_or((Contract::Current, Vec::new()));
    let has = |name: &str| interfaces.contains(&name);
    let (provider, client) = (has("provider"), has("client-protocol"));
    if has("policy") {
        ensure!(!provider && !client, "it exports a policy and an adapter: make two plugins of it");
        return Ok((contract, Kind::Policy, has("about")));
    }
    if provider || client {
        return Ok((contract, Kind::Adapter { provider, client }, false));
    }
    let expected = ["policy", "provider", "client-protocol"].map(contract::export).join("`, `");
    if exports.is_empty() {
        bail!("it exports nothing: a plugin exports one of `{expected}`");
    }
    bail!("it exports `{}`, but a plugin exports one of `{expected}`", exports.join("`, `"))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
