//! Microsoft.ManagedIdentity: user-assigned identities and their federated credentials.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    estate::{Estate, Identity, Plain, guid},
    path::covers,
    settings::Settings,
};

const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
const CREDENTIAL: &str =
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

impl Estate {
    pub(super) fn user_identities(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let key = id.to_ascii_lowercase();
        let missing = || Failure::no_resource(IDENTITY, ask.path.name(0), &ask.path.group());
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => {
                let inside = |own: &&Identity| covers(&ask.path.scope, &own.plain.id);
                Ok(ask.page(
                    self.identities
                        .values()
                        .filter(inside)
                        .map(Identity::show)
                        .collect(),
                ))
            }
            (&Method::GET, true) => self
                .identities
                .get(&key)
                .map(|own| Answer::ok(own.show()))
                .ok_or_else(missing),
            (&Method::PUT, true) => {
                let body = ask.call.object()?;
                self.require_scope(&ask.path.scope)?;
                let location = body.get("location").and_then(Value::as_str);
                let is_new = !self.identities.contains_key(&key);
                if let (true, Some(location)) = (is_new, location) {
                    self.add_identity(id, location, (ask.settings, ask.call.now));
                }
                let Some(own) = self.identities.get_mut(&key) else {
                    let message = "The location property is required for this definition.";
                    return Err(Failure::bad("LocationRequired", message));
                };
                own.plain.tags = body.get("tags").filter(|tags| tags.is_object()).cloned();
                let status = if is_new {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                };
                Ok(Answer::with(status, own.show()))
            }
            (&Method::PATCH, true) => {
                let body = ask.call.object()?;
                let own = self.identities.get_mut(&key).ok_or_else(missing)?;
                own.plain.tags = body.get("tags").cloned().or_else(|| own.plain.tags.take());
                Ok(Answer::ok(own.show()))
            }
            (&Method::DELETE, true) => {
                let deleted = self.delete_identity(&id);
                let status = if deleted {
                    StatusCode::OK
                } else {
                    StatusCode::NO_CONTENT
                };
                Ok(Answer::empty(status))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    /// Creates an identity; one of the same name that came before had another principal.
    pub(super) fn add_identity(
        &mut self,
        id: String,
        location: &str,
        (settings, now): (&Settings, jiff::Timestamp),
    ) {
        let mut plain = Plain::new(id, location);
        let births = self
            .principals
            .values()
            .filter(|own| own.label == plain.name)
            .count();
        let principal = guid(&format!("principal/{}/{births}", plain.id));
        plain
            .properties
            .insert("tenantId".to_owned(), json!(self.tenant));
        let seen = settings.after(now, settings.principal_replication);
        self.add_principal(&principal, plain.name.clone(), seen);
        let client = guid(&format!("client/{}/{births}", plain.id));
        self.identities.insert(
            plain.id.to_ascii_lowercase(),
            Identity {
                plain,
                principal,
                client,
            },
        );
    }

    pub(super) fn federated_credentials(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let key = id.to_ascii_lowercase();
        let parent = ask.path.id_to(1);
        if !self.identities.contains_key(&parent.to_ascii_lowercase()) {
            return Err(Failure::no_resource(
                IDENTITY,
                ask.path.name(0),
                &ask.path.group(),
            ));
        }
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => {
                let rows = self
                    .federated
                    .values()
                    .filter(|child| covers(&parent, &child.id));
                Ok(ask.page(rows.map(|child| child.show(CREDENTIAL)).collect()))
            }
            (&Method::GET, true) => {
                let found = self
                    .federated
                    .get(&key)
                    .map(|child| Answer::ok(child.show(CREDENTIAL)));
                found.ok_or_else(|| {
                    Failure::no_resource(CREDENTIAL, ask.path.name(1), &ask.path.group())
                })
            }
            (&Method::PUT, true) => {
                let body = ask.call.object()?;
                let mut child = Plain::new(id, "");
                let given = body.get("properties").and_then(Value::as_object);
                child.properties = given.cloned().unwrap_or_default();
                let shown = child.show(CREDENTIAL);
                let before = self.federated.insert(key, child);
                let status = before.map_or(StatusCode::CREATED, |_| StatusCode::OK);
                Ok(Answer::with(status, shown))
            }
            (&Method::DELETE, true) => {
                let removed = self.federated.remove(&key);
                let status = removed.map_or(StatusCode::NO_CONTENT, |_| StatusCode::OK);
                Ok(Answer::empty(status))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }
}

impl Identity {
    fn show(&self) -> Value {
        let mut plain = self.plain.clone();
        plain
            .properties
            .insert("principalId".to_owned(), json!(self.principal));
        plain
            .properties
            .insert("clientId".to_owned(), json!(self.client));
        plain.show(IDENTITY)
    }
}
