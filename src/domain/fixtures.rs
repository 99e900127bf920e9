//! Facts for tests: a service, a vault, a key and an identity, each value unlike the others, and a
//! world that takes the steps of a plan and shows their effect.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::{Uuid, uuid};

use crate::azure::{IdentityId, KeyName, KeyUrl, VaultId, VaultRole};
use crate::crd::{
    AccessManagement, AssignmentScope, DicomEncryptionStatus, KeyAccessState, KeyOrigin, Mode,
    OnDrift, Revalidate,
};

use super::desired::{Desired, DesiredKey};
use super::fact::{Fact, Seen};
use super::judge::Case;
use super::memory::{Applied, LastAccess, Memory};
use super::observed::{
    Assignment, Attached, Encryption, Health, HealthState, KeyAttributes, KeyVersionFacts,
    ListedVersion, Observed, Provisioning, Service, UserIdentity, Vault, VaultNetwork,
};
use super::plan::{Plan, Settings, Standing, plan};
use super::report::report;

mod world;

pub(crate) use self::world::World;

pub(crate) const TENANT: Uuid = uuid!("99999999-9999-9999-9999-999999999999");
pub(crate) const SYSTEM: Uuid = uuid!("a0000000-0000-0000-0000-000000000001");
pub(crate) const USER: Uuid = uuid!("b0000000-0000-0000-0000-000000000002");
pub(crate) const NEIGHBOUR: Uuid = uuid!("c0000000-0000-0000-0000-000000000003");
pub(crate) const SERVICE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology";
pub(crate) const VAULT: &str = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/security/providers/Microsoft.KeyVault/vaults/clinic-keys";
pub(crate) const OTHER_VAULT: &str = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/legacy/providers/Microsoft.KeyVault/vaults/older-keys";
pub(crate) const IDENTITY: &str = "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/people/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader";
pub(crate) const OTHER_IDENTITY: &str = "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/people/providers/Microsoft.ManagedIdentity/userAssignedIdentities/stranger";
pub(crate) const OLD: &str = "0000000000000000000000000000000d";
pub(crate) const NEW: &str = "1111111111111111111111111111111e";
pub(crate) const INTERVAL: SignedDuration = SignedDuration::from_secs(60);
pub(crate) const WAIT: SignedDuration = SignedDuration::from_mins(10);
/// The waits of the story.
pub(crate) const SETTINGS: Settings = Settings {
    propagation_wait: WAIT,
    recovery_window: SignedDuration::from_mins(30),
    recovery_grace: SignedDuration::from_mins(10),
};
const START: i64 = 1_800_000_000;

/// A moment, in seconds after the start of the story.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

/// A version of the key asked for.
pub(crate) fn url(version: &str) -> KeyUrl {
    format!("https://clinic-keys.vault.azure.net/keys/dicom-cmk/{version}")
        .parse()
        .unwrap()
}

/// A key in another vault.
pub(crate) fn foreign_url() -> KeyUrl {
    format!("https://older-keys.vault.azure.net/keys/legacy-cmk/{OLD}")
        .parse()
        .unwrap()
}

pub(crate) fn vault_id() -> VaultId {
    VAULT.parse().unwrap()
}

/// The key asked for.
pub(crate) fn key_id() -> (VaultId, KeyName) {
    (vault_id(), "dicom-cmk".parse().unwrap())
}

pub(crate) fn other_vault_id() -> VaultId {
    OTHER_VAULT.parse().unwrap()
}

pub(crate) fn identity_id() -> IdentityId {
    IDENTITY.parse().unwrap()
}

pub(crate) fn desired() -> Desired {
    Desired {
        service: SERVICE.parse().unwrap(),
        identity: None,
        key: DesiredKey {
            vault: vault_id(),
            vault_suffix: "vault.azure.net".to_owned(),
            name: "dicom-cmk".parse().unwrap(),
            version: None,
        },
        replace_existing: false,
        role: VaultRole::CryptoServiceEncryptionUser,
        scope: AssignmentScope::Vault,
        management: AccessManagement::Manage,
        on_drift: OnDrift::Correct,
        revalidate: Revalidate::Automatic,
        canary: false,
        mode: Mode::Manage,
        suspend: false,
    }
}

