//! Microsoft.Authorization: role assignments.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    estate::Estate,
    path::covers,
};

/// A role assignment, with the times that make it eventually consistent.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scope: String,
    /// The role's GUID, lower case.
    pub(super) role: String,
    pub(super) principal: String,
    pub(super) principal_type: String,
    /// Writable properties that are only kept: `description`, `condition`, `conditionVersion`.
    pub(super) kept: Map<String, Value>,
    pub(super) created: Timestamp,
    pub(super) created_by: String,
    pub(super) effective: Timestamp,
    pub(super) listed: Timestamp,
    /// Set once removed: it may go on to take effect until then.
    pub(super) ends: Option<Timestamp>,
}

impl Assignment {
    pub(super) fn is_effective(&self, at: Timestamp) -> bool {
        self.effective <= at && self.ends.is_none_or(|ends| ends > at)
    }

    fn show(&self) -> Value {
        let subscription = self.scope.split('/').nth(2).unwrap_or_default();
        let mut properties = Map::new();
        let role = format!(
            "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.role
        );
        properties.insert("roleDefinitionId".to_owned(), json!(role));
        properties.insert("principalId".to_owned(), json!(self.principal));
        properties.insert("principalType".to_owned(), json!(self.principal_type));
        properties.insert("scope".to_owned(), json!(self.scope));
        properties.extend(self.kept.clone());
        let created = self.created.to_string();
        properties.insert("createdOn".to_owned(), json!(created));
        properties.insert("updatedOn".to_owned(), json!(created));
        properties.insert("createdBy".to_owned(), json!(self.created_by));
        properties.insert("updatedBy".to_owned(), json!(self.created_by));
        json!({
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": properties,
        })
    }
}

