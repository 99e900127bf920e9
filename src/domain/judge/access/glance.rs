//! An alarm ends on one look at everything: a link may break right before another one mends, and
//! facts that were read at different times would show each of them good.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::azure::{KeyUrl, VaultId};
use crate::domain::fact::Fact;
use crate::domain::judge::Case;

/// The longest time between the first and the last read of one look.
pub const ONE_LOOK: SignedDuration = SignedDuration::from_secs(5);

/// Whether service, vault, key, identity and grant were read at about the same time.
pub(super) fn is_one_look(case: &Case<'_>, (url, vault): (&KeyUrl, &VaultId)) -> bool {
    let observed = case.observed;
    let links = [
        observed.service.at(),
        observed.vaults.get(vault).and_then(Fact::at),
        observed.versions.get(url).and_then(Fact::at),
        observed.assignments.get(vault).and_then(Fact::at),
    ];
    // what is not known is no ground of the verdict, and need not be read again
    let denials = observed.denials.get(vault);
    let denials = denials.filter(|fact| fact.value(case.now).is_some());
    let identity = observed.identity.as_ref();
    let identity = identity.filter(|fact| fact.value(case.now).is_some());
    let further = [denials.and_then(Fact::at), identity.and_then(Fact::at)];
    let times: Option<Vec<Timestamp>> = links.into_iter().collect();
    let Some(mut times) = times else {
        return false;
    };
    times.extend(further.into_iter().flatten());
    let (first, last) = (times.iter().min(), times.iter().max());
    first
        .zip(last)
        .is_some_and(|(first, last)| last.duration_since(*first) <= ONE_LOOK)
}
