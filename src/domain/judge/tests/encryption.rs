//! The service uses the key asked for, or why it does not.

use crate::azure::KeyUrl;
use crate::crd::Reason;
use crate::domain::fixtures::{Facts, NEIGHBOUR, NEW, OLD, foreign_url, present, url};
use crate::domain::observed::{Encryption, HealthState, Provisioning};
use crate::domain::verdict::Link;

use super::{Row, check};

#[test]
fn the_encryption_says_which_key_is_in_use_and_why_it_is_not_the_one_asked_for() {
    let rows: [Row; 8] = [
        (|_| {}, Reason::AsSpecified, OLD),
        (
            |facts| facts.service().encryption = Encryption::MicrosoftManaged,
            Reason::CmkRemoved,
            "was in use before",
        ),
        (
            |facts| {
                facts.service().encryption = Encryption::MicrosoftManaged;
                facts.memory.applied = None;
            },
            Reason::NotEncrypted,
            "not set yet",
        ),
        (
            |facts| facts.memory.applied.as_mut().unwrap().principal = Some(NEIGHBOUR),
            Reason::PrincipalChanged,
            "set again",
        ),
        (
            |facts| {
                facts.add_newer_version();
                facts.desired.key.version = Some(NEW.parse().unwrap());
            },
            Reason::ApplyingKey,
            NEW,
        ),
        (
            |facts| {
                facts.service().encryption = Encryption::CustomerManaged(foreign_url());
                facts.health(HealthState::Unavailable);
            },
            Reason::CurrentKeyUnreachable,
            "Resource Health does not say that the service is available",
        ),
        (
            |facts| facts.service().provisioning = Provisioning::Busy("Moving".to_owned()),
            Reason::ServiceBusy,
            "(Moving)",
        ),
        (
            |facts| {
                facts.service().encryption = Encryption::MicrosoftManaged;
                facts.memory.applied = None;
                *facts.listing() = present(vec![]);
            },
            Reason::NotApplicable,
            "no version of the key has been chosen",
        ),
    ];
    check(Link::Encryption, &Facts::settled(), &rows);
}

#[test]
fn the_case_of_a_keys_name_and_version_does_not_matter() {
    let facts = Facts::by_hand().with(|facts| {
        let shouted = format!(
            "https://CLINIC-KEYS.vault.azure.net:443/keys/DICOM-CMK/{}",
            OLD.to_uppercase()
        );
        let shouted: KeyUrl = shouted.parse().unwrap();
        let version = facts.observed.versions.remove(&url(OLD)).unwrap();
        facts.observed.versions.insert(shouted.clone(), version);
        facts.service().encryption = Encryption::CustomerManaged(shouted);
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert!(planned.summary.ready.is_yes(), "{:?}", planned.summary);
}

#[test]
fn a_key_url_that_makes_no_sense_is_a_strangers() {
    let facts = Facts::by_hand().with(|facts| {
        facts.service().encryption = Encryption::Unreadable("ftp://keys".to_owned());
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    let stalled = planned.summary.stalled.unwrap();
    assert_eq!(stalled.reason, Reason::EncryptedWithAnotherKey);
    assert!(stalled.message.contains("ftp://keys"));
}