impl Estate {
    pub(super) fn role_assignments(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let key = id.to_ascii_lowercase();
        let living = |assignment: &&Assignment| assignment.ends.is_none();
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => self.list_assignments(ask),
            (&Method::GET, true) => {
                let found = self.assignments.get(&key).filter(living);
                found.map(|found| Answer::ok(found.show())).ok_or_else(|| {
                    let name = ask.path.name(0);
                    let message = format!("The role assignment '{name}' is not found.");
                    Failure::missing("RoleAssignmentNotFound", message)
                })
            }
            (&Method::PUT, true) => self.put_assignment(ask, id),
            (&Method::DELETE, true) => {
                let Some(found) = self.assignments.get_mut(&key).filter(|a| a.ends.is_none())
                else {
                    return Ok(Answer::empty(StatusCode::NO_CONTENT));
                };
                let settings = ask.settings;
                found.ends = Some(settings.after(ask.call.now, settings.role_removal_effect));
                Ok(Answer::ok(found.show()))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    /// `atScope()`: here and above. `principalId eq` and no filter: here, above and below;
    /// `assignedTo` counts direct assignments only, there are no groups here.
    fn list_assignments(&self, ask: &Ask<'_>) -> Result<Answer> {
        let filter = ask.call.parameter("$filter").unwrap_or_default();
        let wanted = filter_value(filter, "principalId").or_else(|| {
            let inner = filter.split_once("assignedTo(")?.1;
            Some(inner.split(')').next()?.trim_matches('\''))
        });
        let at_scope = filter.to_ascii_lowercase().contains("atscope()");
        if !filter.is_empty() && wanted.is_none() && !at_scope {
            let message = format!("The filter '{filter}' is not supported.");
            return Err(Failure::bad("UnsupportedQuery", message));
        }
        let scope = &ask.path.scope;
        let here = |own: &str| covers(own, scope) || !at_scope && covers(scope, own);
        let rows = self
            .assignments
            .values()
            .filter(|found| found.ends.is_none() && found.listed <= ask.call.now)
            .filter(|found| here(&found.scope))
            .filter(|found| wanted.is_none_or(|id| id.eq_ignore_ascii_case(&found.principal)))
            .map(Assignment::show)
            .collect();
        Ok(ask.page(rows))
    }

    fn put_assignment(&mut self, ask: &Ask<'_>, id: String) -> Result<Answer> {
        let body = ask.call.object()?;
        let properties = body
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let (Some(role), Some(principal)) = (text("roleDefinitionId"), text("principalId")) else {
            let message = "The role assignment needs roleDefinitionId and principalId.";
            return Err(Failure::bad("InvalidRoleAssignment", message));
        };
        let role = role
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let kind = text("principalType").unwrap_or("User");
        ask.caller
            .require_grantable((&role, kind), &id, ask.operator)?;
        if uuid::Uuid::parse_str(ask.path.name(0)).is_err() {
            let message = format!(
                "The role assignment ID '{}' is not valid. The role assignment ID \
                must be a GUID.",
                ask.path.name(0)
            );
            return Err(Failure::bad("InvalidRoleAssignmentId", message));
        }
        if !self.roles.contains_key(&role) {
            let message = format!("The specified role definition with ID '{role}' does not exist.");
            return Err(Failure::bad("RoleDefinitionDoesNotExist", message));
        }
        self.require_scope(&ask.path.scope)?;
        self.require_principal(principal, text("principalType"), ask.call.now)?;
        if let Some(answer) = self.existing(ask, &role, principal)? {
            return Ok(answer);
        }
        let (now, settings) = (ask.call.now, ask.settings);
        let kept = ["description", "condition", "conditionVersion"];
        let assignment = Assignment {
            name: ask.path.name(0).to_owned(),
            scope: ask.path.scope.clone(),
            principal: principal.to_owned(),
            // without a type the directory's own word for the principal counts
            principal_type: text("principalType")
                .unwrap_or("ServicePrincipal")
                .to_owned(),
            kept: properties
                .iter()
                .filter(|(field, value)| kept.contains(&field.as_str()) && !value.is_null())
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect(),
            created: now,
            created_by: ask.caller.principal.clone(),
            effective: settings.after(now, settings.role_effect),
            listed: settings.after(now, settings.role_list_lag),
            ends: None,
            role,
            id,
        };
        let shown = assignment.show();
        self.assignments
            .insert(assignment.id.to_ascii_lowercase(), assignment);
        Ok(Answer::with(StatusCode::CREATED, shown))
    }

    /// The same again is fine, the same under another name or another under this name is not.
    fn existing(&self, ask: &Ask<'_>, role: &str, principal: &str) -> Result<Option<Answer>> {
        let same = |found: &Assignment| {
            found.role == role
                && found.principal.eq_ignore_ascii_case(principal)
                && found.scope.eq_ignore_ascii_case(&ask.path.scope)
        };
        let name = ask.path.name(0);
        let living = || {
            self.assignments
                .values()
                .filter(|found| found.ends.is_none())
        };
        if let Some(found) = living().find(|found| found.name.eq_ignore_ascii_case(name)) {
            if same(found) {
                return Ok(Some(Answer::ok(found.show())));
            }
            let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be \
                           updated.";
            return Err(Failure::bad("RoleAssignmentUpdateNotPermitted", message));
        }
        let Some(found) = living().find(|found| same(found)) else {
            return Ok(None);
        };
        let message = format!(
            "The role assignment already exists. The ID of the conflicting role assignment is {}.",
            found.name.replace('-', "")
        );
        Err(Failure::conflict("RoleAssignmentExists", message))
    }

    /// The directory knows a principal at once when its type is said, a little later otherwise.
    fn require_principal(&self, id: &str, kind: Option<&str>, now: Timestamp) -> Result<()> {
        let known = self.principals.get(id).filter(|principal| principal.exists);
        let told = kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("User"));
        if let (Some(_), Some(kind)) = (known, kind)
            && !kind.eq_ignore_ascii_case("ServicePrincipal")
        {
            let message = format!(
                "The PrincipalId '{id}' has type 'ServicePrincipal', which is \
                different from specified PrincipalType '{kind}'."
            );
            return Err(Failure::bad("UnmatchedPrincipalType", message));
        }
        if told || known.is_some_and(|principal| principal.replicated <= now) {
            return Ok(());
        }
        let message = format!(
            "Principal {} does not exist in the directory {}. Check that you have the correct \
             principal ID. If you are creating this principal and then immediately assigning a \
             role, this error might be related to a replication delay. In this case, set the role \
             assignment principalType property to a value, such as ServicePrincipal, User, or \
             Group. See https://aka.ms/docs-principaltype",
            id.replace('-', ""),
            self.tenant
        );
        Err(Failure::bad("PrincipalNotFound", message))
    }
}

/// The value in `name eq 'value'`, wherever that stands in a `$filter`.
pub(super) fn filter_value<'a>(filter: &'a str, name: &str) -> Option<&'a str> {
    filter.split(" and ").find_map(|term| {
        let mut words = term.trim().splitn(3, ' ');
        let (field, operator, value) = (words.next()?, words.next()?, words.next()?);
        (field.eq_ignore_ascii_case(name) && operator.eq_ignore_ascii_case("eq"))
            .then(|| value.trim().trim_matches('\''))
    })
}

#[cfg(test)]
mod tests;
