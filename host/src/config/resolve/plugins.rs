//! `[plugins.NAME]`: files, URLs and packages, each of the last two with the digest that it must have.

use std::collections::BTreeMap;

use toml::Spanned;

use super::Resolver;
use crate::config::error::ConfigError;
use crate::config::resolved::PluginFile;
use crate::config::written;
use crate::ship::{self, Digest, Place, Reference};

impl Resolver<'_> {
    pub(super) fn plugins(
        &self,
        written: BTreeMap<Spanned<String>, written::PluginFile>,
    ) -> Result<BTreeMap<String, PluginFile>, ConfigError> {
        let mut plugins = BTreeMap::new();
        for (name, plugin) in written {
            let place = self.place(&name, &plugin)?;
            let sha256 = plugin.sha256.as_ref().map(|digest| self.sha256(digest)).transpose()?;
            let fresh = matches!(plugin.isolation, written::Isolation::Fresh);
            plugins.insert(name.into_inner(), PluginFile { place, sha256, fresh });
        }
        Ok(plugins)
    }

    fn place(&self, name: &Spanned<String>, plugin: &written::PluginFile) -> Result<Place, ConfigError> {
        let written::PluginFile { file, url, oci, sha256, isolation: _ } = plugin;
        match (file, url, oci) {
            (Some(file), None, None) => self.file(file),
            (None, Some(url), None) => self.url(url, sha256.as_ref()),
            (None, None, Some(oci)) => self.package(oci, sha256.as_ref()),
            (None, None, None) => {
                let hint = Some("say where with `file`, `url` or `oci`".to_owned());
                Err(self.error(name.span(), format!("`plugins.{}` comes from nowhere", name.get_ref()), hint))
            }
            _ => {
                let hint = Some("keep one of `file`, `url` and `oci`".to_owned());
                Err(self.error(name.span(), format!("`plugins.{}` comes from several places", name.get_ref()), hint))
            }
        }
    }

    fn file(&self, file: &Spanned<String>) -> Result<Place, ConfigError> {
        let path = self.relative(file.get_ref());
        match path.is_file() {
            true => Ok(Place::File(path)),
            false => Err(self.error(file.span(), format!("there is no file {}", path.display()), None)),
        }
    }

    fn url(&self, url: &Spanned<String>, sha256: Option<&Spanned<String>>) -> Result<Place, ConfigError> {
        let parsed = ship::url(&self.expand(url)?).map_err(|text| self.error(url.span(), text, None))?;
        let sha256 = sha256.ok_or_else(|| {
            let hint = "give its `sha256`, which `pointsman plugin inspect FILE` tells".to_owned();
            self.error(url.span(), "what a URL gives can change, so it needs a digest", Some(hint))
        })?;
        Ok(Place::Url(parsed, self.sha256(sha256)?))
    }

    fn package(&self, oci: &Spanned<String>, sha256: Option<&Spanned<String>>) -> Result<Place, ConfigError> {
        if let Some(sha256) = sha256 {
            let text = "a package's digest stands after its name, and is its manifest's";
            return Err(self.error(sha256.span(), text, Some("leave it out".to_owned())));
        }
        let reference = Reference::parse(&self.expand(oci)?).map_err(|text| self.error(oci.span(), text, None))?;
        match reference.digest {
            Some(_) => Ok(Place::Package(reference)),
            None => {
                let hint = format!("`pointsman plugin pull {reference}` tells its name with the digest");
                Err(self.error(oci.span(), "what a tag means can change, so it needs a digest", Some(hint)))
            }
        }
    }

    fn sha256(&self, written: &Spanned<String>) -> Result<Digest, ConfigError> {
        Digest::parse(written.get_ref()).map_err(|text| self.error(written.span(), text, None))
    }
}
