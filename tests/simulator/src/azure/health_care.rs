//! Microsoft.HealthcareApis: workspaces, DICOM services and the results of their operations.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    estate::{Estate, Operation, Plain},
    path::covers,
    service::{Act, Pending, Service, attached, identity_kind, key_url},
    vault::KeyReference,
};

const WORKSPACE: &str = "Microsoft.HealthcareApis/workspaces";
const SERVICE: &str = "Microsoft.HealthcareApis/workspaces/dicomservices";

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
            (&Method::PUT, true) => {
                let body = ask.call.object()?;
                self.require_scope(&ask.path.scope)?;
                let location = body.get("location").and_then(Value::as_str);
                let known = self
                    .workspaces
                    .get(&key)
                    .map(|plain| plain.location.clone());
                let is_new = known.is_none();
                let Some(location) = known.or_else(|| location.map(str::to_owned)) else {
                    let message = "The location property is required for this definition.";
                    return Err(Failure::bad("LocationRequired", message));
                };
                let mut plain = Plain::new(id, &location);
                plain.tags = body.get("tags").filter(|tags| tags.is_object()).cloned();
                let access = body
                    .get("properties")
                    .and_then(|p| p.get("publicNetworkAccess"));
                let access = access.cloned().unwrap_or_else(|| json!("Enabled"));
                plain
                    .properties
                    .insert("provisioningState".to_owned(), json!("Succeeded"));
                plain
                    .properties
                    .insert("publicNetworkAccess".to_owned(), access);
                let shown = plain.show(WORKSPACE);
                self.workspaces.insert(key, plain);
                let status = if is_new {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                };
                Ok(Answer::with(status, shown))
            }
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
            Method::PUT => self.put_service(ask, id),
            Method::PATCH if found.is_none() => Err(missing()),
            Method::PATCH => self.patch_service(ask, &id),
            Method::DELETE if found.is_none() => Ok(Answer::empty(StatusCode::NO_CONTENT)),
            Method::DELETE => self.start(ask, &id, Act::Delete),
            _ => Err(Failure::method(ask.call)),
        }
    }

    fn put_service(&mut self, ask: &Ask<'_>, id: String) -> Result<Answer> {
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
            let mut service = Service::new(id.clone(), &location, ask.call.now);
            service.settled = "Creating";
            let mut bare = document.clone();
            if let Some(properties) = bare.get_mut("properties").and_then(Value::as_object_mut) {
                properties.remove("encryption");
            }
            service.commit(bare, self, ask.settings, ask.call.now);
            self.services.insert(key, service);
        }
        self.start(ask, &id, Act::Put(document))
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
        if let Some(identity) = body.get("identity") {
            let mut merged = identity.clone();
            let had = attached(&document);
            if let Some(ids) = merged
                .get_mut("userAssignedIdentities")
                .and_then(Value::as_object_mut)
            {
                let dropped: Vec<String> = ids
                    .iter()
                    .filter(|(_, value)| value.is_null())
                    .map(|(id, _)| id.to_ascii_lowercase())
                    .collect();
                ids.retain(|_, value| !value.is_null());
                for kept in had
                    .iter()
                    .filter(|id| !dropped.contains(&id.to_ascii_lowercase()))
                {
                    if !ids.keys().any(|id| id.eq_ignore_ascii_case(kept)) {
                        ids.insert(kept.clone(), json!({}));
                    }
                }
            }
            let mut holder = Map::new();
            holder.insert("identity".to_owned(), merged);
            let identity = self.read_identity(ask, &holder)?;
            document.insert(
                "identity".to_owned(),
                identity.unwrap_or_else(|| json!({"type": "None"})),
            );
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

    /// Starts an operation; at a delay of nothing it is over before the answer.
    fn start(&mut self, ask: &Ask<'_>, id: &str, act: Act) -> Result<Answer> {
        let key = id.to_ascii_lowercase();
        let now = ask.call.now;
        let operation = self.next_guid("operation");
        let Some(mut service) = self.services.remove(&key) else {
            return Err(Failure::no_resource(
                SERVICE,
                ask.path.name(1),
                &ask.path.group(),
            ));
        };
        if service.pending.is_some() {
            let message = format!("Another operation is in progress on '{id}'.");
            self.services.insert(key, service);
            return Err(Failure::conflict("AnotherOperationInProgress", message));
        }
        let subscription = ask.path.subscription().unwrap_or_default();
        let entry = Operation {
            subscription: subscription.clone(),
            location: service.location.clone(),
            started: now,
            ended: None,
            status: "Running",
            error: None,
        };
        self.operations.insert(operation.clone(), entry);
        let is_new = service.settled == "Creating";
        let proposal = match &act {
            Act::Put(document) | Act::Patch(document) => Some(document.clone()),
            Act::Delete => None,
        };
        let ends = ask.settings.after(now, ask.settings.operation);
        service.pending = Some(Pending {
            operation: operation.clone(),
            ends,
            act,
        });
        let gone = service.advance(self, ask.settings, now);
        let done = service.pending.is_none();
        let answer = match (proposal, done) {
            (None, true) => Answer::empty(StatusCode::OK),
            (None, false) => Answer::empty(StatusCode::ACCEPTED),
            (Some(_), true) if is_new => Answer::with(StatusCode::CREATED, service.show(self)),
            (Some(_), true) => Answer::ok(service.show(self)),
            (Some(document), false) => {
                let status = if is_new {
                    StatusCode::CREATED
                } else {
                    StatusCode::ACCEPTED
                };
                let echo = Service {
                    document,
                    ..service.clone()
                };
                Answer::with(status, echo.show(self))
            }
        };
        let location = service.location.clone();
        if !gone {
            self.services.insert(key, service);
        }
        if done {
            return Ok(answer);
        }
        let url = format!(
            "{}/subscriptions/{subscription}/providers/Microsoft.HealthcareApis/locations/\
             {location}/operationresults/{operation}?api-version={}",
            ask.call.origin,
            ask.version()
        );
        let answer = if answer.body.is_none() {
            answer.header("location", format!("{url}&monitor=location"))
        } else {
            answer
        };
        let seconds = ask.settings.poll_seconds().to_string();
        Ok(answer
            .header("azure-asyncoperation", url)
            .header("retry-after", seconds))
    }

    pub(super) fn operation_results(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let name = ask.path.name(1);
        let found = self.operations.get(&name.to_ascii_lowercase());
        let subscription = ask.path.subscription().unwrap_or_default();
        let Some(operation) =
            found.filter(|found| found.subscription.eq_ignore_ascii_case(&subscription))
        else {
            let message = format!("The operation result '{name}' was not found.");
            return Err(Failure::missing("OperationResultNotFound", message));
        };
        let seconds = ask.settings.poll_seconds().to_string();
        if ask.call.parameter("monitor") == Some("location") {
            return Ok(if operation.ended.is_some() {
                Answer::empty(StatusCode::OK)
            } else {
                Answer::empty(StatusCode::ACCEPTED)
                    .header(
                        "location",
                        format!(
                            "{}{}?{}",
                            ask.call.origin, ask.call.raw_path, ask.call.raw_query
                        ),
                    )
                    .header("retry-after", seconds)
            });
        }
        let mut shown = Map::new();
        let id = format!(
            "/subscriptions/{}/providers/Microsoft.HealthcareApis/locations/{}/operationresults/{name}",
            operation.subscription, operation.location
        );
        shown.insert("id".to_owned(), json!(id));
        shown.insert("name".to_owned(), json!(name));
        shown.insert("status".to_owned(), json!(operation.status));
        shown.insert("startTime".to_owned(), json!(operation.started.to_string()));
        if let Some(ended) = operation.ended {
            shown.insert("endTime".to_owned(), json!(ended.to_string()));
        }
        if let Some((code, message)) = &operation.error {
            shown.insert(
                "error".to_owned(),
                json!({ "code": code, "message": message }),
            );
        }
        let answer = Answer::ok(Value::Object(shown));
        let running = operation.ended.is_none();
        Ok(if running {
            answer.header("retry-after", seconds)
        } else {
            answer
        })
    }
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

/// Whether a document asks for a key that no identity of it could read.
pub(super) fn check_key_url(document: &Map<String, Value>) -> Result<()> {
    let Some(url) = key_url(document).filter(|url| !url.is_empty()) else {
        return Ok(());
    };
    if KeyReference::parse(url).is_none() {
        let message = format!(
            "The keyEncryptionKeyUrl '{url}' is no Key Vault key identifier, such \
            as https://<vault>.vault.azure.net/keys/<key>/<version>."
        );
        return Err(Failure::bad("InvalidKeyEncryptionKeyUrl", message));
    }
    if identity_kind(document) == "None" {
        let message = "A customer-managed key needs a managed identity on the service.";
        return Err(Failure::bad("ManagedIdentityRequired", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
