//! Media that the caller gave by URL, for a provider that takes only bytes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hyper::Uri;

use super::exchange::COPIES;
use super::load::Room;
use super::refusal::fault;
use crate::plugin::bindings::chat::{Media, Part, Request, ResultPart, Source};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::upstream;
use crate::upstream::fetch::Fetcher;

/// URLs of one request that are fetched.
const URLS_MAX: usize = 20;

/// The request with bytes in the place of URLs. They count in `room`, with what they become; all together they may be `most`
/// bytes. `caller` is the name of the caller's key, empty where there is none.
///
/// # Errors
/// Which URL was not to be had, and why.
pub async fn fetched(
    fetcher: &Fetcher,
    request: &Request,
    caller: &str,
    room: &Room,
    most: u64,
) -> Result<Request, Fault> {
    let mut request = request.clone();
    let (mut fetched, bytes, is_full) = (0, AtomicU64::new(0), AtomicBool::new(false));
    let fits = |more: u64| {
        if bytes.fetch_add(more, Ordering::Relaxed).saturating_add(more) > most {
            return false;
        }
        let fits = room.grow(more.saturating_mul(1 + COPIES));
        is_full.fetch_or(!fits, Ordering::Relaxed);
        fits
    };
    for media in urls(&mut request) {
        fetched += 1;
        if fetched > URLS_MAX {
            return Err(fault(FaultKind::Unsupported, format!("more than {URLS_MAX} URLs of media would be fetched")));
        }
        fetch(fetcher, media, caller, &fits).await.map_err(|fault| match is_full.load(Ordering::Relaxed) {
            true => Fault { kind: FaultKind::Busy, ..fault },
            false => fault,
        })?;
    }
    Ok(request)
}

/// Does the request hold media by URL?
pub fn has_urls(request: &Request) -> bool {
    let by_url = |media: &Media| matches!(media.source, Source::Url(_));
    request.messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        Part::Media(media) => by_url(media),
        Part::ToolResult(result) => {
            result.content.iter().any(|part| matches!(part, ResultPart::Media(media) if by_url(media)))
        }
        _ => false,
    })
}

fn urls(request: &mut Request) -> impl Iterator<Item = &mut Media> {
    let parts = request.messages.iter_mut().flat_map(|message| &mut message.parts);
    let media = parts.flat_map(|part| -> Box<dyn Iterator<Item = &mut Media> + Send> {
        match part {
            Part::Media(media) => Box::new(std::iter::once(media)),
            Part::ToolResult(result) => Box::new(result.content.iter_mut().filter_map(|part| match part {
                ResultPart::Media(media) => Some(media),
                ResultPart::Text(_) => None,
            })),
            _ => Box::new(std::iter::empty()),
        }
    });
    media.filter(|media| matches!(media.source, Source::Url(_)))
}

/// Bytes of the media that the request holds.
pub fn bytes(request: &Request) -> usize {
    let of = |media: &Media| match &media.source {
        Source::Bytes(bytes) => bytes.len(),
        Source::Url(_) | Source::FileId(_) => 0,
    };
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let bytes = parts.map(|part| match part {
        Part::Media(media) => of(media),
        Part::ToolResult(result) => {
            let bytes = result.content.iter().map(|part| match part {
                ResultPart::Media(media) => of(media),
                ResultPart::Text(_) => 0,
            });
            bytes.sum()
        }
        _ => 0,
    });
    bytes.sum()
}

async fn fetch(
    fetcher: &Fetcher,
    media: &mut Media,
    caller: &str,
    fits: &(dyn Fn(u64) -> bool + Sync),
) -> Result<(), Fault> {
    let Source::Url(url) = &media.source else { return Ok(()) };
    let found = fetcher
        .get(url, caller, fits)
        .await
        .map_err(|error| fault(kind_of(&error), format!("fetching {}: {error:#}", shown(url))))?;
    media.mime = found.mime;
    media.source = Source::Bytes(found.bytes.to_vec());
    Ok(())
}

/// A URL without its query and user, which may hold its caller's secrets: signed URLs have them.
fn shown(url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else { return "a text that is no URL".to_owned() };
    let shown = format!("{}://{}{}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default(), uri.path());
    shown.chars().take(200).collect()
}

/// Not the caller's mistake alone: a provider that fetches by itself may reach what we do not. What this machine lacks is none at all.
fn kind_of(error: &anyhow::Error) -> FaultKind {
    if upstream::is_shortage(error.as_ref()) { FaultKind::Busy } else { FaultKind::Unsupported }
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context as _;

    use super::*;

    /// Faults: F187
    #[test]
    fn no_secret_of_a_signed_url_stands_in_an_error() {
        for (url, told) in [
            ("https://b.example/a.png?X-Amz-Signature=s3cr3t#s3cr3t", "https://b.example/a.png"),
            ("https://user:s3cr3t@b.example:444/a.png", "https://b.example/a.png"),
            ("not a URL: s3cr3t", "a text that is no URL"),
        ] {
            assert_eq!(shown(url), told);
        }
        assert_eq!(shown(&format!("https://b.example/{}", "x".repeat(9_000))).len(), 200);
    }

    /// Faults: F112
    #[test]
    fn what_this_machine_lacks_to_fetch_media_is_no_mistake_of_the_caller() {
        let error = |errno: rustix::io::Errno| {
            let connecting: Result<(), _> = Err(io::Error::from_raw_os_error(errno.raw_os_error()));
            connecting.context("connecting").expect_err("an error")
        };
        assert_eq!(kind_of(&error(rustix::io::Errno::MFILE)), FaultKind::Busy);
        assert_eq!(kind_of(&error(rustix::io::Errno::CONNREFUSED)), FaultKind::Unsupported);
    }
}
