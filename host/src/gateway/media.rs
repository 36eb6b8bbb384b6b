//! Media that the caller gave by URL, for a provider that takes only bytes.

use super::refusal::fault;
use crate::plugin::bindings::chat::{Media, Part, Request, ResultPart, Source};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::upstream::fetch::Fetcher;

/// URLs of one request that are fetched.
const URLS_MAX: usize = 20;

/// The request with bytes in the place of URLs.
///
/// # Errors
/// Which URL was not to be had, and why.
pub async fn fetched(fetcher: &Fetcher, request: &Request) -> Result<Request, Fault> {
    let mut request = request.clone();
    let mut fetched = 0;
    for media in urls(&mut request) {
        fetched += 1;
        if fetched > URLS_MAX {
            return Err(fault(FaultKind::Unsupported, format!("more than {URLS_MAX} URLs of media would be fetched")));
        }
        fetch(fetcher, media).await?;
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

async fn fetch(fetcher: &Fetcher, media: &mut Media) -> Result<(), Fault> {
    let Source::Url(url) = &media.source else { return Ok(()) };
    let found = fetcher.get(url).await.map_err(|error| {
        let url: String = url.chars().take(200).collect();
        // Not the caller's mistake alone: a provider that fetches by itself may reach what we do not.
        fault(FaultKind::Unsupported, format!("fetching {url}: {error:#}"))
    })?;
    media.mime = found.mime;
    media.source = Source::Bytes(found.bytes.to_vec());
    Ok(())
}
