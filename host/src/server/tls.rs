//! TLS towards callers, where no proxy in front of the gateway does it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Tls;
use crate::net::Wire;

impl Wire for TlsStream<Box<dyn Wire>> {
    fn reset_when_dropped(&mut self) {
        self.get_mut().0.reset_when_dropped();
    }
}

/// Certificates are replaced weeks before they expire; nobody waits for the new one.
const AGAIN: Duration = Duration::from_secs(60);

/// The certificate in force, and where it is from.
pub struct Certificate {
    tls: Tls,
    read: ArcSwap<Read>,
}

struct Read {
    acceptor: TlsAcceptor,
    /// The files, to notice that they have changed.
    pem: [Vec<u8>; 2],
}

impl Certificate {
    /// # Errors
    /// When the files cannot be read or do not belong together.
    pub fn read(tls: &Tls) -> anyhow::Result<Certificate> {
        Ok(Certificate { tls: tls.clone(), read: ArcSwap::from_pointee(Read::of(tls)?) })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.read.load().acceptor.clone()
    }

    /// Read the files again. True if they hold another certificate, which is in force now.
    ///
    /// # Errors
    /// As above; the one that was in force remains.
    pub fn refresh(&self) -> anyhow::Result<bool> {
        let read = Read::of(&self.tls)?;
        let is_new = read.pem != self.read.load().pem;
        if is_new {
            self.read.store(Arc::new(read));
        }
        Ok(is_new)
    }
}

/// Read the files now and then, as long as the certificate is used.
pub async fn keep_fresh(certificate: Weak<Certificate>) {
    let mut is_wrong = false;
    loop {
        sleep(AGAIN).await;
        let Some(certificate) = certificate.upgrade() else { return };
        // Reading files takes a thread of its own: no request waits for a disk.
        let refreshed = tokio::task::spawn_blocking(move || certificate.refresh()).await;
        match &refreshed {
            Ok(Ok(true)) => tracing::info!("the new certificate is in force"),
            Ok(Err(error)) if !is_wrong => tracing::warn!("the certificate is not replaced: {error:#}"),
            Ok(Ok(false) | Err(_)) | Err(_) => {}
        }
        is_wrong = matches!(refreshed, Ok(Err(_)));
    }
}

impl Read {
    fn of(tls: &Tls) -> anyhow::Result<Read> {
        let pem = |file: &std::path::Path| std::fs::read(file).with_context(|| format!("reading {}", file.display()));
        let pem = [pem(&tls.certificate)?, pem(&tls.key)?];
        Ok(Read { acceptor: acceptor(tls)?, pem })
    }
}

fn acceptor(tls: &Tls) -> anyhow::Result<TlsAcceptor> {
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("reading the certificate {certificate}"))?;
    let private = PrivateKeyDer::from_pem_file(&tls.key).with_context(|| format!("reading the key {key}"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("{certificate} and {key} do not belong together"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Faults: F121
    #[test]
    fn a_new_certificate_is_in_force_and_a_wrong_one_is_not() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        let folder = std::env::temp_dir().join(format!("pointsman-certificate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let put = |from: &str, to: &str| std::fs::copy(fixtures.join(from), folder.join(to)).expect("a copy");
        put("localhost.pem", "certificate.pem");
        put("localhost-key.pem", "key.pem");
        let tls = Tls { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        let certificate = Certificate::read(&tls).expect("a pair");
        assert!(!certificate.refresh().expect("the same"));
        put("provider.pem", "certificate.pem");
        assert!(certificate.refresh().is_err(), "half of it is there");
        put("provider-key.pem", "key.pem");
        assert!(certificate.refresh().expect("a pair"));
        std::fs::remove_dir_all(&folder).expect("its own folder");
        assert!(certificate.refresh().is_err());
    }
}
