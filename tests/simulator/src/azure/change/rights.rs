//! Changes of role assignments and deny assignments.

use jiff::Timestamp;
use serde_json::{Map, json};

use super::{
    super::{
        authorization::Assignment,
        denial::DenyAssignment,
        estate::{Estate, guid},
        path::covers,
        settings::Settings,
    },
    ChangeError,
    apply::Outcome,
};

impl Estate {
    /// The id that a vault's or a service's name, or an ARM id, means.
    fn scope_of(&self, scope: &str) -> Result<String, ChangeError> {
        if scope.starts_with('/') {
            return Ok(scope.trim_end_matches('/').to_owned());
        }
        let vault = self.vault_named(scope).map(|vault| &vault.plain.id);
        let mut services = self.services.values();
        let service = services.find(|own| own.name.eq_ignore_ascii_case(scope));
        let found = vault.or_else(|| service.map(|own| &own.id)).cloned();
        found.ok_or_else(|| {
            ChangeError(format!(
                "'{scope}' is neither the name of a vault or service nor an ARM id, which begins \
                 with /subscriptions/"
            ))
        })
    }

    /// The principal that a user-assigned identity's name, or a GUID, means.
    fn principal_named(&self, name: &str) -> String {
        let mut identities = self.identities.values();
        let found = identities.find(|own| own.plain.name.eq_ignore_ascii_case(name));
        found.map_or_else(|| name.to_owned(), |own| own.principal.clone())
    }

    pub(super) fn add_assignment(
        &mut self,
        scope: &str,
        (who, role_word): (&str, &str),
        (settings, now): (&Settings, Timestamp),
    ) -> Outcome {
        let scope = self.scope_of(scope)?;
        let principal = self.principal_named(who);
        let fits = |name: &str, guid: &str| {
            name.eq_ignore_ascii_case(role_word) || guid.eq_ignore_ascii_case(role_word)
        };
        let mut roles = self.roles.values();
        let Some(found) = roles.find(|own| fits(&own.name, &own.guid)) else {
            let known: Vec<&str> = self.roles.values().map(|own| own.name.as_str()).collect();
            return Err(ChangeError(format!(
                "there is no role '{role_word}'; the roles are: {}",
                known.join(", ")
            )));
        };
        let (role, role_name) = (found.guid.clone(), found.name.clone());
        let name = self.next_guid("assignment by hand");
        let assignment = Assignment {
            id: format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"),
            name,
            scope: scope.clone(),
            role,
            principal: principal.clone(),
            principal_type: "ServicePrincipal".to_owned(),
            kept: Map::new(),
            created: now,
            created_by: guid("owner/portal"),
            effective: settings.after(now, settings.role_effect),
            listed: settings.after(now, settings.role_list_lag),
            ends: None,
        };
        let key = assignment.id.to_ascii_lowercase();
        self.assignments.insert(key, assignment);
        Ok(format!(
            "{principal} has the role '{role_name}' at {scope}."
        ))
    }

    pub(super) fn remove_assignments(
        &mut self,
        scope: &str,
        principal: Option<&str>,
        (settings, now): (&Settings, Timestamp),
    ) -> Outcome {
        let id = self.scope_of(scope)?;
        let ends = settings.after(now, settings.role_removal_effect);
        let hit = self.assignments.values_mut().filter(|own| {
            own.ends.is_none()
                && covers(&id, &own.scope)
                && principal.is_none_or(|who| own.principal.eq_ignore_ascii_case(who))
        });
        let count = hit.map(|own| own.ends = Some(ends)).count();
        Ok(format!(
            "{count} role assignment(s) at or below '{scope}' are removed."
        ))
    }

    /// A condition that nothing here evaluates: from outside nobody can tell what it lets pass.
    pub(super) fn condition_assignments(&mut self, scope: &str, on: bool) -> Outcome {
        let id = self.scope_of(scope)?;
        let mut count = 0_u32;
        let hit = self.assignments.values_mut();
        for own in hit.filter(|own| own.ends.is_none() && covers(&id, &own.scope)) {
            count = count.saturating_add(1);
            if on {
                own.kept.insert("condition".to_owned(), json!(CONDITION));
                own.kept.insert("conditionVersion".to_owned(), json!("2.0"));
            } else {
                own.kept.retain(|name, _| name == "description");
            }
        }
        let word = if on { "with" } else { "without" };
        Ok(format!(
            "{count} role assignment(s) at or below '{scope}' stand {word} a condition."
        ))
    }

    pub(super) fn add_denial(
        &mut self,
        scope: &str,
        principal: Option<&str>,
        now: Timestamp,
    ) -> Outcome {
        let scope = self.scope_of(scope)?;
        let principal = principal.map(|name| self.principal_named(name));
        let name = self.next_guid("deny assignment");
        let denial = DenyAssignment {
            id: format!("{scope}/providers/Microsoft.Authorization/denyAssignments/{name}"),
            name,
            scope: scope.clone(),
            principal,
            created: now,
        };
        let whom = denial.principal.clone();
        let whom = whom.unwrap_or_else(|| "everybody".to_owned());
        let key = denial.id.to_ascii_lowercase();
        self.denials.insert(key, denial);
        Ok(format!(
            "A deny assignment takes the use of keys at {scope} from {whom}."
        ))
    }

    pub(super) fn remove_denials(&mut self, scope: &str) -> Outcome {
        let id = self.scope_of(scope)?;
        let before = self.denials.len();
        self.denials.retain(|_, own| !covers(&id, &own.scope));
        let count = before.saturating_sub(self.denials.len());
        Ok(format!(
            "{count} deny assignment(s) at or below '{scope}' are removed."
        ))
    }
}

/// As the portal's editor writes one.
const CONDITION: &str = "((!(ActionMatches{'Microsoft.KeyVault/vaults/keys/read'})) OR \
    (@Resource[Microsoft.KeyVault/vaults/keys:name] StringEquals 'another-key'))";
