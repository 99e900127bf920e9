//! The verbs: get, list, watch, create, replace, patch, apply, delete.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Done, Failure, Key, Kind, KubeApi,
    address::{self, Address},
    apply, patch,
    selector::Selector,
    store::Owner,
    update::{self, Part},
    watch::{Filter, WatchEvent, WatchEventKind},
};

impl KubeApi {
    /// Does what a request asks for.
    pub(super) fn dispatch(
        &mut self,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Done, Failure> {
        let uri = request.uri();
        if uri.path() == "/version" {
            let version = json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0"});
            return Ok(Done::Object(StatusCode::OK, version));
        }
        let address = Address::parse(uri, &self.kinds)?;
        let body = request.body();
        let done = match (request.method(), address.key()) {
            (&Method::GET, Some(key)) => self.existing(&address.kind, &key).cloned().map(ok),
            (&Method::GET, None) if address::is_watch(uri) => self.watch(&address, uri),
            (&Method::GET, None) => self.list(&address, uri).map(ok),
            (&Method::POST, None) => self.create(&address, patch::parse(body)?, now),
            (&Method::PUT, Some(key)) => self.replace(&address, &key, patch::parse(body)?),
            (&Method::PATCH, Some(key)) => self.patch(&address, &key, request, now),
            (&Method::DELETE, Some(key)) if !address.is_status => {
                self.delete(&address, &key, body, now).map(ok)
            }
            _ => Err(Failure::method_not_allowed()),
        }?;
        self.remove_emptied_namespaces();
        Ok(done)
    }

    fn existing(&self, kind: &Kind, key: &Key) -> Result<&Value, Failure> {
        let missing = || Failure::not_found(&kind.resource(), &key.name);
        self.store.object(key).ok_or_else(missing)
    }

    fn selected<'a>(
        &'a self,
        address: &'a Address,
        selector: &'a Selector,
    ) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        let is_ours = move |key: &Key| {
            key.group == address.kind.group
                && key.plural == address.kind.plural
                && address
                    .namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == key.namespace)
        };
        let objects = self.store.objects();
        objects.filter(move |(key, object)| is_ours(key) && selector.matches(object))
    }

    fn list(&self, address: &Address, uri: &Uri) -> Result<Value, Failure> {
        let selector = Selector::of(uri)?;
        let limit = number(uri, "limit")?.filter(|limit| *limit > 0);
        let page = address::query(uri, "continue")
            .map(|token| Page::parse(&token))
            .transpose()?;
        let version = match &page {
            // the version of the first page: whoever watches from it hears of what changed meanwhile
            Some(page) => {
                self.store.require(page.version)?;
                page.version
            }
            None => self.store.version(),
        };
        let mut items = Vec::new();
        let mut metadata = json!({"resourceVersion": version.to_string()});
        let mut last: Option<(&str, &str)> = None;
        for (key, object) in self.selected(address, &selector) {
            let place = (key.namespace.as_str(), key.name.as_str());
            if page
                .as_ref()
                .is_some_and(|page| place <= (&*page.namespace, &*page.name))
            {
                continue;
            }
            if let Some((namespace, name)) = last
                && limit.is_some_and(|limit| u64::try_from(items.len()) == Ok(limit))
            {
                let token = format!("{version}/{namespace}/{name}");
                update::set(&mut metadata, "continue", Some(token.into()));
                break;
            }
            items.push(object.clone());
            last = Some(place);
        }
        Ok(json!({
            "apiVersion": address.kind.api_version(),
            "kind": format!("{}List", address.kind.kind),
            "metadata": metadata,
            "items": items,
        }))
    }

    fn watch(&mut self, address: &Address, uri: &Uri) -> Result<Done, Failure> {
        let filter = Filter {
            kind: address.kind.clone(),
            namespace: address.namespace.clone(),
            selector: Selector::of(uri)?,
        };
        let timeout = Duration::from_secs(number(uri, "timeoutSeconds")?.unwrap_or(1_800));
        let bookmarks = address::is_set(uri, "allowWatchBookmarks");
        let streams_list = address::is_set(uri, "sendInitialEvents");
        let version = number(uri, "resourceVersion")?.filter(|version| *version > 0);
        let initial = match version {
            Some(version) if !streams_list => match self.store.since(version, &filter) {
                Ok(missed) => missed,
                // the watch itself succeeds; its first and last event says that it cannot go on
                Err(failure) => {
                    return Ok(Done::Watch(self.store.watches.refuse(failure.to_status())));
                }
            },
            Some(_) | None => {
                let objects = self.selected(address, &filter.selector);
                let added = |object: &Value| WatchEvent {
                    kind: WatchEventKind::Added,
                    object: object.clone(),
                };
                let mut initial: Vec<_> = objects.map(|(_, object)| added(object)).collect();
                if streams_list {
                    let latest = self.store.version();
                    initial.push(WatchEvent::bookmark(&address.kind, latest, true));
                }
                initial
            }
        };
        Ok(Done::Watch(
            self.store.watches.open(filter, bookmarks, timeout, initial),
        ))
    }

    fn create(
        &mut self,
        address: &Address,
        object: Value,
        now: Timestamp,
    ) -> Result<Done, Failure> {
        let Address {
            kind,
            namespace,
            name: _,
            is_status: _,
        } = address;
        if kind.namespaced && namespace.is_none() {
            return Err(Failure::method_not_allowed());
        }
        self.require_open_namespace(namespace.as_deref())?;
        let mut object = update::with_metadata(object)?;
        if update::text(&object, "resourceVersion").is_some() {
            return Err(Failure::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if update::text(&object, "namespace")
            .is_some_and(|given| Some(given) != namespace.as_deref())
        {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let name = match (
            update::text(&object, "name"),
            update::text(&object, "generateName"),
        ) {
            (Some(name), _) => name.to_owned(),
            (None, Some(prefix)) => format!("{prefix}{:05}", self.made),
            (None, None) => {
                return Err(Failure::invalid(
                    "metadata.name: Required value: name is required",
                ));
            }
        };
        let key = address.key_of(&name);
        if self.store.object(&key).is_some() {
            return Err(Failure::already_exists(&kind.resource(), &name));
        }
        self.made += 1;
        update::begin(kind, &mut object, &key, self.made, now);
        update::prune(kind, &mut object, &self.unknown_status_fields);
        let stored = self.store.put(&key, object);
        self.learn(kind, &stored);
        Ok(Done::Object(StatusCode::CREATED, stored))
    }

    fn replace(&mut self, address: &Address, key: &Key, object: Value) -> Result<Done, Failure> {
        self.existing(&address.kind, key)?;
        let object = update::with_metadata(object)?;
        if update::text(&object, "resourceVersion").is_none() {
            return Err(Failure::invalid(
                "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update",
            ));
        }
        self.update(address, key, object).map(ok)
    }

    fn patch(
        &mut self,
        address: &Address,
        key: &Key,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Done, Failure> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default();
        let old = self.existing(&address.kind, key);
        let new = match media_type {
            patch::MERGE => patch::merge(old?, request.body())?,
            patch::JSON => patch::json(old?, request.body())?,
            patch::APPLY => return self.apply(address, key, request, now),
            _ => return Err(Failure::unsupported_media_type(media_type)),
        };
        self.update(address, key, new).map(ok)
    }

    fn apply(
        &mut self,
        address: &Address,
        key: &Key,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Done, Failure> {
        let kind = &address.kind;
        let body = update::with_metadata(parse_applied(request.body())?)?;
        check_applied(kind, key, &body)?;
        let Some(manager) = address::query(request.uri(), "fieldManager") else {
            return Err(Failure::bad_request(
                "fieldManager is required for apply patch",
            ));
        };
        let owner = Owner {
            manager,
            is_status: address.is_status,
        };
        let next = apply::owned(&body, address.is_status, kind.has_status);
        let Some(live) = self.store.object(key).cloned() else {
            if address.is_status {
                return Err(Failure::not_found(&kind.resource(), &key.name));
            }
            let made = self.create(address, with_name(body, key), now)?;
            self.store.set_applied(key, [(owner, next)].into());
            return Ok(made);
        };
        let mut applied = self.store.applied(key);
        let previous = applied.remove(&owner).unwrap_or_default();
        for (other, fields) in &mut applied {
            if address::is_set(request.uri(), "force") {
                apply::disown("", fields, &next);
            } else if let Some(field) = apply::conflict(&live, &next, fields) {
                return Err(Failure::apply_conflict(&field, &other.manager));
            }
        }
        let mut new = live;
        apply::merge(
            &mut new,
            &previous,
            &next,
            &applied.values().collect::<Vec<_>>(),
        );
        if let Some(version) = update::text(&body, "resourceVersion") {
            update::set_metadata(&mut new, "resourceVersion", version.into());
        }
        let stored = self.update(address, key, new)?;
        applied.insert(owner, next);
        self.store.set_applied(key, applied);
        Ok(ok(stored))
    }

    /// Stores what an object is to be, if that is a change, and removes it if that was the last thing
    /// its deletion waited for.
    fn update(&mut self, address: &Address, key: &Key, wanted: Value) -> Result<Value, Failure> {
        let old = self.existing(&address.kind, key)?;
        let part = if address.is_status {
            Part::Status
        } else {
            Part::Main
        };
        let settled = update::settle(
            &address.kind,
            part,
            old,
            wanted,
            &self.unknown_status_fields,
        )?;
        let Some(new) = settled else {
            return Ok(old.clone());
        };
        if update::is_deleting(&new)
            && update::finalizers(&new).next().is_none()
            && !address.kind.is_namespace()
        {
            self.store.remove(key);
            return Ok(new);
        }
        let stored = self.store.put(key, new);
        self.learn(&address.kind, &stored);
        Ok(stored)
    }

    /// Serves the kinds of a CRD.
    fn learn(&mut self, kind: &Kind, object: &Value) {
        if kind.is_crd() {
            for served in Kind::from_crd(object).unwrap_or_default() {
                self.serve_kind(served);
            }
        }
    }
}

fn ok(object: Value) -> Done {
    Done::Object(StatusCode::OK, object)
}

/// A place in a list, to go on from.
struct Page {
    version: u64,
    namespace: String,
    name: String,
}

impl Page {
    fn parse(token: &str) -> Result<Self, Failure> {
        let invalid = || Failure::bad_request("continue key is not valid");
        let mut parts = token.splitn(3, '/').map(str::to_owned);
        let version = parts.next().and_then(|version| version.parse().ok());
        Ok(Self {
            version: version.ok_or_else(invalid)?,
            namespace: parts.next().ok_or_else(invalid)?,
            name: parts.next().ok_or_else(invalid)?,
        })
    }
}

fn number(uri: &Uri, name: &str) -> Result<Option<u64>, Failure> {
    let invalid = |text: &str| Failure::bad_request(format!("{name}: {text:?} is no number"));
    address::query(uri, name)
        .map(|text| text.parse().map_err(|_| invalid(&text)))
        .transpose()
}

/// The body of an apply patch: YAML, of which JSON is a part.
fn parse_applied(body: &[u8]) -> Result<Value, Failure> {
    patch::parse(body).or_else(|_| {
        serde_saphyr::from_slice(body)
            .map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))
    })
}

fn check_applied(kind: &Kind, key: &Key, body: &Value) -> Result<(), Failure> {
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let is_ours =
        text("apiVersion") == Some(&kind.api_version()) && text("kind") == Some(&kind.kind);
    if !is_ours {
        return Err(Failure::bad_request(format!(
            "apply needs apiVersion {} and kind {} in the body",
            kind.api_version(),
            kind.kind
        )));
    }
    if update::text(body, "name").is_some_and(|name| name != key.name) {
        return Err(Failure::bad_request(
            "metadata.name does not match the name in the path",
        ));
    }
    if body.pointer("/metadata/managedFields").is_some() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

fn with_name(mut body: Value, key: &Key) -> Value {
    update::set_metadata(&mut body, "name", key.name.as_str().into());
    body
}
