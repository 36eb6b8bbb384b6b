//! The files that AWS's own tools share, `~/.aws/credentials` and `~/.aws/config`: keys of a profile, and roles that are assumed with
//! those of another one. What needs a browser, a program or a code (`sso_…`, `credential_process`, `mfa_serial`) is refused by name.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>,
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>

use std::collections::BTreeMap;

use super::identity::AwsRole;
use super::resolved::{AwsKeys, Secret};

/// Of roles that are assumed one after the other.
const ROLES_MAX: usize = 5;
const DEFAULT: &str = "default";
/// What a profile may have in place of keys that is not read here.
const UNREAD: [&str; 5] =
    ["sso_session", "sso_start_url", "credential_process", "web_identity_token_file", "credential_source"];

/// What a profile says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub keys: AwsKeys,
    /// They are assumed in this order, each with what the one before gave.
    pub roles: Vec<AwsRole>,
}

impl Profile {
    /// `credentials` and `config` are the texts of the two files; `session_name` holds where a profile names none.
    ///
    /// # Errors
    /// A sentence for the operator, without a secret: there is no such profile, or why it gives no keys.
    pub fn find(name: &str, credentials: &str, config: &str, session_name: &str) -> Result<Profile, String> {
        let profiles = Profiles { credentials: sections(credentials), config: sections(config) };
        let (mut roles, mut seen, mut name) = (Vec::new(), vec![name.to_owned()], name.to_owned());
        let keys = loop {
            let profile = profiles.of(&name)?;
            let Some(arn) = profile.get("role_arn") else { break profile.keys(&name)? };
            if !arn.starts_with("arn:") || !arn.contains(":role/") {
                return Err(format!(
                    "`role_arn` of the profile `{name}` is not like `arn:aws:iam::123456789012:role/NAME`"
                ));
            }
            if profile.get("mfa_serial").is_some() {
                return Err(format!("the profile `{name}` asks for a code (`mfa_serial`), which nobody can type here"));
            }
            roles.push(AwsRole {
                arn: arn.to_owned(),
                session_name: profile.get("role_session_name").unwrap_or(session_name).to_owned(),
                external_id: profile.get("external_id").map(str::to_owned),
            });
            let Some(source) = profile.get("source_profile") else {
                let unread = profile.unread().map(|unread| format!(" (`{unread}` is not read)")).unwrap_or_default();
                return Err(format!("the profile `{name}` has a `role_arn` and no `source_profile`{unread}"));
            };
            // A profile may name itself: then its role is assumed with its own keys.
            if source == name {
                break profile.keys(&name)?;
            }
            if roles.len() == ROLES_MAX || seen.iter().any(|known| known == source) {
                return Err(format!("the profiles {} lead to each other, or are too many", seen.join(", ")));
            }
            source.clone_into(&mut name);
            seen.push(source.to_owned());
        };
        roles.reverse();
        Ok(Profile { keys, roles })
    }
}

/// Names of profiles, and what each says. A name stands with `profile ` before it in the file `config`, but for `default`.
type Sections<'a> = BTreeMap<String, BTreeMap<String, &'a str>>;

struct Profiles<'a> {
    credentials: Sections<'a>,
    config: Sections<'a>,
}

/// One profile, as both files say it; the file of credentials counts more.
struct Said<'a>([Option<&'a BTreeMap<String, &'a str>>; 2]);

impl<'a> Profiles<'a> {
    fn of(&'a self, name: &str) -> Result<Said<'a>, String> {
        let in_config = match name {
            DEFAULT => self.config.get(DEFAULT).or_else(|| self.config.get("profile default")),
            name => self.config.get(&format!("profile {name}")),
        };
        match (self.credentials.get(name), in_config) {
            (None, None) => Err(format!("there is no profile `{name}`")),
            said => Ok(Said([said.0, said.1])),
        }
    }
}

impl<'a> Said<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().flatten().find_map(|section| section.get(name).copied()).filter(|value| !value.is_empty())
    }

    fn unread(&self) -> Option<&'static str> {
        UNREAD.into_iter().find(|name| self.get(name).is_some())
    }

    fn keys(&self, name: &str) -> Result<AwsKeys, String> {
        let (id, secret) = (self.get("aws_access_key_id"), self.get("aws_secret_access_key"));
        let (Some(id), Some(secret)) = (id, secret) else {
            let unread = self.unread().map(|unread| format!(" (`{unread}` is not read)")).unwrap_or_default();
            let text = "needs `aws_access_key_id` and `aws_secret_access_key`, or `role_arn` and `source_profile`";
            return Err(format!("the profile `{name}` {text}{unread}"));
        };
        let token = self.get("aws_session_token");
        let is_key = |key: &str| super::resolve::is_key(key);
        if !is_key(id) || !is_key(secret) || !token.is_none_or(is_key) {
            return Err(format!("the keys of the profile `{name}` must be printable ASCII without spaces"));
        }
        Ok(AwsKeys {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::new(secret),
            session_token: token.map(Secret::new),
        })
    }
}

