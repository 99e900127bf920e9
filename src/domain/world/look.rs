//! What the operator sees of the world, and what it plans on that.

use super::*;

impl World {
    /// Everything, read this moment.
    pub(super) fn observed(&self) -> Observed {
        let at = self.now;
        let listing: Vec<ListedVersion> = self
            .versions
            .iter()
            .filter(|(url, _)| self.desired.key.is_key_of(url))
            .map(|(url, facts)| ListedVersion {
                version: url.version().unwrap().clone(),
                attributes: facts.attributes.clone(),
            })
            .collect();
        let remembered = Memory::of(self.status.as_ref()).versions;
        let mut versions: BTreeMap<_, _> = remembered
            .into_iter()
            .map(|url| (url, fact(None, at)))
            .collect();
        if let Some(version) = &self.desired.key.version {
            versions.insert(self.desired.key.url(version), fact(None, at));
        }
        versions.extend(
            self.versions
                .iter()
                .map(|(url, facts)| (url.clone(), fact(Some(facts.clone()), at))),
        );
        let mut vaults = BTreeMap::from([(self.desired.key.vault.clone(), fact(None, at))]);
        vaults.extend(
            self.vaults
                .iter()
                .map(|(id, vault)| (id.clone(), fact(Some(vault.clone()), at))),
        );
        let assignments = vaults
            .keys()
            .map(|id| (id.clone(), self.assignments()))
            .collect();
        Observed {
            tenant: fact(Some(TENANT), at),
            service: fact(Some(self.service.clone()), at),
            identity: self.desired.identity.as_ref().map(|_| {
                fact(
                    self.user_identity
                        .map(|principal| UserIdentity { principal }),
                    at,
                )
            }),
            listings: BTreeMap::from([(
                (
                    self.desired.key.vault.clone(),
                    self.desired.key.name.clone(),
                ),
                fact((!listing.is_empty()).then_some(listing), at),
            )]),
            deleted_keys: BTreeMap::new(),
            key_sources: BTreeMap::new(),
            denials: BTreeMap::new(),
            canary: self.canary.map(|canary| fact(Some(canary), at)),
            health: fact(self.health.clone(), at),
            vaults,
            versions,
            assignments,
        }
    }

    fn assignments(&self) -> Fact<Vec<Assignment>> {
        if self.is_blind_to_grants {
            return Fact::unread(INTERVAL);
        }
        let seen = self.grants.iter().map(|granted| Assignment {
            id: format!(
                "{}/providers/Microsoft.Authorization/roleAssignments/{}",
                granted.scope, granted.name
            ),
            principal: granted.principal,
            role: granted.role.guid(),
            gives_key_use: Some(true),
            scope: granted.scope.clone(),
            conditional: granted.conditional,
            created: Some(granted.created),
            age: Some(self.now.duration_since(granted.created)),
        });
        Fact::present(seen.collect(), self.now, INTERVAL)
    }

    pub(super) fn memory(&self) -> Memory {
        Memory {
            intent: self.intent,
            put_at: self.put_at,
            watched_at: self.watched_at,
            ..Memory::of(self.status.as_ref())
        }
    }

    pub(super) fn plan(&self) -> Plan {
        self.plan_with(&self.observed(), &self.memory())
    }

    pub(super) fn plan_with(&self, observed: &Observed, memory: &Memory) -> Plan {
        let settings = Settings::default();
        let planned = plan(
            &self.desired,
            observed,
            memory,
            (&self.standing, settings),
            self.now,
        );
        let case = Case {
            desired: &self.desired,
            observed,
            memory,
            settings: Settings::default(),
            now: self.now,
        };
        laws::hold(&case, &self.standing, &planned);
        planned
    }
}
