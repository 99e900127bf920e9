//! The flags of `dicomenc operator`, as clap reads them. Their doc comments are the help.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use k8s_openapi::jiff::SignedDuration;
use url::Url;

use crate::{admin::BindAddress, telemetry::LogFormat};

#[derive(Args, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    pub(super) election: ElectionFlags,
    #[command(flatten)]
    pub(super) process: ProcessFlags,
    #[command(flatten)]
    pub(super) azure: AzureFlags,
    #[command(flatten)]
    pub(super) pace: PaceFlags,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Leader election")]
pub(super) struct ElectionFlags {
    /// Act only while holding a Lease, so that several replicas can run
    #[arg(long)]
    pub(super) leader_elect: bool,
    /// Namespace of the Lease; default: the namespace this runs in
    #[arg(long, value_name = "NAMESPACE")]
    pub(super) leader_election_namespace: Option<String>,
    /// Name of the Lease
    #[arg(long, value_name = "NAME", default_value = "dicomenc-operator")]
    pub(super) leader_election_id: String,
    /// How long others wait after the last renewal before they take over
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "15s")]
    pub(super) lease_duration: SignedDuration,
    /// How long after the last renewal the leader still acts
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub(super) renew_deadline: SignedDuration,
    /// Pause between two renewals
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s")]
    pub(super) retry_period: SignedDuration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Process")]
pub(super) struct ProcessFlags {
    /// Address of /metrics, 0 for none
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(super) metrics_bind_address: BindAddress,
    /// Address of /livez and /readyz, 0 for none
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    pub(super) health_probe_bind_address: BindAddress,
    /// Watch this namespace only; default: all
    #[arg(long, value_name = "NAMESPACE")]
    pub(super) namespace: Option<String>,
    /// Log lines as json or text
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(super) log_format: LogFormat,
    /// Log level, or directives; [env: `RUST_LOG`].
    #[arg(long, value_name = "FILTER", help = LOG_LEVEL)]
    pub(super) log_level: Option<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Azure")]
pub(super) struct AzureFlags {
    /// The cloud; custom needs the four flags that follow
    #[arg(long, value_name = "CLOUD", value_enum, default_value = "public")]
    pub(super) azure_cloud: CloudChoice,
    /// Azure Resource Manager of a custom cloud
    #[arg(long, value_name = "URL")]
    pub(super) azure_endpoint: Option<Url>,
    /// Sign-in host of a custom cloud; [env: `AZURE_AUTHORITY_HOST`].
    #[arg(long, value_name = "URL", help = AUTHORITY)]
    pub(super) azure_authority: Option<Url>,
    /// What follows a vault's name in its host in a custom cloud, as in vault.example.org
    #[arg(long, value_name = "SUFFIX")]
    pub(super) azure_vault_suffix: Option<String>,
    /// Token audience of Azure Resource Manager in a custom cloud
    #[arg(long, value_name = "URL")]
    pub(super) azure_audience: Option<String>,
    /// How to sign in; auto looks at the environment.
    #[arg(long, value_name = "WAY", value_enum, default_value = "auto", help = CREDENTIAL)]
    pub(super) azure_credential: CredentialChoice,
    /// PEM file with certificate authorities to trust beside the system's
    #[arg(long, value_name = "FILE")]
    pub(super) ca_bundle: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Pace")]
pub(super) struct PaceFlags {
    /// How old a role assignment must be before a key URL relies on it
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub(super) propagation_wait: SignedDuration,
    /// How long a service may be without its key and still come back by itself
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30m")]
    pub(super) recovery_window: SignedDuration,
    /// How long a service is given to come back
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub(super) recovery_grace: SignedDuration,
    /// How often vaults, keys, grants and identities are looked at
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(super) health_interval: SignedDuration,
    /// How often DICOM services are listed
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2m")]
    pub(super) service_interval: SignedDuration,
    /// How often Resource Health is asked
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub(super) resource_health_interval: SignedDuration,
    /// How often each key is looked at, where the operator may read it at its vault
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub(super) vault_interval: SignedDuration,
    /// How often configuration is looked at
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub(super) configuration_interval: SignedDuration,
    /// How many objects are worked on at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    pub(super) max_concurrent_reconciles: u16,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum CloudChoice {
    Public,
    #[value(name = "usgovernment")]
    UsGovernment,
    China,
    Custom,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum CredentialChoice {
    Auto,
    WorkloadIdentity,
    ManagedIdentity,
    ClientSecret,
    DeveloperCli,
}

/// A duration as people write it: `90s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<SignedDuration, &'static str> {
    text.parse()
        .map_err(|_| "write a duration such as 500ms, 90s, 10m or 1h30m")
}

// help texts with names that a doc comment would have to quote
const LOG_LEVEL: &str = "Log level, or directives such as info,dicomenc::arm=debug; default: info \
    [env: RUST_LOG]";
const AUTHORITY: &str = "Sign-in host of a custom cloud [env: AZURE_AUTHORITY_HOST]";
const CREDENTIAL: &str = "How to sign in; auto takes the first that the environment allows \
    [env: AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_SECRET, AZURE_CLIENT_ID, AZURE_TENANT_ID]";