pub(crate) fn attributes(created: i64) -> KeyAttributes {
    KeyAttributes {
        enabled: true,
        not_before: None,
        expires: None,
        created: Some(at(created)),
        updated: None,
        purgeable: None,
    }
}

pub(crate) fn key_version(created: i64) -> KeyVersionFacts {
    KeyVersionFacts {
        key_type: "RSA".to_owned(),
        size: Some(2048),
        operations: ["encrypt", "wrapKey", "unwrapKey"]
            .map(str::to_owned)
            .into(),
        attributes: attributes(created),
    }
}

pub(crate) fn listed(version: &str, created: i64) -> ListedVersion {
    ListedVersion {
        version: version.parse().unwrap(),
        attributes: attributes(created),
    }
}

pub(crate) fn vault() -> Vault {
    Vault {
        tenant: TENANT,
        soft_delete: true,
        purge_protection: true,
        rbac: true,
        network: VaultNetwork::TrustedServices,
        bypass: true,
        resolvable: true,
    }
}

/// An assignment of the least role that is long in force.
pub(crate) fn assignment(principal: Uuid, scope: &str) -> Assignment {
    Assignment {
        id: format!("{scope}/providers/Microsoft.Authorization/roleAssignments/by-hand"),
        principal,
        role: VaultRole::CryptoServiceEncryptionUser.guid(),
        gives_key_use: Some(true),
        scope: scope.to_owned(),
        conditional: false,
        created: Some(at(-7200)),
        age: Some(SignedDuration::from_secs(7200)),
    }
}

pub(crate) fn health(state: HealthState) -> Health {
    Health {
        state,
        summary: "the summary".to_owned(),
        actions: vec!["call support".to_owned()],
        occurred: None,
    }
}

/// The facts of one decision, to be changed at will.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
    pub(crate) memory: Memory,
    pub(crate) standing: Standing,
    pub(crate) now: Timestamp,
}

impl Facts {
    /// A service on Microsoft-managed keys without an identity; key and vault are ready for it.
    pub(crate) fn fresh() -> Self {
        let mut observed = Observed::unread(INTERVAL);
        observed.tenant = present(TENANT);
        observed.service = present(Service {
            provisioning: Provisioning::Succeeded,
            modified_at: None,
            identity: Attached::None,
            encryption: Encryption::MicrosoftManaged,
        });
        observed.vaults.insert(vault_id(), present(vault()));
        observed
            .versions
            .insert(url(OLD), present(key_version(-9000)));
        observed
            .listings
            .insert(key_id(), present(vec![listed(OLD, -9000)]));
        observed
            .assignments
            .insert(vault_id(), present(vec![assignment(NEIGHBOUR, VAULT)]));
        observed.health = present(health(HealthState::Available));
        Self {
            desired: desired(),
            observed,
            memory: Memory::default(),
            standing: Standing::default(),
            now: at(0),
        }
    }

    /// A service that uses the key asked for, as somebody set it up by hand.
    pub(crate) fn by_hand() -> Self {
        let mut facts = Self::fresh();
        facts.service().identity = Attached::System { principal: SYSTEM };
        facts.service().encryption = Encryption::CustomerManaged(url(OLD));
        facts.grants().push(assignment(SYSTEM, VAULT));
        facts
    }

    /// The same, and this object remembers it.
    pub(crate) fn settled() -> Self {
        let mut facts = Self::by_hand();
        facts.memory.versions.insert(url(OLD));
        facts.memory.applied = Some(Applied {
            url: url(OLD),
            vault: vault_id(),
            at: Some(at(-3600)),
            principal: Some(SYSTEM),
            origin: Some(KeyOrigin::Applied),
        });
        facts.memory.access = Some(verified(at(-60)));
        facts
    }

    /// Asks for the user-assigned identity, which exists.
    pub(crate) fn with_user_identity(mut self) -> Self {
        self.desired.identity = Some(identity_id());
        self.observed.identity = Some(present(UserIdentity { principal: USER }));
        self
    }

