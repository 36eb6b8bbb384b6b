//! What a file passes before it may serve, whether an operator loads it or the configuration names it: its signature, its
//! size, imports and contract (`plugin/load.rs`), compiling within limits (`plugin/compile.rs`), and the cases in its
//! package. With the settings of each route it is opened when it is to go live (`table.rs`). Whatever fails, nothing
//! changes.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::config;
use crate::conformance::{self, Failure};
use crate::plugin::{Compiler, Kind, Plugin, signature};

/// A plugin under this name, if the file passes.
///
/// # Errors
/// Why it may not serve, in words for its author.
pub async fn admit(
    compiler: &Compiler,
    rules: &config::Gate,
    name: &str,
    bytes: &[u8],
    signature: Option<&str>,
) -> anyhow::Result<Arc<Plugin>> {
    check_signature(rules, bytes, signature).await?;
    let plugin = Plugin::load_by(&compiler.within(rules.compile), name, bytes).await?;
    check_cases(compiler, rules, &plugin).await?;
    Ok(plugin)
}

/// Before anything else looks into the file.
///
/// # Errors
/// When it is not signed by one of the keys that the configuration trusts.
pub async fn check_signature(rules: &config::Gate, bytes: &[u8], signature: Option<&str>) -> anyhow::Result<()> {
    if rules.public_keys.is_empty() {
        return Ok(());
    }
    let (bytes, signature, keys) = (bytes.to_vec(), signature.map(str::to_owned), rules.public_keys.clone());
    let verify = move || signature::verify(&bytes, signature.as_deref(), &keys);
    tokio::task::spawn_blocking(verify).await.context("verifying its signature was cut short")??;
    Ok(())
}

async fn check_cases(compiler: &Compiler, rules: &config::Gate, plugin: &Arc<Plugin>) -> anyhow::Result<()> {
    let Some(package) = plugin.package.as_ref().filter(|package| !package.cases.is_empty()) else { return Ok(()) };
    let asking = conformance::shipped(compiler, plugin, package, "{}");
    let Ok(check) = tokio::time::timeout(rules.cases_time, asking).await else {
        bail!("the cases in its package take more than {} s (`[gate] cases_time`)", rules.cases_time.as_secs_f64());
    };
    match check.failures.as_slice() {
        [] => Ok(()),
        [Failure { place, said, expected, .. }, others @ ..] => {
            let others = match others.len() {
                0 => String::new(),
                more => format!(" (and {more} more: pointsman plugin test FILE)"),
            };
            let does = if plugin.kind == Kind::Policy { "decide" } else { "answer" };
            bail!(
                "it does not {does} the cases in its package as expected: {place}: {said}; expected: {expected}{others}"
            )
        }
    }
}