fn sections(text: &str) -> Sections<'_> {
    let (mut sections, mut name) = (Sections::new(), None);
    for line in text.trim_start_matches('\u{feff}').lines() {
        // An indented line belongs to the value above it, which is none of those that are read here.
        if line.starts_with(['#', ';', ' ', '\t']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let words = rest.split(']').next().unwrap_or_default().split_whitespace();
            name = Some(words.collect::<Vec<_>>().join(" "));
            continue;
        }
        if let (Some(name), Some((field, value))) = (&name, line.split_once('=')) {
            // A comment may follow a value, behind a space.
            let end = [" #", " ;", "\t#", "\t;"].iter().filter_map(|sign| value.find(sign)).min();
            let value = value[..end.unwrap_or(value.len())].trim();
            sections.entry(name.clone()).or_default().insert(field.trim().to_ascii_lowercase(), value);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\u{feff}# keys\n[default]\naws_access_key_id = AKID\r\nAWS_SECRET_ACCESS_KEY=wJalr/+=EXAMPLE # mine\n\
        [ team ]\naws_access_key_id=AKTEAM\naws_secret_access_key=canary-team\naws_session_token=token==\n\
        [half]\naws_access_key_id=AKHALF\n[torn]\naws_access_key_id=AK\naws_secret_access_key=canary torn\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\ns3 =\n  aws_access_key_id = nested\n\
        [profile gateway]\nrole_arn = arn:aws:iam::1:role/gateway\nsource_profile = team\nexternal_id = external-1\n\
        role_session_name = night ; a comment\n\
        [profile two]\nrole_arn=arn:aws:iam::2:role/two\nsource_profile=gateway\n\
        [profile self]\nrole_arn=arn:aws:iam::3:role/self\nsource_profile=self\naws_access_key_id=AKSELF\n\
        aws_secret_access_key=canary-self\n\
        [profile a]\nrole_arn=arn:aws:iam::1:role/a\nsource_profile=b\n[profile b]\nrole_arn=arn:aws:iam::1:role/b\nsource_profile=a\n\
        [profile browser]\nsso_session = corp\n[sso-session corp]\nsso_start_url = https://a\n\
        [profile machine]\nrole_arn=arn:aws:iam::1:role/m\ncredential_source=Ec2InstanceMetadata\n\
        [profile code]\nrole_arn=arn:aws:iam::1:role/m\nsource_profile=team\nmfa_serial=arn:aws:iam::1:mfa/x\n\
        [profile odd]\nrole_arn=gateway\nsource_profile=team\n[gone]\naws_access_key_id=AK\naws_secret_access_key=k\n";

    fn find(name: &str) -> Result<Profile, String> {
        Profile::find(name, CREDENTIALS, CONFIG, "pointsman")
    }

    fn role(arn: &str, session_name: &str, external_id: Option<&str>) -> AwsRole {
        AwsRole {
            arn: arn.to_owned(),
            session_name: session_name.to_owned(),
            external_id: external_id.map(str::to_owned),
        }
    }

    #[test]
    fn keys_and_roles_of_a_profile() {
        let own = find("default").expect("keys");
        assert_eq!((own.keys.access_key_id.as_str(), own.keys.secret_access_key.reveal()), ("AKID", "wJalr/+=EXAMPLE"));
        assert_eq!((own.keys.session_token, own.roles), (None, Vec::new()));
        let team = find("team").expect("keys");
        assert_eq!(team.keys.session_token.as_ref().map(Secret::reveal), Some("token=="));
        let gateway = role("arn:aws:iam::1:role/gateway", "night", Some("external-1"));
        let one = find("gateway").expect("a role");
        assert_eq!((&one.keys, &one.roles), (&team.keys, &vec![gateway.clone()]));
        let two = find("two").expect("two roles");
        assert_eq!(
            two.roles,
            [gateway, role("arn:aws:iam::2:role/two", "pointsman", None)],
            "in the order of assuming"
        );
        let itself = find("self").expect("its own keys");
        assert_eq!((itself.keys.access_key_id.as_str(), itself.roles.len()), ("AKSELF", 1));
    }

    #[test]
    fn what_gives_no_keys_is_named_without_a_secret() {
        for (name, expected) in [
            ("nobody", "there is no profile `nobody`"),
            ("gone", "there is no profile `gone`"),
            ("half", "needs `aws_access_key_id` and `aws_secret_access_key`"),
            ("torn", "printable ASCII"),
            ("a", "the profiles a, b lead to each other"),
            ("browser", "`sso_session` is not read"),
            ("machine", "no `source_profile` (`credential_source` is not read)"),
            ("code", "mfa_serial"),
            ("odd", "arn:aws:iam::123456789012:role/NAME"),
        ] {
            let error = find(name).expect_err(name);
            assert!(error.contains(expected), "{name}: {error}");
            assert!(!error.contains("canary"), "{name}: {error}");
        }
        assert!(Profile::find("default", "", "", "s").is_err());
        let from_config =
            Profile::find("default", "", "[profile default]\naws_access_key_id=A\naws_secret_access_key=B", "s");
        assert!(from_config.is_ok(), "{from_config:?}");
    }
}
