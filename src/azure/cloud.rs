//! The clouds of Azure: where ARM, the login authority, the vaults and the DICOM services are.
//!
//! Source: the endpoint tables of Azure's documentation and of Microsoft's SDKs.

use std::fmt;

use url::Url;

/// One Azure cloud: its endpoints and host name suffixes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cloud {
    /// What to call it, for people.
    pub name: String,
    /// Where ARM answers, with a trailing slash.
    pub resource_manager: Url,
    /// The scope of a token for ARM.
    pub scope: String,
    /// Where tokens come from.
    pub authority: Url,
    /// What follows the vault's name in its host name, such as `vault.azure.net`.
    pub vault_suffix: String,
    /// What follows a DICOM service's label in its host name; `None` where no such host is known.
    pub dicom_suffix: Option<String>,
}

/// The host name suffixes of vaults in the clouds that the API's schema knows.
pub const VAULT_SUFFIXES: [&str; 3] = [
    "vault.azure.net",
    "vault.usgovcloudapi.net",
    "vault.azure.cn",
];

/// The host name suffixes of managed HSMs, which are recognised to be refused with the right words.
pub const MANAGED_HSM_SUFFIXES: [&str; 3] = [
    "managedhsm.azure.net",
    "managedhsm.usgovcloudapi.net",
    "managedhsm.azure.cn",
];

/// The scope of a token for the data plane of DICOM services. The documentation names this audience
/// for all of them, and none of its own for a national cloud.
pub const DICOM_SCOPE: &str = "https://dicom.healthcareapis.azure.com/.default";

impl Cloud {
    /// The public cloud.
    pub fn public() -> Self {
        Self::known(
            "AzurePublic",
            "management.azure.com",
            "login.microsoftonline.com",
            "vault.azure.net",
            Some("dicom.azurehealthcareapis.com"),
        )
    }

    /// Azure US Government.
    pub fn us_government() -> Self {
        Self::known(
            "AzureUSGovernment",
            "management.usgovcloudapi.net",
            "login.microsoftonline.us",
            "vault.usgovcloudapi.net",
            Some("dicom.azurehealthcareapis.us"),
        )
    }

    /// Azure operated by 21Vianet in China, which has no DICOM services that are documented.
    pub fn china() -> Self {
        Self::known(
            "AzureChina",
            "management.chinacloudapi.cn",
            "login.chinacloudapi.cn",
            "vault.azure.cn",
            None,
        )
    }

    #[expect(
        clippy::expect_used,
        reason = "host names are constants above and parse"
    )]
    fn known(
        name: &str,
        resource_manager: &str,
        authority: &str,
        vault_suffix: &str,
        dicom_suffix: Option<&str>,
    ) -> Self {
        let https = |host: &str| Url::parse(&format!("https://{host}/")).expect("a constant url");
        Self {
            name: name.to_owned(),
            resource_manager: https(resource_manager),
            scope: format!("https://{resource_manager}/.default"),
            authority: https(authority),
            vault_suffix: vault_suffix.to_owned(),
            dicom_suffix: dicom_suffix.map(str::to_owned),
        }
    }

    /// The scope of a token for the data plane of vaults: their audience is the suffix itself.
    pub fn vault_scope(&self) -> String {
        format!("https://{}/.default", self.vault_suffix)
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_own_scope_for_vaults_and_china_has_no_dicom_host() {
        let scopes = [
            Cloud::public().vault_scope(),
            Cloud::us_government().vault_scope(),
            Cloud::china().vault_scope(),
        ];
        assert_eq!(
            scopes,
            [
                "https://vault.azure.net/.default",
                "https://vault.usgovcloudapi.net/.default",
                "https://vault.azure.cn/.default",
            ]
        );
        assert_eq!(Cloud::china().dicom_suffix, None);
    }
}
