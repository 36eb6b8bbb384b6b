//! `pointsman plugin inspect`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use super::compiler;
use crate::cli::check::columns;
use crate::conformance::OwnCases;
use crate::plugin::bindings::about::{self as setting, Range, Setting, Variation};
use crate::plugin::{About, Cases, Codec, Kind, Package, Plugin, shown, signature};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    file: PathBuf,
    /// Is it signed (FILE.minisig) by this key? Exit code 1 when it is not.
    #[arg(long, value_name = "KEY")]
    public_key: Option<String>,
    /// All of it in JSON.
    #[arg(long)]
    json: bool,
}

/// What a file is.
#[derive(Serialize)]
struct Told {
    file: PathBuf,
    world: String,
    /// The contract's version.
    contract: String,
    sha256: String,
    bytes: usize,
    /// Types only.
    imports: Vec<String>,
    exports: Vec<String>,
    /// What a policy says of itself and its settings.
    about: Option<About>,
    package: Option<PackageTold>,
    signature: Signed,
    /// What a client adapter answers, and what a provider adapter asks.
    answers: Vec<String>,
    asks: Option<String>,
}

#[derive(Serialize)]
struct PackageTold {
    name: String,
    version: String,
    description: String,
    cases: Vec<CasesTold>,
}

#[derive(Serialize)]
struct CasesTold {
    file: String,
    count: usize,
}

/// Who made the file.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Signed {
    None,
    /// There is a signature, and no key was given.
    Unchecked,
    Valid {
        comment: String,
    },
    Invalid {
        reason: String,
    },
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, public_key, json } = arguments;
    let bytes = tokio::fs::read(&file).await.with_context(|| format!("reading {}", file.display()))?;
    let signature = signature::beside(&file).await?;
    let signed = match (&signature, &public_key) {
        (None, None) => Signed::None,
        (Some(_), None) => Signed::Unchecked,
        (_, Some(key)) => match signature::verify(&bytes, signature.as_deref(), &[signature::public_key(key)?]) {
            Ok(comment) => Signed::Valid { comment: comment.unwrap_or_default() },
            Err(error) => Signed::Invalid { reason: format!("{error:#}") },
        },
    };
    let loaded = Plugin::load_by(&compiler(), "inspected", &bytes).await;
    let plugin = loaded.with_context(|| format!("{} is no plugin", file.display()))?;
    let (answers, asks) = match &plugin.codec {
        Some(codec) => (answers(codec), asks(codec, plugin.kind).await),
        None => (Vec::new(), None),
    };
    let package = plugin.package.as_ref().map(|own| package(own, plugin.kind)).transpose()?;
    let well = !matches!(signed, Signed::Invalid { .. });
    let told = Told {
        file,
        world: plugin.kind.to_string(),
        contract: plugin.contract().to_string(),
        sha256: plugin.sha256.clone(),
        bytes: plugin.bytes,
        imports: plugin.imports.clone(),
        exports: plugin.exports.clone(),
        about: plugin.about().cloned(),
        package,
        signature: signed,
        answers,
        asks,
    };
    if json {
        println!("{}", serde_json::to_string(&told)?);
    } else {
        print(&told);
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print(told: &Told) {
    println!("world    {}", told.world);
    println!("contract {}", told.contract);
    println!("sha256   {}", told.sha256);
    println!("bytes    {}", told.bytes);
    let types = match told.imports.as_slice() {
        [] => String::new(),
        types => format!(" (types of {})", types.join(", ")),
    };
    println!("imports  no function{}", shown(&types));
    println!("exports  {}", shown(&told.exports.join(", ")));
    if let Some(PackageTold { name, version, description, cases }) = &told.package {
        let description = if description.is_empty() { String::new() } else { format!(": {description}") };
        println!("package  {}", shown(&format!("{name} {version}{description}")));
        for CasesTold { file, count } in cases {
            println!("cases    {count} in {}", shown(file));
        }
    }
    match &told.signature {
        Signed::None => println!("signed   no"),
        Signed::Unchecked => println!("signed   not checked: --public-key KEY does"),
        Signed::Valid { comment } => println!("signed   yes: {}", shown(comment)),
        Signed::Invalid { reason } => println!("signed   NO: {}", shown(reason)),
    }
    if let Some(about) = &told.about {
        describe(about);
    }
    for answered in &told.answers {
        println!("answers  {}", shown(answered));
    }
    if let Some(asked) = &told.asks {
        println!("asks     {}", shown(asked));
    }
}

/// What a policy says of itself.
fn describe(about: &About) {
    println!("does     {}", shown(&about.summary));
    let rows: Vec<[String; 5]> = about
        .settings
        .iter()
        .map(|setting| {
            let Setting { name, meaning, kind, default, variation } = setting;
            let range = |range: &Range| format!("{} to {}", range.min, range.max);
            let may_be = match kind {
                setting::Kind::Flag => "true, false".to_owned(),
                setting::Kind::Whole(whole) => range(whole),
                setting::Kind::Number(number) => range(number),
                setting::Kind::Choice(words) => words.join(", "),
                setting::Kind::Text => "text".to_owned(),
                setting::Kind::Other => "-".to_owned(),
            };
            let tried = match variation {
                Variation::Fixed => "-".to_owned(),
                Variation::Between(between) => range(between),
                Variation::Among(values) => values.join(", "),
            };
            [name.clone(), default.clone().unwrap_or("-".to_owned()), may_be, tried, meaning.clone()]
        })
        .collect();
    if !rows.is_empty() {
        print!("\n{}", columns(["SETTING", "DEFAULT", "MAY BE", "A SEARCH TRIES", "MEANING"], &rows));
    }
}

fn package(package: &Package, kind: Kind) -> anyhow::Result<PackageTold> {
    let Package { name, version, description, cases } = package.clone();
    let count = |Cases { file, text }: Cases| {
        let all = [Cases { file, text }];
        let count = OwnCases::read(kind, &all)?.count();
        let [Cases { file, .. }] = all;
        Ok(CasesTold { file, count })
    };
    let cases = cases.into_iter().map(count).collect::<anyhow::Result<_>>()?;
    Ok(PackageTold { name, version, description, cases })
}

fn answers(codec: &Codec) -> Vec<String> {
    let Some(description) = &codec.client_description else { return Vec::new() };
    let endpoints = description.endpoints.iter();
    endpoints.map(|endpoint| format!("{} {} ({})", endpoint.method, endpoint.path, description.protocol)).collect()
}

async fn asks(codec: &Codec, kind: Kind) -> Option<String> {
    if !matches!(kind, Kind::Adapter { provider: true, .. }) {
        return None;
    }
    Some(match codec.describe(&"{}".to_owned()).await {
        Ok(description) => {
            let base_url = description.default_base_url.as_deref().unwrap_or("no default base URL");
            format!("{base_url} ({})", description.protocol)
        }
        Err(error) => format!("what its settings say; without any: {error}"),
    })
}
