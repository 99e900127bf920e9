//! The document of a DICOM service: what of a body counts, and how it is shown.

use serde_json::{Map, Value, json};

use super::{
    access::KeyReference,
    answer::{Answer, Failure, Result},
    ask::Ask,
    estate::{Estate, guid},
    service::Service,
};

/// Properties that a PUT may carry and that are ignored.
const READ_ONLY: [&str; 5] = [
    "provisioningState",
    "serviceUrl",
    "privateEndpointConnections",
    "eventState",
    "authenticationConfiguration",
];

/// Properties that came with a later api-version than the first one that has encryption.
const SINCE: [(&str, &str); 2] = [
    ("storageConfiguration", "2024-03-01"),
    ("enableDataPartitions", "2024-03-31"),
];

impl Estate {
    /// The writable part of a PUT body: read-only properties ignored, unknown ones kept.
    pub(super) fn read_document(
        &self,
        ask: &Ask<'_>,
        body: &Map<String, Value>,
    ) -> Result<Map<String, Value>> {
        let mut document = Map::new();
        if let Some(tags) = body.get("tags").filter(|tags| !tags.is_null()) {
            document.insert("tags".to_owned(), tags.clone());
        }
        if let Some(identity) = self.read_identity(ask, body)? {
            document.insert("identity".to_owned(), identity);
        }
        let mut properties = body
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        properties.retain(|name, value| !READ_ONLY.contains(&name.as_str()) && !value.is_null());
        for (name, value) in defaults() {
            properties.entry(name).or_insert(value);
        }
        document.insert("properties".to_owned(), Value::Object(properties));
        check_key_url(&document)?;
        Ok(document)
    }

    /// The identity block without what is read-only in it; the caller must be allowed to attach.
    pub(super) fn read_identity(
        &self,
        ask: &Ask<'_>,
        body: &Map<String, Value>,
    ) -> Result<Option<Value>> {
        let Some(given) = body.get("identity").filter(|given| given.is_object()) else {
            return Ok(None);
        };
        let word = given
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let plain = word.replace(' ', "");
        let kinds = [
            "None",
            "SystemAssigned",
            "UserAssigned",
            "SystemAssigned,UserAssigned",
        ];
        let Some(kind) = kinds
            .into_iter()
            .find(|kind| kind.eq_ignore_ascii_case(&plain))
        else {
            let message = format!(
                "The identity type '{word}' is none of {}.",
                kinds.join(", ")
            );
            return Err(Failure::bad("InvalidIdentityType", message));
        };
        let mut identity = Map::new();
        identity.insert("type".to_owned(), json!(kind));
        if kind.contains("UserAssigned") {
            let ids = given
                .get("userAssignedIdentities")
                .and_then(Value::as_object);
            let ids: Vec<&String> = ids.into_iter().flat_map(Map::keys).collect();
            if ids.is_empty() {
                let message = "The identity type 'UserAssigned' needs userAssignedIdentities.";
                return Err(Failure::bad("InvalidUserAssignedIdentities", message));
            }
            for id in &ids {
                ask.caller.require_linked(id, ask.operator)?;
                if !self.identities.contains_key(&id.to_ascii_lowercase()) {
                    let message = format!("Identity(s) {id} not found. Please check the ids.");
                    return Err(Failure::bad("FailedIdentityOperation", message));
                }
            }
            let entries: Map<String, Value> =
                ids.into_iter().map(|id| (id.clone(), json!({}))).collect();
            identity.insert("userAssignedIdentities".to_owned(), Value::Object(entries));
        }
        Ok(Some(Value::Object(identity)))
    }
}

impl Service {
    pub(super) fn etag(&self) -> String {
        format!(
            "\"{}\"",
            guid(&format!("etag/{}/{}", self.id, self.revision))
        )
    }

