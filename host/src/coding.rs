//! Content codings of HTTP bodies: a caller may compress its request (Codex does), and a network in front of a provider may
//! compress a reply that nobody asked it to. What a body becomes is bounded by whoever reads it, piece by piece; what a decoder
//! needs itself is bounded here.
//!
//! RFC 9110, 8.4; RFC 8478 (zstd), with the window of RFC 9659; RFC 7932 (brotli).

use async_compression::tokio::bufread::{
    BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder, ZstdDecoder, ZstdEncoder,
};
use async_compression::zstd::DParameter;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncRead};

/// Names of the codings that can be read, as `Accept-Encoding` lists them.
pub const READ: &str = "gzip, br, zstd";
/// RFC 9659: a zstd body on the web needs no window above 8 MiB, and one that asks for more is refused.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// What `Content-Encoding` says. Absent: the body is not compressed.
    ///
    /// # Errors
    /// The field as it stands there, if it names a coding that is not read here, or more than one.
    pub fn of(headers: &HeaderMap) -> Result<Option<Coding>, String> {
        let fields = headers.get_all(CONTENT_ENCODING).iter().map(|field| String::from_utf8_lossy(field.as_bytes()));
        let field = fields.collect::<Vec<_>>().join(", ").to_ascii_lowercase();
        let mut names = field.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "identity"));
        let coding = match names.next() {
            None => return Ok(None),
            Some("gzip" | "x-gzip") => Coding::Gzip,
            Some("br") => Coding::Brotli,
            Some("zstd") => Coding::Zstd,
            Some(_) => return Err(field),
        };
        if names.next().is_some() { Err(field) } else { Ok(Some(coding)) }
    }

    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// Bytes of memory that decoding takes at most, beside what it gives.
    pub fn window_bytes(self) -> u64 {
        match self {
            Coding::Gzip => 64 << 10,
            Coding::Brotli => 16 << 20,
            Coding::Zstd => 1 << ZSTD_WINDOW_LOG_MAX,
        }
    }

    /// The bytes that `compressed` stands for. Bytes that stand for nothing, or that end too soon, are an error of reading.
    pub fn decoder(
        self,
        compressed: impl AsyncBufRead + Send + Unpin + 'static,
    ) -> Box<dyn AsyncRead + Send + Unpin + 'static> {
        match self {
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(compressed);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Coding::Brotli => Box::new(BrotliDecoder::new(compressed)),
            Coding::Zstd => {
                let window = DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX);
                let mut decoder = ZstdDecoder::with_params(compressed, &[window]);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
        }
    }
}

impl Coding {
    /// The bytes compressed, as a caller or a network does it.
    pub fn encoder<'a>(self, plain: impl AsyncBufRead + Send + Unpin + 'a) -> Box<dyn AsyncRead + Send + Unpin + 'a> {
        match self {
            Coding::Gzip => Box::new(GzipEncoder::new(plain)),
            Coding::Brotli => Box::new(BrotliEncoder::new(plain)),
            Coding::Zstd => Box::new(ZstdEncoder::new(plain)),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn what_the_field_says() {
        let of = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            fields.iter().for_each(|field| {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(field));
            });
            Coding::of(&headers)
        };
        for none in [&[][..], &["identity"], &[""], &["identity, Identity"]] {
            assert_eq!(of(none), Ok(None), "{none:?}");
        }
        for (field, coding) in [
            ("gzip", Coding::Gzip),
            ("X-GZIP", Coding::Gzip),
            ("identity, br", Coding::Brotli),
            (" Zstd ", Coding::Zstd),
        ] {
            assert_eq!(of(&[field]), Ok(Some(coding)), "{field}");
        }
        // A body that was compressed twice becomes very much larger than it is.
        for unread in [&["deflate"][..], &["gzip, gzip"], &["gzip", "zstd"], &["aws-chunked"], &["gzip;q=1"]] {
            assert!(of(unread).is_err(), "{unread:?}");
        }
    }
}
