use std::time::Duration;

use super::*;
use crate::{arm::budget::CredentialId, observe::source::CredentialKey};

fn key(vault: &str, name: &str) -> Keyed<KeyId> {
    let vault = format!(
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/{vault}"
    );
    Keyed {
        credential: CredentialKey::new(CredentialId::new("operator")),
        of: KeyId {
            vault: vault.parse().unwrap(),
            name: name.parse().unwrap(),
        },
    }
}

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_origin(Duration::from_secs(seconds))
}

fn version(number: u32) -> KeyVersion {
    format!("{number:032x}").parse().unwrap()
}

fn details(key_type: &str, size: u32) -> Details {
    Details {
        key_type: key_type.to_owned(),
        size: Some(size),
        operations: Vec::new(),
        updated: None,
        read: at(0),
    }
}

fn closed() -> (String, Lasts) {
    ("closed".to_owned(), Lasts::Long)
}

/// A vault with so many keys of a kind, each with so many versions, one of them watched.
fn vault_of(keys: usize, (key_type, size): (&str, u32), listed: usize) -> KeyBook {
    let mut book = KeyBook::new(Intervals::default());
    for number in 0..keys {
        let key = key("clinic-keys", &format!("key-{number}"));
        book.watch(&key, &BTreeSet::from([version(1)]));
        book.open(&key, listed);
        book.keep(&key, version(1), details(key_type, size));
    }
    book
}

fn pace(book: &KeyBook) -> u64 {
    let vault = key("clinic-keys", "any").of.vault;
    let pace = book.pace_direct(&key("clinic-keys", "any").with(vault));
    pace.as_secs().try_into().unwrap()
}

#[test]
fn the_interval_of_a_vault_grows_with_its_keys_their_pages_and_their_kind() {
    for (keys, kind, listed, seconds) in [
        (1, ("RSA", 2048), 1, 10),
        (20, ("RSA", 2048), 25, 10),
        (25, ("RSA", 2048), 1, 10),
        (100, ("RSA", 2048), 1, 40),
        (20, ("RSA", 2048), 26, 16),
        (20, ("RSA", 3072), 1, 32),
        (20, ("RSA-HSM", 2048), 1, 16),
        (20, ("rsa-hsm", 3072), 1, 64),
        (5, ("RSA-HSM", 3072), 1, 16),
    ] {
        let book = vault_of(keys, kind, listed);
        assert_eq!(pace(&book), seconds, "{keys} {kind:?} {listed}");
        // never more than 1 % of what the vault takes
        let limit = match kind.0.to_uppercase().as_str() {
            "RSA" if kind.1 == 2048 => 4_000,
            "RSA" => 1_000,
            _ if kind.1 == 2048 => 2_000,
            _ => 500,
        };
        let pages = keys * listed.div_ceil(PAGE_ROWS);
        assert!(pages * 10 * 100 <= limit * usize::try_from(seconds).unwrap());
    }
}

#[test]
fn keys_read_through_arm_stay_below_a_tenth_of_the_read_bucket() {
    let subscription = key("clinic-keys", "any").of.vault.id().subscription();
    for (keys, seconds) in [(1, 60), (100, 60), (120, 60), (240, 120), (1_200, 600)] {
        let mut book = KeyBook::new(Intervals::default());
        for number in 0..keys {
            let key = key("clinic-keys", &format!("key-{number}"));
            book.watch(&key, &BTreeSet::from([version(1)]));
            book.close(&key, closed(), at(0));
        }
        let (pace, lists) = (
            book.pace_through_arm(subscription),
            book.lists_through_arm(subscription),
        );
        assert_eq!(pace.as_secs(), seconds);
        let rate = f64::from(keys) / pace.as_secs_f64() + f64::from(keys) / lists.as_secs_f64();
        assert!(rate < 2.5, "{keys} keys: {rate} reads a second");
    }
}

#[test]
fn a_vault_that_was_closed_is_tried_again_by_one_and_not_by_all() {
    let mut book = KeyBook::new(Intervals::default());
    let key = key("clinic-keys", "dicom-cmk");
    assert_eq!(book.way(&key, at(0)), Way::Vault { is_trial: true });
    assert!(book.close(&key, closed(), at(0)));
    let arm = Way::Arm {
        why: "closed".to_owned(),
    };
    assert_eq!(book.way(&key, at(299)), arm);
    assert_eq!(book.way(&key, at(300)), Way::Vault { is_trial: true });
    assert_eq!(book.way(&key, at(300)), arm);
    assert!(book.open(&key, 1));
    assert_eq!(book.way(&key, at(300)), Way::Vault { is_trial: false });
}

#[test]
fn a_vault_is_given_up_after_two_failures_in_a_row_and_soon_tried_again() {
    let mut book = vault_of(1, ("RSA", 2048), 1);
    let key = key("clinic-keys", "key-0");
    assert!(!book.fail(&key));
    book.open(&key, 1);
    assert!(!book.fail(&key) && book.fail(&key));
    book.close(&key, ("it is silent".to_owned(), Lasts::Short), at(0));
    assert_eq!(book.way(&key, at(60)), Way::Vault { is_trial: true });
}

#[test]
fn a_vault_counts_as_read_through_arm_as_soon_as_one_of_its_keys_is() {
    let mut book = vault_of(2, ("RSA", 2048), 1);
    assert_eq!(book.reading().vaults_direct, 1);
    let first = key("clinic-keys", "key-0");
    assert!(book.close(&first, closed(), at(0)));
    let reading = book.reading();
    assert_eq!((reading.vaults_direct, reading.vaults_through_arm), (0, 1));
    assert_eq!(
        reading.interval_through_arm,
        Some(SignedDuration::from_mins(1))
    );
    assert!(!book.close(&key("clinic-keys", "key-1"), closed(), at(0)));
    book.forget(&first);
    book.forget(&key("clinic-keys", "key-1"));
    assert_eq!(book.reading(), KeyReading::default());
}

#[test]
fn what_is_not_watched_any_more_is_forgotten() {
    let mut book = vault_of(1, ("RSA", 2048), 1);
    let key = key("clinic-keys", "key-0");
    assert!(book.details(&key, &version(1)).is_some());
    book.watch(&key, &BTreeSet::from([version(2)]));
    assert!(book.details(&key, &version(1)).is_none());
}
