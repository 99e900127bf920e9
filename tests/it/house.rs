//! The shape of the house: who may use whom, and how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const LONGEST: usize = 400;

/// Our folders, and which of our own modules each may name.
const ARROWS: [(&str, &[&str]); 5] = [
    ("azure", &[]),
    ("crd", &["azure"]),
    ("domain", &["azure", "crd"]),
    ("arm", &["azure", "clock"]),
    (
        "observe",
        &["arm", "azure", "clock", "crd", "domain", "metrics"],
    ),
];

/// What decisions and plain data must not touch: network, async, clock, environment.
const IMPURE: [&str; 7] = [
    "kube::Client",
    "reqwest",
    "tokio::",
    "azure_core",
    "azure_identity",
    "std::env",
    "SystemTime",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// The files of a module and of what is below it, without those of its tests.
fn module(name: &str) -> Vec<PathBuf> {
    let mut files = sources(&root().join("src").join(name));
    files.push(root().join("src").join(format!("{name}.rs")));
    files.retain(|path| {
        let words = path.to_string_lossy();
        let tests = ["/tests", "/fixtures", "/world", "fake.rs", "/fixture"];
        !tests.iter().any(|part| words.contains(part))
    });
    files
}

/// The text of a file up to its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text.lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let folders = [
        "src",
        "tests/it",
        "tests/simulator/src",
        "tests/controlplane/src",
    ];
    let files = folders
        .iter()
        .flat_map(|folder| sources(&root().join(folder)));
    let long: Vec<String> = files
        .filter_map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            (lines > LONGEST).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn no_module_names_one_above_it() {
    let all = [
        "admin",
        "arm",
        "azure",
        "cli",
        "clock",
        "controller",
        "crd",
        "domain",
        "metrics",
        "observe",
        "operator",
        "telemetry",
    ];
    let mut wrong = Vec::new();
    for (name, allowed) in ARROWS {
        for path in module(name) {
            let code = code(&path);
            // `use crate::{ a, b }` names its modules at the beginning of lines or after a brace
            let names = |other: &str| {
                code.contains(&format!("crate::{other}::"))
                    || code.contains(&format!("crate::{{{other}::"))
                    || code.contains(&format!("\n    {other}::")) && code.contains("use crate::{")
            };
            let forbidden = all
                .iter()
                .filter(|other| **other != name && !allowed.contains(other));
            wrong.extend(
                forbidden
                    .filter(|other| names(other))
                    .map(|other| format!("{} names {other}", path.display())),
            );
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn decisions_and_plain_data_touch_nothing_outside() {
    let mut wrong = Vec::new();
    for path in ["azure", "crd", "domain"].into_iter().flat_map(module) {
        let code = code(&path);
        let found = IMPURE.iter().filter(|word| code.contains(**word));
        wrong.extend(found.map(|word| format!("{} names {word}", path.display())));
    }
    assert_eq!(wrong, Vec::<String>::new());
}
