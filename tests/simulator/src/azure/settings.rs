//! How long Azure takes for things, and how much it lets through.

use jiff::{SignedDuration, Timestamp};

/// Azure's own delays and limits. The defaults are the ones that Microsoft documents or that were
/// read from its open-source code; `speed` divides every delay.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Divides all delays below except `token_life`. 1 is Azure's own pace.
    pub speed: f64,
    /// From the creation of a role assignment until it takes effect (documented: up to 10 minutes).
    pub role_effect: SignedDuration,
    /// From the removal of a role assignment until it stops to take effect.
    pub role_removal_effect: SignedDuration,
    /// From the creation of a role assignment until lists show it; a GET by name shows it at once.
    pub role_list_lag: SignedDuration,
    /// From the birth of a managed identity until the role service finds its principal unasked.
    pub principal_replication: SignedDuration,
    /// How long a PUT, PATCH or DELETE of a DICOM service runs.
    pub operation: SignedDuration,
    /// How often a DICOM service tests its key.
    pub key_probe: SignedDuration,
    /// How long the key may be away before the store needs a PUT of the resource to come back.
    pub key_loss_limit: SignedDuration,
    /// From the return of the key, in time, until the store works again by itself.
    pub heal: SignedDuration,
    /// From a finding of the service's own test until Resource Health tells it (at most 60 s).
    pub health_publish: SignedDuration,
    /// The wait that answers about a running operation ask for; never below one second.
    pub retry_after: SignedDuration,
    /// How long a token is good; the wall clock of clients, so `speed` does not touch it.
    pub token_life: SignedDuration,
    /// Rows on a page of any list.
    pub page_size: usize,
    /// Rows on a page of Resource Health.
    pub health_page_size: usize,
    /// Calls that the host of one vault takes in ten seconds, whoever sends them.
    pub vault_calls: u32,
    /// Reads a client may send to a subscription at once.
    pub read_burst: u32,
    /// Reads a second that come back.
    pub read_rate: u32,
    /// Writes (and, counted apart, deletes) a client may send to a subscription at once.
    pub write_burst: u32,
    /// Writes a second that come back.
    pub write_rate: u32,
}

impl Settings {
    /// The delay at this simulation's speed.
    pub(super) fn scaled(&self, delay: SignedDuration) -> SignedDuration {
        SignedDuration::try_from_secs_f64(delay.as_secs_f64() / self.speed.max(f64::MIN_POSITIVE))
            .unwrap_or(SignedDuration::MAX)
    }

    /// The moment that lies `delay`, at this simulation's speed, after `from`.
    pub(super) fn after(&self, from: Timestamp, delay: SignedDuration) -> Timestamp {
        from.checked_add(self.scaled(delay))
            .unwrap_or(Timestamp::MAX)
    }

    /// `Retry-After` for a running operation, in whole seconds.
    pub(super) fn poll_seconds(&self) -> i64 {
        self.scaled(self.retry_after).as_secs().max(1)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            speed: 1.0,
            role_effect: SignedDuration::from_mins(5),
            role_removal_effect: SignedDuration::ZERO,
            role_list_lag: SignedDuration::from_secs(5),
            principal_replication: SignedDuration::from_secs(15),
            operation: SignedDuration::from_secs(30),
            key_probe: SignedDuration::from_secs(60),
            key_loss_limit: SignedDuration::from_mins(30),
            heal: SignedDuration::from_mins(5),
            health_publish: SignedDuration::from_secs(30),
            retry_after: SignedDuration::from_secs(10),
            token_life: SignedDuration::from_hours(1),
            page_size: 100,
            health_page_size: 1000,
            vault_calls: 4000,
            read_burst: 250,
            read_rate: 25,
            write_burst: 200,
            write_rate: 10,
        }
    }
}
