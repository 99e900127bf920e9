//! Deletion: finalizers first, and namespaces with all that is in them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Failure, Key, KubeApi, address::Address, patch, update};

impl KubeApi {
    /// Deletes an object, or marks it when finalizers hold it.
    pub(super) fn delete(
        &mut self,
        address: &Address,
        key: &Key,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Failure> {
        let kind = &address.kind;
        let missing = || Failure::not_found(&kind.resource(), &key.name);
        let object = self.store.object(key).ok_or_else(missing)?.clone();
        // a client may send no options at all
        let options = if body.is_empty() {
            Value::Null
        } else {
            patch::parse(body)?
        };
        for field in ["uid", "resourceVersion"] {
            let wanted = options
                .pointer(&format!("/preconditions/{field}"))
                .and_then(Value::as_str);
            if wanted.is_some_and(|wanted| update::text(&object, field) != Some(wanted)) {
                return Err(Failure::conflict(&kind.resource(), &key.name));
            }
        }
        if kind.is_namespace() {
            return Ok(self.terminate_namespace(key, object, now));
        }
        let uid = object.pointer("/metadata/uid").cloned();
        Ok(self.delete_object(key, object, now).unwrap_or_else(|| {
            json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": {"name": key.name, "group": kind.group, "kind": kind.plural, "uid": uid},
            })
        }))
    }

    /// Fails when objects can not be made in a namespace; without one there is nothing to fail.
    pub(super) fn require_open_namespace(&self, namespace: Option<&str>) -> Result<(), Failure> {
        let Some(namespace) = namespace else {
            return Ok(());
        };
        let found = self.store.object(&namespace_key(namespace));
        match found {
            None => Err(Failure::not_found("namespaces", namespace)),
            Some(found) if update::is_deleting(found) => Err(Failure::forbidden(format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Removes the namespaces that are being deleted and have nothing in them any more.
    pub(super) fn remove_emptied_namespaces(&mut self) {
        let is_namespace = |key: &Key| key.group.is_empty() && key.plural == "namespaces";
        let emptied: Vec<Key> = self
            .store
            .objects()
            .filter(|(key, object)| is_namespace(key) && update::is_deleting(object))
            .filter(|(key, _)| {
                !self
                    .store
                    .objects()
                    .any(|(inside, _)| inside.namespace == key.name)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in emptied {
            self.store.remove(&key);
        }
    }

    /// Gives the object when finalizers still hold it; none when it is gone.
    fn delete_object(&mut self, key: &Key, object: Value, now: Timestamp) -> Option<Value> {
        if update::finalizers(&object).next().is_none() {
            self.store.remove(key);
            return None;
        }
        if update::is_deleting(&object) {
            return Some(object);
        }
        Some(self.store.put(key, marked(object, now)))
    }

    fn terminate_namespace(&mut self, key: &Key, namespace: Value, now: Timestamp) -> Value {
        let namespace = if update::is_deleting(&namespace) {
            namespace
        } else {
            let mut namespace = marked(namespace, now);
            update::set(
                &mut namespace,
                "status",
                Some(json!({"phase": "Terminating"})),
            );
            self.store.put(key, namespace)
        };
        let contents: Vec<(Key, Value)> = self
            .store
            .objects()
            .filter(|(inside, _)| inside.namespace == key.name)
            .map(|(inside, object)| (inside.clone(), object.clone()))
            .collect();
        for (inside, object) in contents {
            self.delete_object(&inside, object, now);
        }
        namespace
    }
}

fn marked(mut object: Value, now: Timestamp) -> Value {
    update::set_metadata(
        &mut object,
        "deletionTimestamp",
        update::seconds(now).into(),
    );
    update::set_metadata(&mut object, "deletionGracePeriodSeconds", 0.into());
    if object.pointer("/metadata/generation").is_some() {
        update::bump_generation(&mut object);
    }
    object
}

fn namespace_key(name: &str) -> Key {
    Key {
        group: String::new(),
        plural: "namespaces".to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
    }
}
