use serde_json::Value;

use super::*;

#[test]
fn a_control_plane_answers_kubectl_and_ends_with_its_owner() {
    let plane = ControlPlane::start(&Options {
        audit: true,
        ..Options::default()
    })
    .unwrap();
    let namespaces = plane.kubectl(&["get", "namespaces", "-o", "name"]).unwrap();
    assert!(
        namespaces
            .into_stdout()
            .unwrap()
            .contains("namespace/default\n")
    );

    let audit = fs::read_to_string(plane.audit_log()).unwrap();
    let requests: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(requests.iter().any(|request| {
        request["verb"] == "list" && request["objectRef"]["resource"] == "namespaces"
    }));

    let entries = [&plane.etcd, &plane.api_server].map(|process| {
        let entry = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(entry.exists());
        entry
    });
    let folder = plane.folder().to_owned();
    drop(plane);
    for entry in entries {
        assert!(!entry.exists(), "{} is still there", entry.display());
    }
    assert!(!folder.exists(), "{} is still there", folder.display());
}

#[test]
fn a_service_account_has_its_own_rights_and_no_others() {
    let plane = ControlPlane::start(&Options::default()).unwrap();
    let account = r#"{
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "somebody", "namespace": "default" }
    }"#;
    plane
        .access()
        .kubectl_with_input(&["apply", "-f", "-"], account)
        .unwrap()
        .into_stdout()
        .unwrap();
    let kubeconfig = plane
        .service_account_kubeconfig("default", "somebody")
        .unwrap();

    let whoami = [
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    ];
    let name = plane.access().kubectl_as(&kubeconfig, &whoami, "").unwrap();
    assert_eq!(
        name.into_stdout().unwrap(),
        "system:serviceaccount:default:somebody"
    );

    let secrets = plane
        .access()
        .kubectl_as(&kubeconfig, &["get", "secrets"], "")
        .unwrap();
    assert!(!secrets.success);
    assert!(secrets.stderr.contains("Forbidden"), "{}", secrets.stderr);

    let same = Access::open(plane.folder()).unwrap();
    assert_eq!(&same, plane.access());
}

#[test]
fn with_controllers_a_namespace_ends_with_everything_in_it() {
    let options = Options {
        controllers: true,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    for arguments in [
        &["create", "namespace", "short-lived"][..],
        &[
            "create",
            "configmap",
            "content",
            "--namespace",
            "short-lived",
        ],
        &[
            "delete",
            "namespace",
            "short-lived",
            "--wait",
            "--timeout=60s",
        ],
    ] {
        plane.kubectl(arguments).unwrap().into_stdout().unwrap();
    }
    let gone = plane.kubectl(&["get", "namespace", "short-lived"]).unwrap();
    assert!(gone.stderr.contains("NotFound"), "{}", gone.stderr);
}

#[test]
fn a_folder_in_use_is_refused() {
    let first = Folder::open(None).unwrap();
    let error = Folder::open(Some(&first.path)).unwrap_err().to_string();
    assert!(
        error.contains("another control plane is running"),
        "{error}"
    );
}

#[test]
fn the_state_of_a_control_plane_before_is_gone() {
    let folder = Folder::open(None).unwrap();
    let state = folder.path.join(ETCD_DATA).join("member");
    fs::create_dir_all(&state).unwrap();
    let path = folder.path.clone();
    let Folder { _lock: lock, .. } = &folder;
    lock.unlock().unwrap();
    let again = Folder::open(Some(&path)).unwrap();
    assert!(!state.exists());
    assert!(!again.temporary);
}

#[test]
fn a_port_that_somebody_else_took_meanwhile_is_recognised() {
    let assets = Assets::find_or_build(&Tool::BASE).unwrap();
    let folder = Folder::open(None).unwrap();
    let certificates = Certificates::create(&folder.path.join("certificates")).unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let etcd_port = taken.local_addr().unwrap().port();
    let launch = Launch {
        folder: &folder.path,
        certificates: &certificates,
        etcd_port,
        port: 0,
    };
    let mut etcd = launch.etcd(&assets).unwrap();
    let epitaph = wait_until(START_LIMIT, || etcd.epitaph()).unwrap().unwrap();
    assert!(is_port_taken(&anyhow!(epitaph)));
}