    /// The resource as ARM shows it.
    pub(super) fn show(&self, estate: &Estate) -> Value {
        let mut shown = Map::new();
        shown.insert("id".to_owned(), json!(self.id));
        shown.insert("name".to_owned(), json!(self.name));
        shown.insert(
            "type".to_owned(),
            json!("Microsoft.HealthcareApis/workspaces/dicomservices"),
        );
        shown.insert("location".to_owned(), json!(self.location));
        shown.insert("etag".to_owned(), json!(self.etag()));
        for (name, value) in &self.document {
            if name != "properties" && name != "identity" {
                shown.insert(name.clone(), value.clone());
            }
        }
        if let Some(identity) = self.show_identity(estate) {
            shown.insert("identity".to_owned(), identity);
        }
        shown.insert(
            "systemData".to_owned(),
            json!({
                "createdAt": self.created.to_string(),
                "lastModifiedAt": self.modified.to_string(),
            }),
        );
        let mut properties = Map::new();
        properties.insert(
            "provisioningState".to_owned(),
            json!(self.provisioning_state()),
        );
        properties.insert(
            "authenticationConfiguration".to_owned(),
            json!({
                "authority": format!("https://login.microsoftonline.com/{}", estate.tenant),
                "audiences": [
                    "https://azurehealthcareapis.com/",
                    "https://azurehealthcareapis.com",
                ],
            }),
        );
        let host = format!(
            "https://{}.dicom.azurehealthcareapis.com",
            self.host_label()
        );
        properties.insert("serviceUrl".to_owned(), json!(host));
        properties.insert("eventState".to_owned(), json!("Disabled"));
        let own = self.document.get("properties").and_then(Value::as_object);
        properties.extend(own.cloned().unwrap_or_default());
        shown.insert("properties".to_owned(), Value::Object(properties));
        Value::Object(shown)
    }

    fn show_identity(&self, estate: &Estate) -> Option<Value> {
        self.document.get("identity")?;
        let kind = identity_kind(&self.document);
        let mut identity = Map::new();
        identity.insert("type".to_owned(), json!(kind));
        if let (true, Some(principal)) = (kind.contains("SystemAssigned"), &self.system_principal) {
            identity.insert("principalId".to_owned(), json!(principal));
            identity.insert("tenantId".to_owned(), json!(estate.tenant));
        }
        let ids: Map<String, Value> = attached(&self.document)
            .into_iter()
            .map(|id| {
                let found = estate.identities.get(&id.to_ascii_lowercase());
                let shown = found.map_or_else(
                    || json!({}),
                    |own| json!({ "principalId": own.principal, "clientId": own.client }),
                );
                (id, shown)
            })
            .collect();
        if !ids.is_empty() {
            identity.insert("userAssignedIdentities".to_owned(), Value::Object(ids));
        }
        Some(Value::Object(identity))
    }
}

/// The answer about services without the properties that its api-version does not know yet.
pub(super) fn as_of(version: &str, mut answer: Answer) -> Answer {
    let Some(body) = &mut answer.body else {
        return answer;
    };
    let rows: Vec<&mut Value> = if body.get("value").is_some_and(Value::is_array) {
        let rows = body.get_mut("value").and_then(Value::as_array_mut);
        rows.into_iter().flatten().collect()
    } else {
        vec![body]
    };
    for row in rows {
        let Some(properties) = row.get_mut("properties").and_then(Value::as_object_mut) else {
            continue;
        };
        // dates in this form are in order as text
        properties.retain(|name, _| {
            !SINCE
                .iter()
                .any(|(newer, since)| newer == name && version < *since)
        });
    }
    answer
}

/// What the service fills in where a body is silent.
pub(super) fn defaults() -> Map<String, Value> {
    let filled = json!({
        "corsConfiguration": {
            "origins": ["*"],
            "headers": ["*"],
            "methods": ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"],
            "maxAge": 1440,
            "allowCredentials": false,
        },
        "publicNetworkAccess": "Enabled",
        "storageConfiguration": {},
        "enableDataPartitions": false,
    });
    filled.as_object().cloned().unwrap_or_default()
}

/// The key URL of a document; an empty one is something else than none.
pub(super) fn key_url(document: &Map<String, Value>) -> Option<&str> {
    document
        .get("properties")?
        .pointer("/encryption/customerManagedKeyEncryption/keyEncryptionKeyUrl")?
        .as_str()
}

/// The identity type of a document; `None` when it has no identity.
pub(super) fn identity_kind(document: &Map<String, Value>) -> &str {
    document
        .get("identity")
        .and_then(|identity| identity.get("type"))
        .and_then(Value::as_str)
        .unwrap_or("None")
}

/// The ids of the user-assigned identities in a document.
pub(super) fn attached(document: &Map<String, Value>) -> Vec<String> {
    document
        .get("identity")
        .and_then(|identity| identity.get("userAssignedIdentities"))
        .and_then(Value::as_object)
        .map(|ids| ids.keys().cloned().collect())
        .unwrap_or_default()
}

/// A document with only this key URL in its encryption block.
pub(super) fn encryption(url: &str) -> Value {
    json!({ "customerManagedKeyEncryption": { "keyEncryptionKeyUrl": url } })
}

/// Whether a document asks for a key that no identity of it could read.
fn check_key_url(document: &Map<String, Value>) -> Result<()> {
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
