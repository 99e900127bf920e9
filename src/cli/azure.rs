//! How Azure is reached: which cloud, who signs in, through which proxy.

use std::{fmt, path::PathBuf};

use url::Url;

use super::{
    environment::Environment,
    flags::{AzureFlags, CloudChoice, CredentialChoice},
    settings::SettingsError,
};

/// How Azure is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AzureSettings {
    /// The cloud.
    pub cloud: CloudSettings,
    /// Who signs in.
    pub credential: CredentialSettings,
    /// The sign-in host that `AZURE_AUTHORITY_HOST` names (the workload-identity webhook sets it);
    /// https, and to be compared with the cloud's own.
    pub authority_host: Option<Url>,
    /// A PEM file with certificate authorities to trust beside the system's.
    pub ca_bundle: Option<PathBuf>,
}

/// The cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CloudSettings {
    /// Azure.
    Public,
    /// Azure US Government.
    UsGovernment,
    /// Azure operated by 21Vianet.
    China,
    /// One with hosts of its own.
    Custom(Box<CustomCloud>),
}

/// The hosts of a custom cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CustomCloud {
    /// Azure Resource Manager, https.
    pub endpoint: Url,
    /// The sign-in host, https.
    pub authority: Url,
    /// What follows a vault's name in its host: lower case, without a dot in front.
    pub vault_suffix: String,
    /// The token audience of Azure Resource Manager.
    pub audience: String,
}

/// Who signs in, and by what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CredentialSettings {
    /// A token of the pod's service account, exchanged.
    WorkloadIdentity {
        /// Who.
        principal: ServicePrincipal,
        /// The file that holds the token; it is replaced while we run.
        token_file: PathBuf,
    },
    /// The identity of the machine; the user-assigned one with this client id, if there is one.
    ManagedIdentity {
        /// The client id of a user-assigned identity; `None`: the system-assigned one.
        client_id: Option<String>,
    },
    /// A secret of an app registration.
    ClientSecret {
        /// Who.
        principal: ServicePrincipal,
        /// The secret.
        secret: Secret,
    },
    /// Whoever signed in with `az login` on this machine.
    DeveloperCli,
}

/// An app registration or user-assigned identity, and where it lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServicePrincipal {
    /// Its tenant.
    pub tenant_id: String,
    /// Its client id.
    pub client_id: String,
}

/// A text that is never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who signs in with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// The way out of the company's network.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ProxySettings {
    /// The proxy for https; it may carry a user's name and password.
    pub https: Option<Url>,
    /// Hosts, domains and networks that are reached without it, as `NO_PROXY` lists them. The
    /// metadata endpoint is never asked through a proxy, whatever stands here.
    pub bypass: Vec<String>,
}

impl ProxySettings {
    pub(super) fn try_new(environment: &Environment) -> Result<Self, SettingsError> {
        let https = match environment.first(&["HTTPS_PROXY", "https_proxy"]) {
            None => None,
            Some((name, text)) => Some(proxy(name, text)?),
        };
        let bypass = environment
            .first(&["NO_PROXY", "no_proxy"])
            .map_or("", |(_, list)| list);
        let bypass = bypass
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned);
        Ok(Self {
            https,
            bypass: bypass.collect(),
        })
    }
}

/// Without the password.
impl fmt::Debug for ProxySettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { https, bypass } = self;
        let shown = https.as_ref().map(|url| {
            let place = (
                url.host_str().unwrap_or_default(),
                url.port_or_known_default(),
            );
            format!(
                "{}://{}:{}",
                url.scheme(),
                place.0,
                place.1.unwrap_or_default()
            )
        });
        out.debug_struct("ProxySettings")
            .field("https", &shown)
            .field("bypass", bypass)
            .finish()
    }
}

impl AzureSettings {
    pub(super) fn try_new(
        flags: AzureFlags,
        environment: &Environment,
    ) -> Result<Self, SettingsError> {
        let AzureFlags {
            azure_cloud,
            azure_endpoint,
            azure_authority,
            azure_vault_suffix,
            azure_audience,
            azure_credential,
            ca_bundle,
        } = flags;
        let authority_host = match environment.value("AZURE_AUTHORITY_HOST") {
            None => None,
            Some(text) => Some(https_url("AZURE_AUTHORITY_HOST", text)?),
        };
        let custom = CustomFlags {
            endpoint: azure_endpoint,
            authority: azure_authority,
            vault_suffix: azure_vault_suffix,
            audience: azure_audience,
        };
        let cloud = match azure_cloud {
            CloudChoice::Public => custom.absent().map(|()| CloudSettings::Public),
            CloudChoice::UsGovernment => custom.absent().map(|()| CloudSettings::UsGovernment),
            CloudChoice::China => custom.absent().map(|()| CloudSettings::China),
            CloudChoice::Custom => custom
                .complete(authority_host.as_ref())
                .map(|cloud| CloudSettings::Custom(Box::new(cloud))),
        }?;
        let credential = credential(azure_credential, environment)?;
        Ok(Self {
            cloud,
            credential,
            authority_host,
            ca_bundle,
        })
    }
}

struct CustomFlags {
    endpoint: Option<Url>,
    authority: Option<Url>,
    vault_suffix: Option<String>,
    audience: Option<String>,
}

