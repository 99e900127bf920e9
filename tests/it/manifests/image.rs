//! The image: what can be told of it without building it.

use super::{base, only, text};

#[test]
fn the_image_is_built_with_the_toolchain_of_the_project() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .expect("it names a channel");
    assert!(text("Dockerfile").contains(&format!("\nFROM rust:{channel}-")));
}

#[test]
fn the_image_runs_as_the_user_that_the_pod_asks_for_and_holds_three_files() {
    let pod = &only(base(), "Deployment")["spec"]["template"]["spec"]["securityContext"];
    let user = format!("USER {}:{}", pod["runAsUser"], pod["runAsGroup"]);
    let dockerfile = text("Dockerfile");
    let (_, last) = dockerfile
        .split_once("\nFROM scratch\n")
        .expect("the last stage begins with nothing");
    assert!(last.lines().any(|line| line == user), "{user}");
    let copies = last.lines().filter(|line| line.starts_with("COPY "));
    let targets = copies.map(|line| line.rsplit(' ').next().unwrap_or_default());
    assert_eq!(
        targets.collect::<Vec<_>>(),
        [
            "/etc/ssl/certs/ca-certificates.crt",
            "/dicomenc",
            "/LICENSE"
        ]
    );
}

#[test]
fn the_deployment_runs_the_image_that_the_script_builds_in_this_version() {
    let pod = &only(base(), "Deployment")["spec"]["template"]["spec"];
    let image = format!("dicomenc:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(pod["containers"][0]["image"], *image);
    assert!(text("tests/scripts/image").contains(&format!("${{IMAGE:-{image}}}")));
    let version = format!("\nARG VERSION={}\n", env!("CARGO_PKG_VERSION"));
    assert!(text("Dockerfile").contains(&version));
}
