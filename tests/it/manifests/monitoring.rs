//! The alerts and the dashboard, judged by Prometheus's promtool and by Grafana's own types.

mod series;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use controlplane::{Assets, Tool};
use serde_json::{Value, json};

use super::{only, project, rendered, text};

/// What promtool tries the alerts with, beside this file.
const TRIALS: [&str; 4] = ["losses", "risks", "watcher", "azure"];

/// An overlay as the page on monitoring has it.
fn overlay() -> &'static [Value] {
    static OVERLAY: OnceLock<Vec<Value>> = OnceLock::new();
    OVERLAY.get_or_init(|| {
        let page = text("docs/monitoring.md");
        let block = page.split("```yaml\n").nth(1).expect("the page has one");
        let block = block.split("```").next().expect("the block ends");
        let folder = "target/monitoring/my-cluster";
        fs::create_dir_all(project(folder)).expect("the folder can be made");
        let file = |name: &str| project(folder).join(name);
        fs::write(
            file("kustomization.yaml"),
            block.replace("../deploy", "../../../deploy"),
        )
        .expect("the overlay can be written");
        fs::copy(
            project("deploy/monitoring/runbooks.yaml"),
            file("runbooks.yaml"),
        )
        .expect("the file can be copied");
        rendered(folder)
    })
}

fn spec() -> Value {
    let file: Value =
        serde_saphyr::from_str(&text("deploy/monitoring/rules.yaml")).expect("the rules are YAML");
    file["spec"].clone()
}

fn rules(spec: &Value) -> Vec<&Value> {
    let groups = spec["groups"].as_array().expect("there are groups");
    let rules = groups.iter().filter_map(|group| group["rules"].as_array());
    rules.flatten().collect()
}

fn alerts(spec: &Value) -> Vec<(&str, &Value)> {
    let named = |rule: &&'_ Value| rule.get("alert").is_some();
    let alerts = rules(spec).into_iter().filter(named);
    alerts
        .map(|rule| (rule["alert"].as_str().expect("a name is text"), rule))
        .collect()
}

/// The folder for what promtool reads: it knows no `PrometheusRule`, only what such an object holds.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("monitoring");
        fs::create_dir_all(&folder).expect("the folder can be made");
        // JSON is YAML
        fs::write(folder.join("rules.yaml"), spec().to_string()).expect("it can be written");
        for trial in TRIALS {
            let file = format!("{trial}.yaml");
            let source = project("tests/it/manifests/monitoring").join(&file);
            fs::copy(source, folder.join(file)).expect("the trial can be copied");
        }
        folder
    })
}

fn tool(tool: Tool) -> Command {
    let assets = Assets::find_or_build(&[tool]).expect("it is there, or can be built");
    let mut command = Command::new(assets.path(tool).expect("it was asked for"));
    command.current_dir(folder());
    command
}

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it can be started");
    let words = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&words)
    );
}

fn dashboard() -> Value {
    serde_json::from_str(&text("deploy/monitoring/dashboard.json")).expect("it is JSON")
}

/// All queries of the dashboard, as Prometheus gets them.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().expect("there are panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| target["expr"].as_str().expect("a target asks Prometheus"))
        .map(|query| {
            query
                .replace("$__rate_interval", "5m")
                .replace("$namespace", ".*")
        })
        .collect()
}

