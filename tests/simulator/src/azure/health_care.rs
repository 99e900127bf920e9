//! Microsoft.HealthcareApis: workspaces and DICOM services.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    document::attached,
    estate::{Estate, Plain},
    path::covers,
    service::{Act, Service},
};

const WORKSPACE: &str = "Microsoft.HealthcareApis/workspaces";

impl Estate {
    pub(super) fn workspaces(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let key = id.to_ascii_lowercase();
        let missing = || Failure::no_resource(WORKSPACE, ask.path.name(0), &ask.path.group());
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => {
                let inside = |plain: &&Plain| covers(&ask.path.scope, &plain.id);
                let rows = self.workspaces.values().filter(inside);
                Ok(ask.page(rows.map(|plain| plain.show(WORKSPACE)).collect()))
            }
            (&Method::GET, true) => self
                .workspaces
                .get(&key)
                .map(|p| Answer::ok(p.show(WORKSPACE)))
                .ok_or_else(missing),
            (&Method::PUT, true) => self.put_workspace(ask, id),
            (&Method::PATCH, true) => {
                let body = ask.call.object()?;
                let plain = self.workspaces.get_mut(&key).ok_or_else(missing)?;
                plain.tags = body.get("tags").cloned().or_else(|| plain.tags.take());
                Ok(Answer::ok(plain.show(WORKSPACE)))
            }
            (&Method::DELETE, true) => {
                if self
                    .services
                    .values()
                    .any(|service| covers(&id, &service.id))
                {
                    let message = "The workspace still has services in it; delete them first.";
                    return Err(Failure::conflict("CannotDeleteResource", message));
                }
                let status = self
                    .workspaces
                    .remove(&key)
                    .map_or(StatusCode::NO_CONTENT, |_| StatusCode::OK);
                Ok(Answer::empty(status))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    fn put_workspace(&mut self, ask: &Ask<'_>, id: String) -> Result<Answer> {
        let key = id.to_ascii_lowercase();
        let body = ask.call.object()?;
        self.require_scope(&ask.path.scope)?;
        let asked = body
            .get("location")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let known = self
            .workspaces
            .get(&key)
            .map(|plain| plain.location.clone());
        let status = if known.is_none() {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let Some(location) = known.or(asked) else {
            let message = "The location property is required for this definition.";
            return Err(Failure::bad("LocationRequired", message));
        };
        let mut plain = Plain::new(id, &location);
        plain.tags = body.get("tags").filter(|tags| tags.is_object()).cloned();
        let access = body
            .get("properties")
            .and_then(|given| given.get("publicNetworkAccess"));
        let access = access.cloned().unwrap_or_else(|| json!("Enabled"));
        plain
            .properties
            .insert("provisioningState".to_owned(), json!("Succeeded"));
        plain
            .properties
            .insert("publicNetworkAccess".to_owned(), access);
        let shown = plain.show(WORKSPACE);
        self.workspaces.insert(key, plain);
        Ok(Answer::with(status, shown))
    }

    pub(super) fn dicom_services(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let parent = ask.path.id_to(1).to_ascii_lowercase();
        if !ask.path.is_item() {
            if ask.call.method != Method::GET {
                return Err(Failure::method(ask.call));
            }
            if !self.workspaces.contains_key(&parent) {
                return Err(no_parent(ask));
            }
            let rows = self
                .services
                .values()
                .filter(|service| covers(&parent, &service.id));
            return Ok(ask.page(rows.map(|service| service.show(self)).collect()));
        }
        let found = self.services.get(&id.to_ascii_lowercase());
        let missing = || {
            let name = format!("{}/dicomservices/{}", ask.path.name(0), ask.path.name(1));
            Failure::no_resource(WORKSPACE, &name, &ask.path.group())
        };
        match ask.call.method {
            Method::GET => found.map(|s| Answer::ok(s.show(self))).ok_or_else(missing),
            Method::PUT => self.put_service(ask, &id),
            Method::PATCH if found.is_none() => Err(missing()),
            Method::PATCH => self.patch_service(ask, &id),
            Method::DELETE if found.is_none() => Ok(Answer::empty(StatusCode::NO_CONTENT)),
            Method::DELETE => self.start(ask, &id, Act::Delete),
            _ => Err(Failure::method(ask.call)),
        }
    }

    fn put_service(&mut self, ask: &Ask<'_>, id: &str) -> Result<Answer> {
        let key = id.to_ascii_lowercase();
        let Some(workspace) = self.workspaces.get(&ask.path.id_to(1).to_ascii_lowercase()) else {
            return Err(no_parent(ask));
        };
        let body = ask.call.object()?;
        let home = self
            .services
            .get(&key)
            .map_or(&workspace.location, |service| &service.location);
        let location = body
            .get("location")
            .and_then(Value::as_str)
            .unwrap_or(home)
            .to_owned();
        if self.services.contains_key(&key) && !same_place(&location, home) {
            let message = format!(
                "The resource already exists in location '{home}'. A resource \
                with the same name cannot be created in location '{location}'."
            );
            return Err(Failure::conflict("InvalidResourceLocation", message));
        }
        self.require_fresh(ask, &key, &body)?;
        let document = self.read_document(ask, &body)?;
        if !self.services.contains_key(&key) {
            check_name(ask.path.name(1))?;
            let mut service = Service::new(id.to_owned(), &location, ask.call.now);
            service.settled = "Creating";
            let mut bare = document.clone();
            if let Some(properties) = bare.get_mut("properties").and_then(Value::as_object_mut) {
                properties.remove("encryption");
            }
            service.commit(bare, self, ask.settings, ask.call.now);
            self.services.insert(key, service);
        }
        self.start(ask, id, Act::Put(document))
    }

    /// Tags and identity only; tags overwrite, an attached identity set to null goes.
    fn patch_service(&mut self, ask: &Ask<'_>, id: &str) -> Result<Answer> {
        let body = ask.call.object()?;
        let allowed = ["tags", "identity"];
        if let Some(other) = body.keys().find(|field| !allowed.contains(&field.as_str())) {
            let message = format!("PATCH changes tags and identity only, not '{other}'. Use PUT.");
            return Err(Failure::bad("BadRequest", message));
        }
        let key = id.to_ascii_lowercase();
        self.require_fresh(ask, &key, &body)?;
        let mut document = self
            .services
            .get(&key)
            .map(|s| s.document.clone())
            .unwrap_or_default();
        if let Some(tags) = body.get("tags") {
            document.insert("tags".to_owned(), tags.clone());
        }
        if let Some(given) = body.get("identity") {
            let mut holder = Map::new();
            holder.insert("identity".to_owned(), merged(given, &attached(&document)));
            let identity = self.read_identity(ask, &holder)?;
            let identity = identity.unwrap_or_else(|| json!({ "type": "None" }));
            document.insert("identity".to_owned(), identity);
        }
        self.start(ask, id, Act::Patch(document))
    }

    /// Refuses a write while another one runs, or one that was based on something older.
    fn require_fresh(&self, ask: &Ask<'_>, key: &str, body: &Map<String, Value>) -> Result<()> {
        let Some(service) = self.services.get(key) else {
            return Ok(());
        };
        if service.pending.is_some() {
            let message = format!(
                "Another operation is in progress on '{}'. Try again when its \
                provisioningState is final.",
                service.id
            );
            return Err(Failure::conflict("AnotherOperationInProgress", message));
        }
        let etag = service.etag();
        let header = ask.call.header("if-match").filter(|wanted| *wanted != "*");
        let in_body = body.get("etag").and_then(Value::as_str);
        if header.or(in_body).is_some_and(|wanted| wanted != etag) {
            let message = format!("The etag does not match; the resource's etag is {etag}.");
            return Err(Failure::new(
                StatusCode::PRECONDITION_FAILED,
                "PreconditionFailed",
                message,
            ));
        }
        Ok(())
    }
}

/// An identity block of a PATCH with the ids that were attached before and are not set to null.
fn merged(given: &Value, before: &[String]) -> Value {
    let mut identity = given.clone();
    let ids = identity
        .get_mut("userAssignedIdentities")
        .and_then(Value::as_object_mut);
    let Some(ids) = ids else { return identity };
    for old in before {
        if !ids.keys().any(|id| id.eq_ignore_ascii_case(old)) {
            ids.insert(old.clone(), json!({}));
        }
    }
    ids.retain(|_, value| !value.is_null());
    identity
}

fn no_parent(ask: &Ask<'_>) -> Failure {
    Failure::missing(
        "ParentResourceNotFound",
        format!(
            "Failed to perform '{}' on resource(s) of type 'workspaces/dicomservices', because the \
             parent resource '{}' could not be found.",
            if ask.call.is_read() { "read" } else { "write" },
            ask.path.id_to(1)
        ),
    )
}

fn check_name(name: &str) -> Result<()> {
    let shape = (3..=24).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if shape {
        return Ok(());
    }
    let message = format!(
        "The resource name '{name}' is invalid: 3 to 24 letters, digits or '-', \
        a letter or digit first and last."
    );
    Err(Failure::bad("InvalidResourceName", message))
}

/// Azure reads "West Europe" and "westeurope" as one place.
fn same_place(left: &str, right: &str) -> bool {
    let plain = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    plain(left) == plain(right)
}

#[cfg(test)]
mod tests;
