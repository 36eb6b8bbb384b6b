//! Asking the running gateway's admin port.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;

use crate::config::Secret;
use crate::server::TOKEN_HELP;

/// How to reach the running gateway.
#[derive(Debug, clap::Args)]
pub struct Admin {
    /// Its admin address.
    #[arg(long, env = "POINTSMAN_ADMIN", default_value = crate::config::ADMIN_ADDRESS)]
    admin: SocketAddr,
    /// Its admin token, better given in the environment.
    #[arg(long, env = "POINTSMAN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = token)]
    token: Option<Secret>,
}

fn token(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Ask it; `body` goes along.
///
/// # Errors
/// Why there is no answer, or what the gateway says.
pub async fn ask(admin: &Admin, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Bytes> {
    send(admin, method, path, body, None).await
}

/// The same, with one more header.
///
/// # Errors
/// As above.
pub async fn send(
    admin: &Admin,
    method: Method,
    path: &str,
    body: Vec<u8>,
    header: Option<(&str, String)>,
) -> anyhow::Result<Bytes> {
    let token = admin.token.as_ref().ok_or_else(|| anyhow!("there is no admin token: {TOKEN_HELP}"))?;
    let stream = tokio::net::TcpStream::connect(admin.admin).await.with_context(|| {
        format!(
            "no gateway answers at {} (is it running, with an admin token? --admin names another address)",
            admin.admin
        )
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request
        .header("host", admin.admin.to_string())
        .header("authorization", format!("Bearer {}", token.reveal()))
        .body(Full::new(Bytes::from(body)))
        .with_context(|| format!("`{path}` cannot be asked for"))?;
    let response = sender.send_request(request).await.context("asking the gateway")?;
    let status = response.status();
    let body = response.into_body().collect().await.context("reading the gateway's answer")?.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    let told: Option<String> = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|value| Some(value["error"]["message"].as_str()?.to_owned()));
    bail!("{}", told.unwrap_or_else(|| format!("the gateway answered {status}")))
}
