//! A tiny pure world for the planner: an estate, a clock, and an operator that does to it what the
//! plan says. It knows Azure's effects and nothing of the planner's reasons.

#![expect(
    unused_must_use,
    reason = "the world carries each plan out itself; most tests look at the world afterwards"
)]

mod chance;
mod doubts;
mod laws;
mod look;
mod recovery;
mod risks;
mod walks;

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::judge::Case;
use super::observed::{
    Assignment, Attached, Canary, Encryption, Health, HealthState, KeyAttributes, KeyVersionFacts,
    ListedVersion, Observed, Provisioning, Service, UserAttached, UserIdentity, Vault,
    VaultNetwork,
};
use super::plan::{Plan, Settings, Standing, plan};
use super::report::report;
use super::step::Step;
use super::{Desired, Fact, Memory, Seen};
use crate::azure::{KeyUrl, VaultId, VaultRole};
use crate::crd::{
    AccessManagement, AssignmentScope, DicomEncryptionStatus, Mode, OnDrift, Reason, Revalidate,
    RevalidationOutcome,
};
use crate::domain::desired::DesiredKey;

pub(super) const WAIT: SignedDuration = SignedDuration::from_mins(10);
pub(super) const INTERVAL: SignedDuration = SignedDuration::from_secs(20);
pub(super) const FIRST: &str = "0123456789abcdef0123456789abcdef";
pub(super) const SECOND: &str = "fedcba9876543210fedcba9876543210";
const SUBSCRIPTION: &str = "/subscriptions/11111111-1111-1111-1111-111111111111";
const TENANT: Uuid = Uuid::from_u128(0x9999);

pub(super) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(super) fn vault(name: &str) -> VaultId {
    format!("{SUBSCRIPTION}/resourceGroups/keys/providers/Microsoft.KeyVault/vaults/{name}")
        .parse()
        .unwrap()
}

pub(super) fn url(vault: &str, key: &str, version: &str) -> KeyUrl {
    format!("https://{vault}.vault.azure.net/keys/{key}/{version}")
        .parse()
        .unwrap()
}

pub(super) fn identity_id(name: &str) -> crate::azure::IdentityId {
    format!("{SUBSCRIPTION}/resourceGroups/people/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}")
        .parse()
        .unwrap()
}

