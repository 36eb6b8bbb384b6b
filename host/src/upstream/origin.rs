//! Where a key may go: the one place that its provider's configuration names. What builds a request may be wrong, or a
//! plugin's doing; so the two are compared again where requests leave.

use hyper::{Request, Uri};

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// On a request: its secret headers belong there.
#[derive(Clone, Debug)]
struct Bound(Origin);

impl Origin {
    /// Absent: it is not the URL of a place.
    pub fn of(url: &Uri) -> Option<Origin> {
        let (scheme, host) = (url.scheme_str()?.to_ascii_lowercase(), url.host()?.to_ascii_lowercase());
        let default = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        Some(Origin { scheme, host, port: url.port_u16().unwrap_or(default) })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Its URL, without a path.
    pub fn uri(&self) -> Option<Uri> {
        format!("{}://{}:{}/", self.scheme, self.host, self.port).parse().ok()
    }

    /// The secret headers of this request are for this place.
    pub fn bind<B>(&self, request: &mut Request<B>) {
        request.extensions_mut().insert(Bound(self.clone()));
    }
}

/// # Errors
/// It carries a secret, and is not for the place that the secret is for.
pub fn check<B>(request: &Request<B>) -> Result<(), String> {
    if !request.headers().values().any(|value| value.is_sensitive()) {
        return Ok(());
    }
    let bound = request.extensions().get::<Bound>().map(|bound| &bound.0);
    match (bound, Origin::of(request.uri())) {
        (Some(bound), Some(origin)) if *bound == origin => Ok(()),
        (Some(bound), _) => {
            Err(format!("its key is for {}://{}:{} only, and was not sent", bound.scheme, bound.host, bound.port))
        }
        (None, _) => Err("its secret header is for no place that is known, and was not sent".to_owned()),
    }
}
