//! Microsoft.Authorization: deny assignments, which only Azure itself and its managed applications
//! make. They win over every role assignment.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    authorization::filter_value,
    caller::matches,
    estate::Estate,
    path::covers,
};

/// A deny assignment that takes the use of keys away.
#[derive(Clone, Debug)]
pub(super) struct DenyAssignment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scope: String,
    /// Whom it hits; absent: everybody.
    pub(super) principal: Option<String>,
    pub(super) created: Timestamp,
}

impl DenyAssignment {
    /// Whether it takes this data action on `id` from `principal`.
    fn hits(&self, principal: &str, action: &str, id: &str) -> bool {
        matches(DENIED, action)
            && covers(&self.scope, id)
            && (self.principal.as_ref()).is_none_or(|own| own.eq_ignore_ascii_case(principal))
    }

    fn show(&self) -> Value {
        let principal = self.principal.as_ref().map_or_else(
            || json!({ "id": EVERYBODY, "type": "SystemDefined" }),
            |id| json!({ "id": id, "type": "ServicePrincipal" }),
        );
        let created = self.created.to_string();
        json!({
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/denyAssignments",
            "properties": {
                "denyAssignmentName": "Keys of a managed application",
                "description": "Takes the use of keys away.",
                "permissions": [{
                    "actions": [],
                    "notActions": [],
                    "dataActions": [DENIED],
                    "notDataActions": [],
                }],
                "scope": self.scope,
                "doNotApplyToChildScopes": false,
                "principals": [principal],
                "excludePrincipals": [],
                "isSystemProtected": true,
                "createdOn": created,
                "updatedOn": created,
            },
        })
    }
}

impl Estate {
    pub(super) fn denies(&self, principal: &str, action: &str, id: &str) -> bool {
        let mut all = self.denials.values();
        all.any(|own| own.hits(principal, action, id))
    }

    /// `atScope()`: here and above; otherwise here, above and below.
    pub(super) fn deny_assignments(&self, ask: &Ask<'_>) -> Result<Answer> {
        if ask.call.method != Method::GET {
            return Err(Failure::method(ask.call));
        }
        if ask.path.is_item() {
            let found = self.denials.get(&ask.path.id().to_ascii_lowercase());
            return found.map(|own| Answer::ok(own.show())).ok_or_else(|| {
                let name = ask.path.name(0);
                let message = format!("The deny assignment '{name}' is not found.");
                Failure::missing("DenyAssignmentNotFound", message)
            });
        }
        let filter = ask.call.parameter("$filter").unwrap_or_default();
        let wanted = filter_value(filter, "principalId");
        let at_scope = filter.to_ascii_lowercase().contains("atscope()");
        let scope = &ask.path.scope;
        let here = |own: &str| covers(own, scope) || !at_scope && covers(scope, own);
        let whom = |own: &DenyAssignment| {
            let principal = own.principal.as_deref().unwrap_or(EVERYBODY);
            wanted.is_none_or(|id| id.eq_ignore_ascii_case(principal))
        };
        let rows = self.denials.values();
        let rows = rows.filter(|own| here(&own.scope) && whom(own));
        Ok(ask.page(rows.map(DenyAssignment::show).collect()))
    }
}

const DENIED: &str = "Microsoft.KeyVault/vaults/keys/*";
/// How Azure writes "all principals".
const EVERYBODY: &str = "00000000-0000-0000-0000-000000000000";
