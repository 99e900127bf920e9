//! Deletion, namespaces, lists and CRDs.

use http::{Method, StatusCode};
use serde_json::json;

use super::{OBJECT, OBJECTS, api, api_with_object, delete, get, merge, post, send};

#[test]
fn an_object_with_finalizers_goes_when_the_last_of_them_does() {
    let mut api = api_with_object();
    merge(
        &mut api,
        OBJECT,
        &json!({"metadata": {"finalizers": ["a.io/x"]}}),
    );
    let (status, marked) = delete(&mut api, OBJECT);
    assert_eq!(status, 200);
    assert_eq!(
        marked["metadata"]["deletionTimestamp"],
        "2027-01-15T08:01:00Z"
    );
    assert_eq!(marked["metadata"]["generation"], 2);
    assert_eq!(delete(&mut api, OBJECT), (StatusCode::OK, marked.clone()));
    assert_eq!(get(&mut api, OBJECT), (StatusCode::OK, marked));

    let more = json!({"metadata": {"finalizers": ["a.io/x", "a.io/y"]}});
    assert_eq!(
        merge(&mut api, OBJECT, &more).0,
        422,
        "no new ones while it is being deleted"
    );
    assert_eq!(
        merge(&mut api, OBJECT, &json!({"metadata": {"finalizers": null}})).0,
        200
    );
    assert_eq!(get(&mut api, OBJECT).0, 404);
}

#[test]
fn a_deletion_can_be_bound_to_a_uid() {
    let mut api = api_with_object();
    let of = |uid: &str| json!({"preconditions": {"uid": uid}});
    let uid = get(&mut api, OBJECT).1["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = send(
        &mut api,
        Method::DELETE,
        OBJECT,
        "application/json",
        &of("other"),
    );
    assert_eq!(other.0, 409);
    let (status, answer) = send(
        &mut api,
        Method::DELETE,
        OBJECT,
        "application/json",
        &of(&uid),
    );
    assert_eq!(
        (status.as_u16(), &answer["status"]),
        (200, &json!("Success"))
    );
    assert_eq!(delete(&mut api, OBJECT).0, 404);
}

#[test]
fn a_namespace_takes_its_objects_with_it_and_waits_for_finalizers() {
    let mut api = api();
    post(
        &mut api,
        "/api/v1/namespaces",
        &json!({"metadata": {"name": "imaging"}}),
    );
    let objects = OBJECTS.replace("default", "imaging");
    post(&mut api, &objects, &json!({"metadata": {"name": "free"}}));
    let held = json!({"metadata": {"name": "held", "finalizers": ["a.io/x"]}});
    post(&mut api, &objects, &held);

    let (_, namespace) = delete(&mut api, "/api/v1/namespaces/imaging");
    assert_eq!(namespace["status"]["phase"], "Terminating");
    assert_eq!(get(&mut api, &format!("{objects}/free")).0, 404);
    assert_eq!(get(&mut api, "/api/v1/namespaces/imaging").0, 200);
    let (status, refusal) = post(&mut api, &objects, &json!({"metadata": {"name": "late"}}));
    assert_eq!(status, 403, "{refusal}");

    merge(
        &mut api,
        &format!("{objects}/held"),
        &json!({"metadata": {"finalizers": null}}),
    );
    assert_eq!(get(&mut api, "/api/v1/namespaces/imaging").0, 404);
}

#[test]
fn a_list_comes_in_pages_that_hold_every_object_once() {
    let mut api = api();
    for name in ["a", "b", "c", "d", "e"] {
        post(&mut api, OBJECTS, &json!({"metadata": {"name": name}}));
    }
    let (_, first) = get(&mut api, &format!("{OBJECTS}?limit=2"));
    assert_eq!(first["kind"], "DicomEncryptionList");
    let mut names = Vec::new();
    let mut page = first.clone();
    loop {
        let items = page["items"].as_array().unwrap();
        names.extend(
            items
                .iter()
                .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()),
        );
        assert_eq!(
            page["metadata"]["resourceVersion"],
            first["metadata"]["resourceVersion"]
        );
        let Some(token) = page["metadata"]["continue"].as_str() else {
            break;
        };
        assert_eq!(items.len(), 2);
        page = get(&mut api, &format!("{OBJECTS}?limit=2&continue={token}")).1;
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);

    let token = first["metadata"]["continue"].as_str().unwrap();
    api.compact();
    let (status, refusal) = get(&mut api, &format!("{OBJECTS}?limit=2&continue={token}"));
    assert_eq!(
        (status.as_u16(), &refusal["reason"]),
        (410, &json!("Expired"))
    );
}

#[test]
fn a_crd_makes_its_kind_known_and_its_schema_prunes() {
    let mut api = api();
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}},
        "status": {"type": "object", "properties": {"seen": {"type": "boolean"}}},
    }});
    let crd = json!({"metadata": {"name": "things.a.io"}, "spec": {
        "group": "a.io", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema},
        }],
    }});
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(get(&mut api, "/apis/a.io/v1/things").0, 404);
    let (_, made) = post(&mut api, crds, &crd);
    assert_eq!(made["status"]["conditions"][1]["type"], "Established");

    let (_, thing) = post(
        &mut api,
        "/apis/a.io/v1/things",
        &json!({"metadata": {"name": "t"}, "spec": {"no": 1}}),
    );
    assert_eq!(
        (&thing["kind"], &thing["spec"]),
        (&json!("Thing"), &json!({"size": 3}))
    );
    let status = json!({"status": {"seen": true, "unseen": true}});
    let (_, thing) = merge(&mut api, "/apis/a.io/v1/things/t/status", &status);
    assert_eq!(thing["status"], json!({"seen": true}));
}
