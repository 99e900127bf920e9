//! kube's own client, watcher and controller against this server, in virtual time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, future, pin_mut};
use http::{Method, Request};
use k8s_openapi::api::{
    coordination::v1::{Lease, LeaseSpec},
    core::v1::ConfigMap,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    client::Body,
    runtime::{
        Controller, WatchStreamExt,
        controller::Action,
        finalizer::{Event as Finalized, finalizer},
        watcher::{self, watcher},
    },
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{api, at};
use crate::kube_api::{KubeApi, call};

type Shared = Arc<Mutex<KubeApi>>;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn shared() -> (Shared, Client) {
    let api = Arc::new(Mutex::new(api()));
    let begin = Instant::now();
    let clock = move || at(i64::try_from(begin.elapsed().as_secs()).unwrap());
    let served = Arc::clone(&api);
    let service = tower::service_fn(move |request: Request<Body>| {
        let served = Arc::clone(&served);
        async move {
            let (parts, body) = request.into_parts();
            let request = Request::from_parts(parts, body.collect_bytes().await?);
            call(&served, clock, request).await.map_err(into_kube)
        }
    });
    (api, Client::new(service, "default"))
}

fn into_kube(lost: crate::kube_api::ConnectionLost) -> kube::Error {
    kube::Error::Service(Box::new(lost))
}

fn user(api: &Shared, method: &Method, path: &str, body: &Value) {
    api.lock().unwrap().ask(method, path, body, at(0)).unwrap();
}

fn config_map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"key": value}})
}

/// The names that a watch leaves in a store-like map, after each event.
async fn follow_until(
    api: &Shared,
    client: Client,
    config: watcher::Config,
    is_done: impl Fn(&BTreeMap<String, String>) -> bool,
) -> BTreeMap<String, String> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let events = watcher(maps, config).default_backoff();
    pin_mut!(events);
    let mut seen = BTreeMap::new();
    let mut disturbances = 0;
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => seen.clear(),
            Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map)) => {
                let value = map
                    .data
                    .clone()
                    .unwrap_or_default()
                    .remove("key")
                    .unwrap_or_default();
                seen.insert(map.name_any(), value);
            }
            Ok(watcher::Event::Delete(map)) => drop(seen.remove(&map.name_any())),
            Ok(watcher::Event::InitDone) => disturb(api, &mut disturbances),
            // a broken watch: the watcher begins anew by itself
            Err(_) => {}
        }
        if is_done(&seen) {
            return seen;
        }
    }
    panic!("a watch never ends");
}

