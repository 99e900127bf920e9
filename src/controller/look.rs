//! Looks at Azure for one object: what is known already, and what has to be read now.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use crate::domain::judge::Case;
use crate::domain::judge::access::ONE_LOOK;
use crate::domain::observed::{Observed, Service};
use crate::domain::step::Step;
use crate::domain::target::target;
use crate::domain::wants::{Want, links, wants};
use crate::domain::{Desired, Memory};

use super::context::Context;

/// How long a first look may take before the status says that nothing is known yet. An object has
/// a status within two seconds, even with Azure down.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How old a fact may be on which a write rests. It is read again when older.
const FRESH_FOR_WRITE: SignedDuration = SignedDuration::from_secs(30);

/// How old a fact may be at most on which a write rests (safety rule I2).
const OLDEST_FOR_WRITE: SignedDuration = SignedDuration::from_secs(60);

/// What is seen leads to further things to look at: the key in use, then the version chosen.
const ROUNDS: usize = 3;

/// What was seen at a moment.
pub(super) struct Sight {
    pub(super) observed: Observed,
    pub(super) at: Timestamp,
}

impl Sight {
    /// The service, if it is there and was read lately.
    pub(super) fn service(&self) -> Option<&Service> {
        self.observed.service.value(self.at)
    }
}

/// Looks at Azure for one object.
pub(super) struct Look<'pass> {
    pub(super) context: &'pass Context,
    pub(super) uid: &'pass str,
    pub(super) desired: &'pass Desired,
    pub(super) memory: &'pass Memory,
}

impl Look<'_> {
    /// What is known, with what is not known read now. A service on which an operation runs, or
    /// whose change is awaited, is read again.
    pub(super) async fn first(&self) -> Sight {
        let state = self.context.states.of(self.uid);
        if state.accepted.is_some() || self.now().service().is_some_and(Service::is_busy) {
            self.context
                .parts
                .observer
                .touched(&Want::Service(self.desired.service.clone()));
        }
        // What is not read in time is read by the sweeps, which wake the object.
        let _in_time = timeout(PATIENCE, self.read(SignedDuration::MAX)).await;
        self.now()
    }

    /// Everything that a write rests on, read lately, and by this leader; the service also since
    /// our own latest write, whatever that wrote.
    pub(super) async fn before_write(&self) -> Sight {
        let wrote = self.context.states.of(self.uid).wrote_at;
        if wrote.is_some() && self.now().observed.service.at() <= wrote {
            let service = self.desired.service.clone();
            self.context.parts.observer.touched(&Want::Service(service));
        }
        let led = self
            .context
            .parts
            .clock
            .now()
            .duration_since(self.context.parts.leading_since);
        self.read(FRESH_FOR_WRITE.min(led.max(SignedDuration::ZERO)))
            .await;
        self.now()
    }

    /// The links between the service and the key that it uses again, all at once, but for what was
    /// read just now.
    pub(super) async fn at_links(&self, sight: &Sight) -> Sight {
        let links = links(self.desired, self.memory, sight.service());
        let age = ONE_LOOK.checked_div(2).unwrap_or(ONE_LOOK);
        let read = self.context.parts.observer.probe(&links, age);
        // what takes longer is no one look
        let _in_time = timeout(ONE_LOOK.unsigned_abs(), read).await;
        self.now()
    }

    /// Whether everything that a write rests on was read lately, after our own latest write, and
    /// by this leader. What could not be read anew is no ground to write on.
    pub(super) fn is_ground_for_write(&self, sight: &Sight) -> bool {
        let oldest = sight.at - OLDEST_FOR_WRITE;
        let led = self.context.parts.leading_since;
        let wrote = self.context.states.of(self.uid).wrote_at;
        let is_fresh = |at: Option<Timestamp>| at.is_some_and(|at| at >= oldest && at >= led);
        let Observed {
            tenant,
            service,
            identity,
            vaults,
            versions,
            listings: _,
            deleted_keys: _,
            key_sources: _,
            assignments,
            denials: _,
            health: _,
            canary: _,
        } = &sight.observed;
        let vault = &self.desired.key.vault;
        is_fresh(service.at())
            && service.at() > wrote
            && is_fresh(tenant.at())
            && identity.as_ref().is_none_or(|fact| is_fresh(fact.at()))
            && vaults.contains_key(vault)
            && vaults.values().all(|fact| is_fresh(fact.at()))
            && versions.values().all(|fact| is_fresh(fact.at()))
            && assignments.contains_key(vault)
            && assignments.values().all(|fact| is_fresh(fact.at()))
    }

    /// What a write has changed.
    pub(super) async fn after_write(&self, step: &Step) -> Sight {
        self.context.parts.observer.touched(&match step {
            Step::EnableIdentity { service, .. }
            | Step::SetKeyUrl { service, .. }
            | Step::Revalidate { service, .. } => Want::Service(service.clone()),
            Step::AssignRole { .. } => Want::Assignments(self.desired.key.vault.clone()),
        });
        self.read(SignedDuration::MAX).await;
        self.now()
    }

    async fn read(&self, max_age: SignedDuration) {
        let mut known = self.wants();
        for _ in 0..ROUNDS {
            self.context.parts.observer.watch(self.uid, &known);
            self.context.parts.observer.probe(&known, max_age).await;
            let further = self.wants();
            if further == known {
                return;
            }
            known = further;
        }
        self.context.parts.observer.watch(self.uid, &known);
    }

    /// What there is to look at, as far as is known now.
    fn wants(&self) -> std::collections::BTreeSet<Want> {
        let first = wants(self.desired, self.memory, None, None);
        let now = self.context.parts.clock.now();
        let observed = self.context.parts.observer.observed(self.desired, &first);
        let case = Case {
            desired: self.desired,
            observed: &observed,
            memory: self.memory,
            settings: self.context.parts.settings.plan,
            now,
        };
        let chosen = target(&case);
        wants(
            self.desired,
            self.memory,
            observed.service.value(now),
            chosen.url(),
        )
    }

    fn now(&self) -> Sight {
        let observed = self
            .context
            .parts
            .observer
            .observed(self.desired, &self.wants());
        Sight {
            observed,
            at: self.context.parts.clock.now(),
        }
    }
}