    /// A change to the facts, in one expression.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn service(&mut self) -> &mut Service {
        value(&mut self.observed.service)
    }

    pub(crate) fn vault(&mut self) -> &mut Vault {
        value(self.observed.vaults.get_mut(&vault_id()).unwrap())
    }

    pub(crate) fn key(&mut self) -> &mut KeyVersionFacts {
        value(self.observed.versions.get_mut(&url(OLD)).unwrap())
    }

    pub(crate) fn listing(&mut self) -> &mut Fact<Vec<ListedVersion>> {
        self.observed.listings.get_mut(&key_id()).unwrap()
    }

    pub(crate) fn grants(&mut self) -> &mut Vec<Assignment> {
        value(self.observed.assignments.get_mut(&vault_id()).unwrap())
    }

    pub(crate) fn health(&mut self, state: HealthState) {
        self.observed.health = present(health(state));
    }

    /// A second version of the key, newer than the first.
    pub(crate) fn add_newer_version(&mut self) {
        self.observed
            .versions
            .insert(url(NEW), present(key_version(-100)));
        value(self.listing()).push(listed(NEW, -100));
    }

    pub(crate) fn case(&self) -> Case<'_> {
        Case {
            desired: &self.desired,
            observed: &self.observed,
            memory: &self.memory,
            settings: SETTINGS,
            now: self.now,
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(
            &self.desired,
            &self.observed,
            &self.memory,
            (&self.standing, SETTINGS),
            self.now,
        )
    }

    pub(crate) fn report(
        &self,
        old: Option<&DicomEncryptionStatus>,
        plan: &Plan,
    ) -> DicomEncryptionStatus {
        report(old, Some(4), plan, &self.case())
    }

    /// Time passes, and everything that can be read is read again.
    pub(crate) fn later(&mut self, by: SignedDuration) {
        self.now += by;
        let now = self.now;
        let Observed {
            tenant,
            service,
            identity,
            vaults,
            versions,
            listings,
            deleted_keys,
            key_sources: _,
            assignments,
            denials,
            health,
            canary,
        } = &mut self.observed;
        stamp(tenant, now);
        stamp(service, now);
        for fact in identity.iter_mut() {
            stamp(fact, now);
        }
        for fact in vaults.values_mut() {
            stamp(fact, now);
        }
        for fact in versions.values_mut() {
            stamp(fact, now);
        }
        for fact in listings.values_mut() {
            stamp(fact, now);
        }
        for fact in deleted_keys.values_mut() {
            stamp(fact, now);
        }
        for fact in denials.values_mut() {
            stamp(fact, now);
        }
        for fact in canary.iter_mut() {
            stamp(fact, now);
        }
        stamp(health, now);
        for fact in assignments.values_mut() {
            stamp(fact, now);
            if let Seen::Present { value, .. } = &mut fact.seen {
                for age in value.iter_mut().filter_map(|row| row.age.as_mut()) {
                    *age += by;
                }
            }
        }
    }
}

/// Key access as it was told when all was well.
pub(crate) const fn verified(at: Timestamp) -> LastAccess {
    LastAccess {
        state: KeyAccessState::Accessible,
        reason: None,
        lost_since: None,
        lost_seen_at: None,
        restored_at: None,
        revalidation: None,
        verified_at: Some(at),
        last_loss: None,
    }
}

pub(crate) fn present<T>(value: T) -> Fact<T> {
    Fact::present(value, at(0), INTERVAL)
}

pub(crate) fn absent<T>() -> Fact<T> {
    Fact {
        seen: Seen::Absent { at: at(0) },
        ..Fact::unread(INTERVAL)
    }
}

pub(crate) fn value<T>(fact: &mut Fact<T>) -> &mut T {
    let Seen::Present { value, .. } = &mut fact.seen else {
        panic!("the fact has no value")
    };
    value
}

fn stamp<T>(fact: &mut Fact<T>, now: Timestamp) {
    match &mut fact.seen {
        Seen::Present { at, .. } | Seen::Absent { at } | Seen::Refused { at, .. } => *at = now,
        Seen::Unread => {}
    }
}
