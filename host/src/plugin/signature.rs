//! Who made a file: a signature of `minisign`, by one of the keys that the configuration trusts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{Error, PublicKey, Signature};

/// Four lines; the comments in them may be long.
const SIGNATURE_BYTES_MAX: usize = 8 << 10;
/// The header in which `pointsman plugin load` sends a signature: base64.
pub const SIGNATURE_HEADER: &str = "x-pointsman-signature";

/// A trusted key, as `minisign -G` prints it: the second line of `minisign.pub`.
///
/// # Errors
/// What it should be.
pub fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    let wrong = "is no public key of minisign: give the line that begins with RW, of minisign.pub";
    PublicKey::from_base64(text.trim()).map_err(|_| anyhow!("`{text}` {wrong}"))
}

/// Is this file signed by one of these keys? Without keys nothing is asked for. What the signer stated comes back
/// (minisign's trusted comment).
///
/// # Errors
/// Why it is not trusted.
pub fn verify(bytes: &[u8], signature: Option<&str>, keys: &[PublicKey]) -> anyhow::Result<Option<String>> {
    if keys.is_empty() {
        return Ok(None);
    }
    let text = signature.context(
        "it has no signature, and `[gate] public_keys` asks for one: sign it with `minisign -Sm FILE`, which makes \
         FILE.minisig, and keep the two together",
    )?;
    let signature = Signature::decode(text).map_err(|_| anyhow!("its signature is not one of minisign"))?;
    for key in keys {
        match key.verify(bytes, &signature, false) {
            Ok(()) => return Ok(Some(signature.trusted_comment().to_owned())),
            Err(Error::UnexpectedKeyId) => {}
            Err(Error::UnexpectedAlgorithm) => {
                bail!("its signature is of an old kind: sign it with minisign 0.10 or newer")
            }
            Err(_) => bail!("its signature is not of this file: the file was changed after it was signed"),
        }
    }
    bail!("its signature is by a key that `[gate] public_keys` does not name")
}

/// The signature beside a file, `FILE.minisig`, if there is one.
///
/// # Errors
/// When it cannot be read.
pub async fn beside(file: &Path) -> anyhow::Result<Option<String>> {
    let path = path(file);
    match tokio::fs::read_to_string(&path).await {
        Ok(text) => {
            ensure!(text.len() <= SIGNATURE_BYTES_MAX, "{} is too long for a signature", path.display());
            Ok(Some(text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Where the signature of a file is.
pub fn path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

/// For a header.
pub fn encode(signature: &str) -> String {
    STANDARD.encode(signature)
}

/// From a header.
///
/// # Errors
/// When it is not what [`encode`] made.
pub fn decode(header: &[u8]) -> anyhow::Result<String> {
    let text = STANDARD.decode(header).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.with_context(|| format!("the header `{SIGNATURE_HEADER}` is not a signature in base64"))
}