/// Changes things and breaks the watch, then forgets the history while it is broken.
fn disturb(api: &Shared, count: &mut u32) {
    *count += 1;
    match count {
        1 => {
            user(
                api,
                &Method::DELETE,
                &format!("{CONFIG_MAPS}/a"),
                &Value::Null,
            );
            user(api, &Method::POST, CONFIG_MAPS, &config_map("c", "1"));
            api.lock().unwrap().break_watches();
            api.lock().unwrap().compact();
            user(
                api,
                &Method::PATCH,
                &format!("{CONFIG_MAPS}/b"),
                &config_map("b", "2"),
            );
        }
        2 => user(api, &Method::POST, CONFIG_MAPS, &config_map("d", "1")),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_watcher_follows_through_broken_watches_and_a_compacted_history() {
    for config in [
        watcher::Config::default().page_size(1),
        watcher::Config::default().streaming_lists(),
    ] {
        let (api, client) = shared();
        user(&api, &Method::POST, CONFIG_MAPS, &config_map("a", "1"));
        user(&api, &Method::POST, CONFIG_MAPS, &config_map("b", "1"));
        let seen = follow_until(&api, client, config, |seen| seen.contains_key("d")).await;
        let expected = [("b", "2"), ("c", "1"), ("d", "1")];
        assert_eq!(
            seen,
            expected
                .map(|(name, value)| (name.into(), value.into()))
                .into()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_is_reopened_for_hours_without_a_new_list() {
    let (api, client) = shared();
    user(&api, &Method::POST, CONFIG_MAPS, &config_map("a", "1"));
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let events = watcher(maps, watcher::Config::default()).default_backoff();
    let inits = events.try_filter(|event| future::ready(matches!(event, watcher::Event::Init)));
    let counted = inits.take_until(tokio::time::sleep(Duration::from_hours(4)));
    assert_eq!(counted.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    let calls = api.lock().unwrap().calls();
    assert!(
        (49..=52).contains(&calls),
        "one watch per 290 s, not {calls}"
    );
}

#[derive(Debug, thiserror::Error)]
#[error("reconcile failed")]
struct Failed;

#[tokio::test(start_paused = true)]
async fn a_controller_with_a_finalizer_brings_up_changes_and_lets_go() {
    let (api, client) = shared();
    user(&api, &Method::POST, CONFIG_MAPS, &config_map("a", "1"));
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let path = format!("{CONFIG_MAPS}/a");
    let told = Arc::new(Mutex::new(Vec::new()));
    let reconcile = {
        let (api, maps, path, told) = (
            Arc::clone(&api),
            maps.clone(),
            path.clone(),
            Arc::clone(&told),
        );
        move |map: Arc<ConfigMap>, _: Arc<()>| {
            let (api, maps, path, told) = (
                Arc::clone(&api),
                maps.clone(),
                path.clone(),
                Arc::clone(&told),
            );
            async move {
                finalizer(&maps, "a.io/teardown", map, |event| async move {
                    let word = match &event {
                        Finalized::Apply(map) => map.data.as_ref().unwrap()["key"].clone(),
                        Finalized::Cleanup(_) => "cleanup".to_owned(),
                    };
                    told.lock().unwrap().push(word.clone());
                    match word.as_str() {
                        "1" => user(&api, &Method::PATCH, &path, &config_map("a", "2")),
                        "2" => user(&api, &Method::DELETE, &path, &Value::Null),
                        _ => {}
                    }
                    Ok::<_, Failed>(Action::await_change())
                })
                .await
                .map_err(|_| Failed)
            }
        }
    };
    let on_error =
        |_: Arc<ConfigMap>, _: &Failed, _: Arc<()>| Action::requeue(Duration::from_secs(1));
    let controller = Controller::new(maps.clone(), watcher::Config::default());
    let runs = controller.run(reconcile, on_error, Arc::new(()));
    pin_mut!(runs);
    while let Some(run) = runs.next().await {
        run.unwrap();
        if told
            .lock()
            .unwrap()
            .last()
            .is_some_and(|word| word == "cleanup")
        {
            break;
        }
    }
    assert_eq!(*told.lock().unwrap(), ["1", "2", "cleanup"]);
    assert!(api.lock().unwrap().object(&path).is_none());
}

#[tokio::test(start_paused = true)]
async fn apply_get_list_and_lease_conflicts_work_through_the_typed_client() {
    let (_api, client) = shared();
    let leases: Api<Lease> = Api::default_namespaced(client.clone());
    let params = PatchParams::apply("operator").force();
    let spec = |holder: &str| LeaseSpec {
        holder_identity: Some(holder.into()),
        ..LeaseSpec::default()
    };
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec("a")});
    let seen = leases
        .patch("leader", &params, &Patch::Apply(&lease))
        .await
        .unwrap();

    let mut mine = seen.clone();
    mine.spec = Some(spec("b"));
    leases
        .replace("leader", &PostParams::default(), &mine)
        .await
        .unwrap();
    let late = leases
        .replace("leader", &PostParams::default(), &mine)
        .await
        .unwrap_err();
    assert!(matches!(late, kube::Error::Api(status) if status.is_conflict()));
    assert_eq!(leases.get("leader").await.unwrap().spec, Some(spec("b")));
    assert_eq!(
        leases
            .list(&ListParams::default().limit(1))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert!(leases.get_opt("other").await.unwrap().is_none());
    assert_eq!(client.apiserver_version().await.unwrap().minor, "33");
}
