//! A registry of packages, by the OCI distribution protocol: one repository of it, and what we may do there.

use anyhow::{Context as _, anyhow, bail, ensure};
use bytes::Bytes;
use http_auth::parser::ChallengeParser;
use hyper::header::{ACCEPT, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::artifact::{Artifact, Layout, MANIFEST, MANIFEST_BYTES_MAX};
use super::login::{self, HELP, Login};
use super::transport::{Answer, Ask, Transport, resolve};
use super::{Digest, Reference};
use crate::config::Secret;

/// A token is a signed text of some kilobytes; answers without content have none.
const WORDS_BYTES_MAX: usize = 64 << 10;

/// See the module.
pub struct Registry<'a> {
    transport: &'a Transport,
    reference: &'a Reference,
    /// `https://REGISTRY/v2/REPOSITORY`
    base: String,
    login: Option<Login>,
    /// What the registry wants to see, once it said so.
    shown: Option<Secret>,
    /// `pull`, or `pull,push`.
    actions: &'static str,
}

/// A manifest, and the digest of its bytes.
pub struct Found {
    pub manifest: Bytes,
    pub digest: Digest,
}

impl<'a> Registry<'a> {
    /// # Errors
    /// When there is a login, but a damaged one.
    pub async fn new(
        transport: &'a Transport,
        reference: &'a Reference,
        actions: &'static str,
    ) -> anyhow::Result<Registry<'a>> {
        let Reference { registry, repository, .. } = reference;
        let base = format!("{}://{registry}/v2/{repository}", transport.scheme(registry));
        let login = login::of(registry).await?;
        Ok(Registry { transport, reference, base, login, shown: None, actions })
    }

    /// The manifest that is meant; nothing when there is none.
    ///
    /// # Errors
    /// Why it was not told, or that it is not what its digest says.
    pub async fn find(&mut self) -> anyhow::Result<Option<Found>> {
        let Reference { tag, digest, .. } = self.reference;
        let name = digest.as_ref().map(Digest::to_string).or_else(|| tag.clone()).unwrap_or_default();
        let url = self.url(&format!("/manifests/{name}"))?;
        let headers = [(ACCEPT, MANIFEST)];
        let answer = self.ask(Ask { headers: &headers, ..Ask::get(url, MANIFEST_BYTES_MAX) }).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        expect(&answer, &[StatusCode::OK])?;
        let found = Digest::of(&answer.body);
        if let Some(digest) = digest {
            ensure!(found == *digest, "the registry answers with {found}, another manifest than was asked for");
        }
        let told = answer.header("docker-content-digest");
        ensure!(told.is_empty() || told == found.to_string(), "the registry says it is {told}, but it is {found}");
        Ok(Some(Found { manifest: answer.body, digest: found }))
    }

    /// The component that a manifest names.
    ///
    /// # Errors
    /// Why it was not told, or that it is not what its digest says.
    pub async fn component(&mut self, layout: &Layout) -> anyhow::Result<Bytes> {
        let url = self.url(&format!("/blobs/{}", layout.component))?;
        let answer = self.ask(Ask::get(url, layout.bytes)).await?;
        expect(&answer, &[StatusCode::OK])?;
        let (found, bytes) = (Digest::of(&answer.body), answer.body.len());
        ensure!(
            found == layout.component,
            "its component is {} by the manifest, but came as {found} ({bytes} bytes)",
            layout.component
        );
        Ok(answer.body)
    }

    /// Put everything there under the tag.
    ///
    /// # Errors
    /// What the registry refused.
    pub async fn push(&mut self, artifact: &Artifact, component: &[u8]) -> anyhow::Result<Digest> {
        let tag = self.reference.tag.clone().ok_or_else(|| anyhow!("it needs a tag"))?;
        for blob in [artifact.config.as_slice(), component] {
            self.put(blob).await.context("putting a blob there")?;
        }
        let url = self.url(&format!("/manifests/{tag}"))?;
        let body = Bytes::copy_from_slice(&artifact.manifest);
        let headers = [(CONTENT_TYPE, MANIFEST)];
        let put = Ask { method: Method::PUT, headers: &headers, body, ..Ask::get(url, WORDS_BYTES_MAX) };
        let answer = self.ask(put).await.context("putting the manifest there")?;
        expect(&answer, &[StatusCode::CREATED])?;
        let (digest, told) = (Digest::of(&artifact.manifest), answer.header("docker-content-digest"));
        ensure!(
            told.is_empty() || told == digest.to_string(),
            "the registry says it stored {told}, but it got {digest}"
        );
        Ok(digest)
    }

    async fn put(&mut self, blob: &[u8]) -> anyhow::Result<()> {
        let digest = Digest::of(blob);
        let url = self.url(&format!("/blobs/{digest}"))?;
        let there = self.ask(Ask { method: Method::HEAD, ..Ask::get(url, 0) }).await?;
        if there.status.is_success() {
            return Ok(());
        }
        expect(&there, &[StatusCode::NOT_FOUND])?;
        let url = self.url("/blobs/uploads/")?;
        let begun = self.ask(Ask { method: Method::POST, ..Ask::get(url.clone(), WORDS_BYTES_MAX) }).await?;
        expect(&begun, &[StatusCode::ACCEPTED])?;
        let place = begun.header(LOCATION.as_str());
        let join = if place.contains('?') { '&' } else { '?' };
        let place = resolve(&url, &format!("{place}{join}digest={digest}"));
        let place = place.ok_or_else(|| anyhow!("it tells no place to upload to"))?;
        let headers = [(CONTENT_TYPE, "application/octet-stream")];
        let body = Bytes::copy_from_slice(blob);
        let put = Ask { method: Method::PUT, headers: &headers, body, ..Ask::get(place, WORDS_BYTES_MAX) };
        expect(&self.ask(put).await?, &[StatusCode::CREATED])
    }

    /// As nobody first, then as the registry wants it.
    async fn ask(&mut self, ask: Ask<'_>) -> anyhow::Result<Answer> {
        let Ask { method, url, headers, body, most, .. } = ask;
        let again = async |shown: Option<&Secret>| {
            // What shows who we are is for the registry, wherever it wants its uploads to go.
            let own = shown.filter(|_| same_place(&url, &self.base));
            let (method, url, body) = (method.clone(), url.clone(), body.clone());
            self.transport.ask(Ask { method, url, headers, authorization: own, body, most }).await
        };
        let answer = again(self.shown.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let shown = self.authorize(&answer.headers).await?;
        let answer = again(Some(&shown)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            bail!("{} does not let us in: {HELP}", self.reference.registry);
        }
        self.shown = Some(shown);
        Ok(answer)
    }

    /// What the registry wants to see: our login, or a token that somebody gives for it.
    async fn authorize(&self, headers: &HeaderMap) -> anyhow::Result<Secret> {
        let registry = &self.reference.registry;
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<_> = texts.flat_map(ChallengeParser::new).filter_map(Result::ok).collect();
        let wants = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
        if let Some(bearer) = wants("bearer") {
            let of = |name: &str| {
                let found = bearer.params.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped()).unwrap_or_default()
            };
            return self.token(&of("realm"), &of("service")).await.context("getting a token for the registry");
        }
        if wants("basic").is_some() {
            let login = self.login.as_ref().ok_or_else(|| anyhow!("{registry} wants a login: {HELP}"))?;
            return Ok(login.basic());
        }
        bail!("{registry} wants to know who asks, in a way that is not known here")
    }

    async fn token(&self, realm: &str, service: &str) -> anyhow::Result<Secret> {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let scope = format!("repository:{}:{}", self.reference.repository, self.actions);
        let join = if realm.contains('?') { '&' } else { '?' };
        let url = format!("{realm}{join}service={}&scope={}", escaped(service), escaped(&scope));
        let url: Uri = url
            .parse()
            .ok()
            .filter(|_| !realm.is_empty())
            .ok_or_else(|| anyhow!("the registry names no place for it"))?;
        // A registry behind TLS may not send our password over an open line.
        ensure!(
            url.scheme_str() == Some("https") || self.base.starts_with("http:"),
            "the registry wants our login to go over plain HTTP"
        );
        let basic = self.login.as_ref().map(Login::basic);
        let ask = Ask { authorization: basic.as_ref(), ..Ask::get(url, WORDS_BYTES_MAX) };
        let answer = self.transport.ask(ask).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            bail!("{} does not let us in: {HELP}", self.reference.registry);
        }
        expect(&answer, &[StatusCode::OK])?;
        #[derive(Deserialize)]
        struct Told {
            token: Option<String>,
            access_token: Option<String>,
        }
        let told: Told = serde_json::from_slice(&answer.body).map_err(|_| anyhow!("what came is no token"))?;
        let token = told.token.or(told.access_token).ok_or_else(|| anyhow!("what came is no token"))?;
        Ok(Secret::new(format!("Bearer {token}")))
    }

    fn url(&self, path: &str) -> anyhow::Result<Uri> {
        format!("{}{path}", self.base).parse().map_err(|_| anyhow!("{} is no place", self.reference.registry))
    }
}

fn same_place(url: &Uri, base: &str) -> bool {
    let base: Option<Uri> = base.parse().ok();
    base.is_some_and(|base| url.scheme() == base.scheme() && url.authority() == base.authority())
}

/// # Errors
/// What the registry said instead, in its first words.
fn expect(answer: &Answer, well: &[StatusCode]) -> anyhow::Result<()> {
    if well.contains(&answer.status) {
        return Ok(());
    }
    #[derive(Deserialize)]
    struct Told {
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        code: String,
    }
    // Only its code: what a registry writes there could be anything.
    let is_code = |code: &String| code.len() < 40 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let told = serde_json::from_slice::<Told>(&answer.body).map(|told| told.errors).unwrap_or_default();
    let code = told.into_iter().map(|fault| fault.code).find(is_code);
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    bail!("it answered {}{code}", answer.status)
}
