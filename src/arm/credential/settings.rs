//! Which way to log in: one explicit choice, and a sensible guess for those who do not choose.

use std::{path::PathBuf, sync::Arc};

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{Secret, TokenCredential},
    http::{ClientOptions, RetryOptions, Transport as LoginTransport},
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use url::Url;

use super::{CredentialError, CredentialFactory, http::LoginHttp};
use crate::arm::transport::Transport;

/// A way to log in to Azure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CredentialSettings {
    /// A Kubernetes service account, federated with an Entra identity: the way for AKS.
    WorkloadIdentity {
        /// The tenant to log in to.
        tenant_id: String,
        /// The client id of the identity.
        client_id: String,
        /// The file with the service account's token, kept fresh by the kubelet.
        token_file: PathBuf,
    },
    /// The managed identity of the machine.
    ManagedIdentity {
        /// The client id of a user-assigned identity; without it, the system-assigned one.
        client_id: Option<String>,
    },
    /// An application with a secret.
    ClientSecret {
        /// The tenant to log in to.
        tenant_id: String,
        /// The client id of the application.
        client_id: String,
        /// The secret, not shown by `Debug`.
        secret: Secret,
    },
    /// The person who is logged in with `az` or `azd` on this machine.
    DeveloperTools,
}

/// The network that logins use.
#[derive(Clone, Debug)]
pub struct LoginNetwork {
    /// Where tokens come from: the authority of the cloud, https.
    pub authority: Url,
    /// To the authority, through a proxy if there is one.
    pub transport: Arc<dyn Transport>,
    /// To the metadata endpoint, never through a proxy.
    pub metadata: Arc<dyn Transport>,
}

impl CredentialSettings {
    /// The way that the environment of the process suggests, as the AKS webhook and Microsoft's
    /// SDKs fill it: a federated token, else a secret, else the machine's identity.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        let client_id = given("AZURE_CLIENT_ID");
        if let (Some(tenant_id), Some(client_id)) = (given("AZURE_TENANT_ID"), client_id.clone()) {
            if let Some(file) = given("AZURE_FEDERATED_TOKEN_FILE") {
                let token_file = file.into();
                return Self::WorkloadIdentity {
                    tenant_id,
                    client_id,
                    token_file,
                };
            }
            if let Some(secret) = given("AZURE_CLIENT_SECRET") {
                return Self::ClientSecret {
                    tenant_id,
                    client_id,
                    secret: Secret::new(secret),
                };
            }
        }
        Self::ManagedIdentity { client_id }
    }

    /// The word for logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::WorkloadIdentity { .. } => "workload-identity",
            Self::ManagedIdentity { .. } => "managed-identity",
            Self::ClientSecret { .. } => "client-secret",
            Self::DeveloperTools => "developer-tools",
        }
    }

    /// Builds this credential for each login.
    pub fn factory(self, network: LoginNetwork) -> CredentialFactory {
        let secret = match &self {
            Self::ClientSecret { secret, .. } => Some(secret.clone()),
            Self::WorkloadIdentity { .. } | Self::ManagedIdentity { .. } | Self::DeveloperTools => {
                None
            }
        };
        CredentialFactory {
            secret,
            ..CredentialFactory::new(move || self.build(&network))
        }
    }

    fn build(&self, network: &LoginNetwork) -> Result<Arc<dyn TokenCredential>, CredentialError> {
        let client_options = network.options(&network.transport);
        let built: azure_core::Result<Arc<dyn TokenCredential>> = match self.clone() {
            Self::WorkloadIdentity {
                tenant_id,
                client_id,
                token_file,
            } => {
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options },
                    tenant_id: Some(tenant_id),
                    client_id: Some(client_id),
                    token_file_path: Some(token_file),
                };
                WorkloadIdentityCredential::new(Some(options))
                    .map(|built| -> Arc<dyn TokenCredential> { built })
            }
            Self::ManagedIdentity { client_id } => {
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: client_id.map(UserAssignedId::ClientId),
                    client_options: network.options(&network.metadata),
                };
                ManagedIdentityCredential::new(Some(options))
                    .map(|built| -> Arc<dyn TokenCredential> { built })
            }
            Self::ClientSecret {
                tenant_id,
                client_id,
                secret,
            } => {
                let options = ClientSecretCredentialOptions { client_options };
                ClientSecretCredential::new(&tenant_id, client_id, secret, Some(options))
                    .map(|built| -> Arc<dyn TokenCredential> { built })
            }
            Self::DeveloperTools => DeveloperToolsCredential::new(None)
                .map(|built| -> Arc<dyn TokenCredential> { built }),
        };
        // errors of the constructors name settings and files, never their contents
        built.map_err(|error| CredentialError::Settings {
            detail: super::describe(&error, &[]),
        })
    }
}

impl LoginNetwork {
    fn options(&self, transport: &Arc<dyn Transport>) -> ClientOptions {
        let mut custom = CustomConfiguration::default();
        custom
            .authority_host
            .push_str(self.authority.as_str().trim_end_matches('/'));
        ClientOptions {
            // the token source has its own patience, which can be seen and tested
            retry: RetryOptions::none(),
            transport: Some(LoginTransport::new(Arc::new(LoginHttp(Arc::clone(
                transport,
            ))))),
            cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
            ..ClientOptions::default()
        }
    }
}