pub(super) fn desired() -> Desired {
    Desired {
        service: format!("{SUBSCRIPTION}/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology")
            .parse()
            .unwrap(),
        identity: None,
        key: DesiredKey {
            vault: vault("clinic-keys"),
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

pub(super) fn rsa(created: i64) -> KeyVersionFacts {
    KeyVersionFacts {
        key_type: "RSA".to_owned(),
        size: Some(2048),
        operations: ["sign", "wrapKey", "unwrapKey"].map(str::to_owned).to_vec(),
        attributes: KeyAttributes {
            enabled: true,
            not_before: None,
            expires: None,
            created: Timestamp::from_second(created).ok(),
            updated: None,
            purgeable: None,
        },
    }
}

pub(super) const fn good_vault() -> Vault {
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

pub(super) fn healthy() -> Health {
    Health {
        state: HealthState::Available,
        summary: "all is well".to_owned(),
        actions: Vec::new(),
        occurred: None,
    }
}

/// An assignment as it is kept here: its age follows from the clock.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) principal: Uuid,
    pub(super) role: VaultRole,
    pub(super) scope: String,
    pub(super) name: Uuid,
    pub(super) created: Timestamp,
    pub(super) conditional: bool,
}

/// The estate and the object, and what the operator did so far.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) desired: Desired,
    pub(super) service: Service,
    pub(super) user_identity: Option<Uuid>,
    pub(super) vaults: BTreeMap<VaultId, Vault>,
    pub(super) versions: BTreeMap<KeyUrl, KeyVersionFacts>,
    pub(super) grants: Vec<Granted>,
    pub(super) health: Option<Health>,
    pub(super) canary: Option<Canary>,
    pub(super) status: Option<DicomEncryptionStatus>,
    pub(super) standing: Standing,
    /// Vaults whose role assignments cannot be read.
    pub(super) is_blind_to_grants: bool,
    pub(super) steps: Vec<Step>,
    pub(super) patches: u32,
    intent: Option<Timestamp>,
    put_at: Option<Timestamp>,
    /// When it was last seen good; nothing after a restart.
    pub(super) watched_at: Option<Timestamp>,
    principals: u128,
}

impl World {
    /// A service on Microsoft-managed keys, and a good key in a good vault.
    pub(super) fn new() -> Self {
        let desired = desired();
        Self {
            now: start(),
            service: Service {
                provisioning: Provisioning::Succeeded,
                modified_at: None,
                identity: Attached::None,
                encryption: Encryption::MicrosoftManaged,
            },
            user_identity: None,
            vaults: BTreeMap::from([(desired.key.vault.clone(), good_vault())]),
            versions: BTreeMap::from([(
                url("clinic-keys", "dicom-cmk", FIRST),
                rsa(1_700_000_000),
            )]),
            grants: Vec::new(),
            health: Some(healthy()),
            canary: None,
            status: None,
            standing: Standing::default(),
            is_blind_to_grants: false,
            steps: Vec::new(),
            patches: 0,
            intent: None,
            put_at: None,
            watched_at: None,
            principals: 0xA0,
            desired,
        }
    }

    /// The same, brought to the end by the operator.
    pub(super) fn settled() -> Self {
        let mut world = Self::new();
        world.run();
        world.steps.clear();
        world.patches = 0;
        world
    }

    /// Encrypted by hand exactly as asked.
    pub(super) fn by_hand() -> Self {
        let mut world = Self::settled();
        world.status = None;
        world
    }

    pub(super) fn principal(&self) -> Uuid {
        match &self.service.identity {
            Attached::System { principal } => *principal,
            Attached::User(attached) => attached[0].principal.unwrap(),
            Attached::None | Attached::Both => panic!("the service has no identity"),
        }
    }

    pub(super) fn pass_time(&mut self, by: SignedDuration) {
        self.now += by;
    }

    pub(super) fn grant(&mut self, conditional: bool) {
        self.grants.push(Granted {
            principal: self.principal(),
            role: VaultRole::CryptoOfficer,
            scope: self.desired.key.vault.to_string(),
            name: Uuid::from_u128(0x51),
            created: self.now,
            conditional,
        });
    }

    /// One pass, as the controller makes it: at most one write, then another look, then the report.
    pub(super) fn pass(&mut self) -> Plan {
        let mut memory = self.memory();
        let mut planned = self.plan();
        if let Some(step) = planned.step.clone() {
            self.apply(&step);
            memory.note_loss(&planned.access);
            if let Step::SetKeyUrl { url, principal, .. } = &step {
                memory.note_set(url, &self.desired.key.vault, *principal);
                self.put_at = Some(self.now);
            }
            if let Step::Revalidate { .. } = &step {
                self.put_at = Some(self.now);
                self.intent = None;
                memory.note_revalidation(RevalidationOutcome::Accepted, None);
            }
            memory.put_at = self.put_at;
            memory.intent = self.intent;
            self.steps.push(step);
            planned = self.plan_with(&self.observed(), &memory);
        }
        self.tell(&planned, &memory);
        planned
    }

    pub(super) fn tell(&mut self, planned: &Plan, memory: &Memory) {
        let observed = self.observed();
        let case = Case {
            desired: &self.desired,
            observed: &observed,
            memory,
            settings: Settings::default(),
            now: self.now,
        };
        let status = report(self.status.as_ref(), Some(1), planned, &case);
        if planned.access.verdict.is_yes() {
            self.watched_at = Some(self.now);
        }
        if planned.begin_revalidation {
            let access = status.key_access.as_ref();
            let begun = access.and_then(|access| access.revalidation.as_ref());
            self.intent = begun.map(|begun| begun.at.0);
        }
        if self.status.as_ref() != Some(&status) {
            self.patches += 1;
            self.status = Some(status);
        }
    }

    /// Passes until nothing is left to do or to wait for, at most as many as any road needs.
    pub(super) fn run(&mut self) -> Plan {
        for _ in 0..24 {
            let before = (self.status.clone(), self.steps.len());
            let planned = self.pass();
            if let Some(at) = planned.recheck.filter(|at| *at > self.now) {
                self.now = at;
            } else if before == (self.status.clone(), self.steps.len()) {
                return planned;
            }
        }
        panic!("does not settle: {:#?}", self.steps);
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::EnableIdentity { identity, .. } => {
                self.principals += 1;
                self.service.identity = match identity {
                    None => Attached::System {
                        principal: Uuid::from_u128(self.principals),
                    },
                    Some(id) => Attached::User(vec![UserAttached {
                        id: id.clone(),
                        principal: self.user_identity,
                    }]),
                };
            }
            Step::AssignRole {
                scope,
                role,
                principal,
                name,
            } => self.grants.push(Granted {
                principal: *principal,
                role: *role,
                scope: scope.clone(),
                name: *name,
                created: self.now,
                conditional: false,
            }),
            Step::SetKeyUrl { url, .. } => {
                self.service.encryption = Encryption::CustomerManaged(url.clone());
            }
            Step::Revalidate { .. } => {}
        }
    }

    /// The reasons of a condition's status, such as `False/KeyDisabled`; `-` when it is not there.
    pub(super) fn shown(&self, kind: &str) -> String {
        self.status
            .iter()
            .flat_map(|status| &status.conditions)
            .find(|condition| condition.type_ == kind)
            .map_or_else(
                || "-".to_owned(),
                |condition| format!("{}/{}", condition.status, condition.reason),
            )
    }

    pub(super) fn kinds(&self) -> Vec<Reason> {
        self.steps.iter().map(Step::reason).collect()
    }
}

/// A fact read at a moment: there, or not there.
pub(super) fn fact<T>(value: Option<T>, at: Timestamp) -> Fact<T> {
    Fact {
        seen: value.map_or(Seen::Absent { at }, |value| Seen::Present { value, at }),
        trouble: None,
        interval: INTERVAL,
    }
}