/// The names of our series that a query, or a text, mentions.
fn series(query: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = query.split(|letter| !is_name(letter));
    let ours = words.filter(|word| word.starts_with("dicomenc_") || word.starts_with("dicomenc:"));
    ours.map(str::to_owned).collect()
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() {
    succeeds(tool(Tool::Promtool).args([
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        "rules.yaml",
    ]));
}

#[test]
fn every_alert_fires_when_it_should_and_is_quiet_when_it_should_not() {
    let trials = TRIALS.map(|trial| format!("{trial}.yaml"));
    succeeds(tool(Tool::Promtool).args(["test", "rules"]).args(trials));
}

#[test]
fn every_alert_is_tried_both_fired_and_quiet() {
    let spec = spec();
    let mut known: BTreeSet<(String, bool)> = BTreeSet::new();
    for (name, _) in alerts(&spec) {
        known.extend([true, false].map(|fired| (name.to_owned(), fired)));
    }
    let mut tried = BTreeSet::new();
    for trial in TRIALS {
        let file = text(&format!("tests/it/manifests/monitoring/{trial}.yaml"));
        let file: Value = serde_saphyr::from_str(&file).expect("a trial is YAML");
        let tests = file["tests"].as_array().expect("there are tests");
        let looks = tests
            .iter()
            .filter_map(|test| test["alert_rule_test"].as_array());
        for look in looks.flatten() {
            let expected = look["exp_alerts"]
                .as_array()
                .expect("alerts are expected or not");
            let name = look["alertname"].as_str().expect("a name is text");
            tried.insert((name.to_owned(), !expected.is_empty()));
        }
    }
    assert_eq!(tried, known);
}

#[test]
fn every_alert_says_how_bad_it_is_what_is_wrong_and_where_to_read_on() {
    let spec = spec();
    for (name, rule) in alerts(&spec) {
        let severity = &rule["labels"]["severity"];
        assert!(
            ["critical", "warning"].contains(&severity.as_str().unwrap_or_default()),
            "{name}"
        );
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(
                rule["annotations"][annotation].is_string(),
                "{name}: {annotation}"
            );
        }
        let link = rule["annotations"]["runbook_url"]
            .as_str()
            .expect("a link is text");
        // a page that depends on the reason: tests/it/reasons.rs has one for each
        let is_by_reason = link.starts_with("docs/reasons/{{") && link.ends_with("}}.md");
        let (page, section) = link.split_once('#').unwrap_or((link, ""));
        let is_there = project(page).is_file()
            && (section.is_empty() || headings(&text(page)).contains(section));
        assert!(is_by_reason || is_there, "{name}: {link}");
    }
}

/// The anchors of a page, as every viewer of Markdown makes them.
fn headings(page: &str) -> BTreeSet<String> {
    let titles = page.lines().filter_map(|line| line.strip_prefix("## "));
    titles
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect()
}

#[test]
fn promtool_understands_every_query_of_the_dashboard() {
    let rule = |(number, query): (usize, &String)| json!({"record": format!("panel:{number}"), "expr": query});
    let queries = queries(&dashboard());
    let rules: Vec<Value> = queries.iter().enumerate().map(rule).collect();
    let file = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    fs::write(folder().join("dashboard.yaml"), file.to_string()).expect("it can be written");
    succeeds(tool(Tool::Promtool).args(["check", "rules", "--lint=none", "dashboard.yaml"]));
}

#[test]
fn the_dashboard_is_one_that_grafana_knows_how_to_read() {
    let mut check = tool(Tool::DashboardCheck);
    check.stdin(fs::File::open(project("deploy/monitoring/dashboard.json")).expect("it is there"));
    succeeds(&mut check);
}

#[test]
fn the_first_thing_on_the_dashboard_is_whether_the_watcher_is_alive() {
    let dashboard = dashboard();
    let first = queries(&dashboard).swap_remove(0);
    assert!(
        series(&first).contains("dicomenc_heartbeat_timestamp_seconds"),
        "{first}"
    );
}

#[test]
fn the_component_has_prometheus_scrape_the_metrics_of_the_base_with_the_objects_namespaces() {
    let monitor = &only(overlay(), "ServiceMonitor")["spec"];
    let service = only(overlay(), "Service");
    for (label, value) in monitor["selector"]["matchLabels"]
        .as_object()
        .expect("labels")
    {
        assert_eq!(&service["metadata"]["labels"][label], value);
    }
    let endpoint = &monitor["endpoints"][0];
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(endpoint["path"], "/metrics");
    assert_eq!(endpoint["honorLabels"], true);
}

#[test]
fn the_component_hands_the_dashboard_to_grafanas_sidecar() {
    let found = only(overlay(), "ConfigMap");
    assert_eq!(found["metadata"]["labels"]["grafana_dashboard"], "1");
    let carried = found["data"]["dashboard.json"]
        .as_str()
        .expect("it is text");
    assert_eq!(carried, text("deploy/monitoring/dashboard.json"));
}

#[test]
fn an_overlay_puts_the_address_of_its_copy_before_every_link() {
    let rules = only(overlay(), "PrometheusRule");
    let base = &rules["metadata"]["annotations"]["dicomenc.io/docs"];
    let base = base.as_str().expect("the overlay sets it");
    for (name, rule) in alerts(&rules["spec"]) {
        let link = rule["annotations"]["runbook_url"].as_str().expect("a link");
        assert!(link.starts_with(&format!("{base}/docs/")), "{name}: {link}");
    }
}
