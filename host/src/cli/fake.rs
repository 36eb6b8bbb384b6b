//! `pointsman fake`

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::fake::{Behaviour, Fake, Protocol};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// `anthropic-messages`, `openai-chat`, `openai-responses`, `gemini`, `bedrock` or `ollama`.
    protocol: Protocol,
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How it behaves from the start: `ok`, a status such as `529` or `429:7` (with `Retry-After: 7`), `slow:3s`, `hang`,
    /// `hang-before-content`, `hang-after:3`, `reset`, `error-before-content`, `error-after:3`, `cut-after:3`,
    /// `end-after:3`, `garbage` or `html`. `POST /fake/behave` changes it, for one model as `MODEL=529`.
    #[arg(long, default_value = "ok", verbatim_doc_comment)]
    behave: Behaviour,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let fake = Fake::start_on(arguments.protocol, arguments.listen).await?;
    fake.behave(arguments.behave);
    println!("{}", fake.base_url());
    fake.closed().await;
    Ok(ExitCode::SUCCESS)
}
