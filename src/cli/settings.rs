//! What the operator runs with: checked, and free of how it was given.

use std::{num::NonZeroU16, time::Duration};

use k8s_openapi::jiff::SignedDuration;
use thiserror::Error;

use super::{
    azure::{AzureSettings, ProxySettings},
    environment::Environment,
    flags::{ElectionFlags, Flags, PaceFlags, ProcessFlags},
};
use crate::{admin::BindAddress, telemetry::LogSettings};

/// Everything the operator runs with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How the leader is elected; `None`: there is one replica, and it leads.
    pub leader_election: Option<LeaderElection>,
    /// Where metrics are served.
    pub metrics_address: BindAddress,
    /// Where probes are answered.
    pub health_address: BindAddress,
    /// The namespace that is watched; `None`: all.
    pub namespace: Option<String>,
    /// What is logged, and how.
    pub log: LogSettings,
    /// How Azure is reached.
    pub azure: AzureSettings,
    /// The way out of the company's network.
    pub proxy: ProxySettings,
    /// Waits and intervals.
    pub timing: Timing,
    /// How many objects are worked on at the same time.
    pub max_concurrent_reconciles: NonZeroU16,
    /// The name of this pod or host, for the Lease and events.
    pub host: String,
}

/// How the leader is elected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeaderElection {
    /// The namespace of the Lease; `None`: the default namespace of the kube client.
    pub namespace: Option<String>,
    /// The name of the Lease.
    pub id: String,
    /// How long others wait after the last renewal.
    pub lease_duration: Duration,
    /// How long the leader acts after the last renewal.
    pub renew_deadline: Duration,
    /// The pause between two renewals.
    pub retry_period: Duration,
}

/// Waits and intervals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// How old a role assignment must be before a key URL relies on it.
    pub propagation_wait: Duration,
    /// How long a service may be without its key and still come back by itself.
    pub recovery_window: Duration,
    /// How long a service is given to come back.
    pub recovery_grace: Duration,
    /// The pause between two sweeps of vaults, keys, grants and identities.
    pub health_interval: Duration,
    /// The pause between two lists of the DICOM services of a workspace.
    pub service_interval: Duration,
    /// The pause between two questions to Resource Health.
    pub resource_health_interval: Duration,
    /// The pause between two looks at a key at its vault.
    pub vault_interval: Duration,
    /// The pause between two sweeps of configuration.
    pub configuration_interval: Duration,
}

/// Why the flags and the environment make no settings.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SettingsError {
    /// A duration is out of its bounds.
    #[error("{flag} is {given:#}: write a duration from {least:#} to {most:#}")]
    Duration {
        /// The flag.
        flag: &'static str,
        /// What it is.
        given: SignedDuration,
        /// The least it may be.
        least: SignedDuration,
        /// The most it may be.
        most: SignedDuration,
    },
    /// Two durations are in the wrong order.
    #[error("{shorter} must be shorter than {longer}: the defaults are {defaults}")]
    Order {
        /// The flag that must be shorter.
        shorter: &'static str,
        /// The flag that must be longer.
        longer: &'static str,
        /// What works.
        defaults: &'static str,
    },
    /// A number is out of its bounds.
    #[error("{flag} is {given}: write a number from {least} to {most}")]
    Number {
        /// The flag.
        flag: &'static str,
        /// What it is.
        given: u16,
        /// The least it may be.
        least: u16,
        /// The most it may be.
        most: u16,
    },
    /// A name has a form that Kubernetes refuses.
    #[error("{flag} is {given:?}: write {expected}")]
    Name {
        /// The flag.
        flag: &'static str,
        /// What it is.
        given: String,
        /// What a name looks like.
        expected: &'static str,
    },
    /// A flag or variable has a value that cannot be used.
    #[error("{name} cannot be used: write {expected}")]
    Value {
        /// The flag or variable.
        name: &'static str,
        /// What would do.
        expected: &'static str,
    },
    /// A choice needs what is not given.
    #[error("{choice} needs {missing}")]
    Missing {
        /// The choice.
        choice: &'static str,
        /// The flags or variables to set.
        missing: String,
    },
    /// A flag says something that nothing would use.
    #[error("{flag} has no meaning without {needs}: leave it out, or write {needs}")]
    Unused {
        /// The flag.
        flag: &'static str,
        /// What it belongs to.
        needs: &'static str,
    },
}