impl CustomFlags {
    fn absent(&self) -> Result<(), SettingsError> {
        let given = [
            ("--azure-endpoint", self.endpoint.is_some()),
            ("--azure-authority", self.authority.is_some()),
            ("--azure-vault-suffix", self.vault_suffix.is_some()),
            ("--azure-audience", self.audience.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(SettingsError::Unused {
                flag,
                needs: "--azure-cloud custom",
            }),
            None => Ok(()),
        }
    }

    fn complete(self, authority_host: Option<&Url>) -> Result<CustomCloud, SettingsError> {
        let authority = self.authority.or_else(|| authority_host.cloned());
        let (Some(endpoint), Some(authority), Some(vault_suffix), Some(audience)) = (
            &self.endpoint,
            &authority,
            &self.vault_suffix,
            &self.audience,
        ) else {
            let missing = [
                ("--azure-endpoint", self.endpoint.is_none()),
                ("--azure-authority", authority.is_none()),
                ("--azure-vault-suffix", self.vault_suffix.is_none()),
                ("--azure-audience", self.audience.is_none()),
            ];
            return Err(missing_of("--azure-cloud custom", &missing));
        };
        let vault_suffix = vault_suffix.trim_start_matches('.').to_ascii_lowercase();
        if !is_domain(&vault_suffix) {
            let expected = "a domain such as vault.example.org";
            return Err(SettingsError::Value {
                name: "--azure-vault-suffix",
                expected,
            });
        }
        Ok(CustomCloud {
            endpoint: https("--azure-endpoint", endpoint)?,
            authority: https("--azure-authority", authority)?,
            vault_suffix,
            audience: audience.clone(),
        })
    }
}

fn credential(
    choice: CredentialChoice,
    environment: &Environment,
) -> Result<CredentialSettings, SettingsError> {
    let client_id = environment.value("AZURE_CLIENT_ID").map(str::to_owned);
    let token_file = environment
        .value("AZURE_FEDERATED_TOKEN_FILE")
        .map(PathBuf::from);
    let secret = environment
        .value("AZURE_CLIENT_SECRET")
        .map(|text| Secret(text.to_owned()));
    let tenant_id = environment.value("AZURE_TENANT_ID").map(str::to_owned);
    let chosen = match choice {
        CredentialChoice::Auto if token_file.is_some() => CredentialChoice::WorkloadIdentity,
        CredentialChoice::Auto if secret.is_some() => CredentialChoice::ClientSecret,
        CredentialChoice::Auto => CredentialChoice::ManagedIdentity,
        CredentialChoice::WorkloadIdentity
        | CredentialChoice::ManagedIdentity
        | CredentialChoice::ClientSecret
        | CredentialChoice::DeveloperCli => choice,
    };
    let absent = [
        ("AZURE_TENANT_ID", tenant_id.is_none()),
        ("AZURE_CLIENT_ID", client_id.is_none()),
    ];
    let principal = tenant_id
        .zip(client_id.clone())
        .map(|(tenant_id, client_id)| ServicePrincipal {
            tenant_id,
            client_id,
        });
    match chosen {
        CredentialChoice::WorkloadIdentity => match principal.zip(token_file.clone()) {
            Some((principal, token_file)) => Ok(CredentialSettings::WorkloadIdentity {
                principal,
                token_file,
            }),
            None => Err(missing_of(
                "signing in by workload identity (label the pod azure.workload.identity/use: \
                 \"true\")",
                &[
                    &absent[..],
                    &[("AZURE_FEDERATED_TOKEN_FILE", token_file.is_none())],
                ]
                .concat(),
            )),
        },
        CredentialChoice::ClientSecret => match principal.zip(secret.clone()) {
            Some((principal, secret)) => Ok(CredentialSettings::ClientSecret { principal, secret }),
            None => Err(missing_of(
                "signing in by client secret",
                &[&absent[..], &[("AZURE_CLIENT_SECRET", secret.is_none())]].concat(),
            )),
        },
        CredentialChoice::DeveloperCli => Ok(CredentialSettings::DeveloperCli),
        CredentialChoice::ManagedIdentity | CredentialChoice::Auto => {
            Ok(CredentialSettings::ManagedIdentity { client_id })
        }
    }
}

fn missing_of(choice: &'static str, named: &[(&'static str, bool)]) -> SettingsError {
    let missing: Vec<&str> = named
        .iter()
        .filter(|(_, missing)| *missing)
        .map(|(name, _)| *name)
        .collect();
    SettingsError::Missing {
        choice,
        missing: missing.join(", "),
    }
}

fn https_url(name: &'static str, text: &str) -> Result<Url, SettingsError> {
    match Url::parse(text) {
        Ok(url) => https(name, &url),
        Err(_) => Err(SettingsError::Value {
            name,
            expected: HTTPS,
        }),
    }
}

fn https(name: &'static str, url: &Url) -> Result<Url, SettingsError> {
    let plain = url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain {
        Ok(url.clone())
    } else {
        Err(SettingsError::Value {
            name,
            expected: HTTPS,
        })
    }
}

/// A proxy without a scheme is an http one, as everywhere.
fn proxy(name: &'static str, text: &str) -> Result<Url, SettingsError> {
    let complete = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    Url::parse(&complete)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(SettingsError::Value {
            name,
            expected: "the address of a proxy, such as http://proxy.example.org:3128",
        })
}

fn is_domain(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        })
}

const HTTPS: &str = "an https address such as https://login.example.org";