impl Settings {
    pub(super) fn try_new(flags: Flags, environment: &Environment) -> Result<Self, SettingsError> {
        let Flags {
            election,
            process,
            azure,
            pace,
        } = flags;
        let ProcessFlags {
            metrics_bind_address,
            health_probe_bind_address,
            namespace,
            log_format,
            log_level,
        } = process;
        let filter = log_level
            .or_else(|| environment.value("RUST_LOG").map(str::to_owned))
            .unwrap_or_else(|| "info".to_owned());
        let host = environment
            .first(&["POD_NAME", "HOSTNAME"])
            .map_or("dicomenc", |(_, host)| host);
        Ok(Self {
            leader_election: LeaderElection::try_new(election)?,
            metrics_address: metrics_bind_address,
            health_address: health_probe_bind_address,
            namespace: namespace
                .map(|name| label("--namespace", name))
                .transpose()?,
            log: LogSettings {
                format: log_format,
                filter,
            },
            azure: AzureSettings::try_new(azure, environment)?,
            proxy: ProxySettings::try_new(environment)?,
            max_concurrent_reconciles: concurrency(pace.max_concurrent_reconciles)?,
            timing: Timing::try_new(&pace)?,
            host: host.to_owned(),
        })
    }
}

impl LeaderElection {
    fn try_new(flags: ElectionFlags) -> Result<Option<Self>, SettingsError> {
        let ElectionFlags {
            leader_elect,
            leader_election_namespace: namespace,
            leader_election_id,
            lease_duration,
            renew_deadline,
            retry_period,
        } = flags;
        let election = Self {
            namespace: namespace
                .map(|name| label("--leader-election-namespace", name))
                .transpose()?,
            id: subdomain("--leader-election-id", leader_election_id)?,
            lease_duration: bounded("--lease-duration", lease_duration, (SECOND, HOUR))?,
            renew_deadline: bounded("--renew-deadline", renew_deadline, (TENTH, HOUR))?,
            retry_period: bounded("--retry-period", retry_period, (TENTH, HOUR))?,
        };
        let order = |shorter, longer| SettingsError::Order {
            shorter,
            longer,
            defaults: "--lease-duration 15s, --renew-deadline 10s, --retry-period 2s",
        };
        if election.renew_deadline >= election.lease_duration {
            return Err(order("--renew-deadline", "--lease-duration"));
        }
        // two tries at least, or one lost answer costs the leadership
        if election.retry_period * 2 > election.renew_deadline {
            return Err(order("twice --retry-period", "--renew-deadline"));
        }
        Ok(leader_elect.then_some(election))
    }
}

impl Timing {
    fn try_new(flags: &PaceFlags) -> Result<Self, SettingsError> {
        let PaceFlags {
            propagation_wait,
            recovery_window,
            recovery_grace,
            health_interval,
            service_interval,
            resource_health_interval,
            vault_interval,
            configuration_interval,
            max_concurrent_reconciles: _,
        } = *flags;
        Ok(Self {
            propagation_wait: bounded(
                "--propagation-wait",
                propagation_wait,
                (SignedDuration::ZERO, DAY),
            )?,
            recovery_window: bounded("--recovery-window", recovery_window, (SECOND, DAY))?,
            recovery_grace: bounded("--recovery-grace", recovery_grace, (SECOND, DAY))?,
            health_interval: bounded("--health-interval", health_interval, (SECOND, HOUR))?,
            service_interval: bounded("--service-interval", service_interval, (SECOND, HOUR))?,
            resource_health_interval: bounded(
                "--resource-health-interval",
                resource_health_interval,
                (SECOND, HOUR),
            )?,
            vault_interval: bounded("--vault-interval", vault_interval, (SECOND, HOUR))?,
            configuration_interval: bounded(
                "--configuration-interval",
                configuration_interval,
                (SECOND, DAY),
            )?,
        })
    }
}

fn bounded(
    flag: &'static str,
    given: SignedDuration,
    (least, most): (SignedDuration, SignedDuration),
) -> Result<Duration, SettingsError> {
    let refused = || SettingsError::Duration {
        flag,
        given,
        least,
        most,
    };
    if given < least || given > most {
        return Err(refused());
    }
    Duration::try_from(given).map_err(|_| refused())
}

fn concurrency(given: u16) -> Result<NonZeroU16, SettingsError> {
    NonZeroU16::new(given)
        .filter(|number| number.get() <= MOST_RECONCILES)
        .ok_or(SettingsError::Number {
            flag: "--max-concurrent-reconciles",
            given,
            least: 1,
            most: MOST_RECONCILES,
        })
}

/// A namespace: RFC 1123 label.
fn label(flag: &'static str, given: String) -> Result<String, SettingsError> {
    if is_label(&given) {
        return Ok(given);
    }
    let expected = "up to 63 lower case letters, digits and -, with a letter or digit at both ends";
    Err(SettingsError::Name {
        flag,
        given,
        expected,
    })
}

/// The name of a Lease: RFC 1123 labels joined by dots.
fn subdomain(flag: &'static str, given: String) -> Result<String, SettingsError> {
    if given.len() <= 253 && given.split('.').all(is_label) {
        return Ok(given);
    }
    let expected = "up to 253 lower case letters, digits, - and ., as in dicomenc-operator";
    Err(SettingsError::Name {
        flag,
        given,
        expected,
    })
}

fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

const TENTH: SignedDuration = SignedDuration::from_millis(100);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// More would only wait for the budgets of Azure Resource Manager.
const MOST_RECONCILES: u16 = 256;
