//! The estate as people read it. What is shown here is a choice; `-o json` has all of it.

use serde_json::Value;

/// The estate as a few headings with a fact a line.
pub(super) fn readable(estate: &Value) -> String {
    let mut lines = Vec::new();
    for service in list(estate, "services") {
        describe_service(&mut lines, service);
    }
    for vault in list(estate, "vaults") {
        describe_vault(&mut lines, vault);
    }
    for vault in list(estate, "deletedVaults") {
        lines.push(format!("Key vault {}: deleted", word(vault)));
    }
    describe_roles(&mut lines, estate);
    describe_denials(&mut lines, estate);
    describe_access(&mut lines, estate);
    describe_troubles(&mut lines, estate);
    lines.join("\n")
}

fn describe_service(lines: &mut Vec<String>, service: &Value) {
    lines.push(format!("DICOM service {}", text(service, "name")));
    let key = field(service, "keyUrl").map(word);
    let key = key.filter(|url| !url.is_empty());
    let key = key.unwrap_or_else(|| "Microsoft's own".to_owned());
    lines.push(format!("  encrypted with  {key}"));
    let identity = match field(service, "identity").and_then(|identity| field(identity, "type")) {
        Some(kind) => match field(service, "principal") {
            Some(principal) => format!("{}, principal {}", word(kind), word(principal)),
            None => word(kind),
        },
        None => "none".to_owned(),
    };
    lines.push(format!("  identity        {identity}"));
    let mut store = text(service, "store");
    if let Some(since) = field(service, "since") {
        store = format!("{store}, since {}", time(since));
    }
    if let Some(reason) = field(service, "because") {
        store = format!("{store}: {}", word(reason));
    }
    lines.push(format!("  its data        {store}"));
    let provisioning = text(service, "provisioningState");
    if provisioning != "Succeeded" {
        lines.push(format!("  provisioning    {provisioning}"));
    }
}

fn describe_vault(lines: &mut Vec<String>, vault: &Value) {
    let choice = |name: &str, yes: &str, no: &str| {
        if is_true(vault, name) {
            yes.to_owned()
        } else {
            no.to_owned()
        }
    };
    let mut traits = vec![
        choice("rbac", "roles", "access policies"),
        choice("purgeProtection", "purge protection", "no purge protection"),
        choice("firewallClosed", "firewall closed", "firewall open"),
    ];
    if is_true(vault, "firewallClosed") {
        traits.push(choice(
            "trustedServicesPass",
            "trusted services pass",
            "nobody passes",
        ));
    }
    if is_true(vault, "cutOffFromOperator") {
        traits.push("out of the operator's reach".to_owned());
    }
    if text(vault, "provisioningState") == "RegisteringDns" {
        traits.push("its name is being registered".to_owned());
    }
    lines.push(format!(
        "Key vault {}: {}",
        text(vault, "name"),
        traits.join(", ")
    ));
    for key in list(vault, "keys") {
        for version in list(key, "versions") {
            let mut words = vec![format!(
                "{} {}",
                text(version, "type"),
                text(version, "size")
            )];
            let attributes = field(version, "attributes").unwrap_or(&Value::Null);
            words.push(match field(key, "deleted") {
                Some(at) => format!("deleted {}", time(at)),
                None if is_true(attributes, "enabled") => "enabled".to_owned(),
                None => "disabled".to_owned(),
            });
            for (name, label) in [("nbf", "not before"), ("exp", "expires")] {
                if let Some(at) = field(attributes, name) {
                    words.push(format!("{label} {}", moment(at)));
                }
            }
            let (name, number) = (text(key, "name"), text(version, "version"));
            lines.push(format!(
                "  key {name}, version {number}: {}",
                words.join(", ")
            ));
        }
    }
}

fn describe_roles(lines: &mut Vec<String>, estate: &Value) {
    let assignments = list(estate, "roleAssignments");
    lines.push(format!(
        "Role assignments{}",
        if assignments.is_empty() { ": none" } else { "" }
    ));
    for assignment in assignments {
        let effect = if is_true(assignment, "inEffect") {
            "in effect".to_owned()
        } else {
            let from = field(assignment, "from").map_or_else(String::new, time);
            format!("not in effect yet, from {from}")
        };
        let scope = text(assignment, "scope");
        let scope = scope
            .rsplit_once("/providers/")
            .map_or(scope.as_str(), |(_, name)| name);
        let (role, principal) = (text(assignment, "role"), text(assignment, "principal"));
        lines.push(format!("  {role} for {principal} at {scope}, {effect}"));
    }
}

fn describe_denials(lines: &mut Vec<String>, estate: &Value) {
    for denial in list(estate, "denyAssignments") {
        let whom = field(denial, "principal").map_or_else(|| "everybody".to_owned(), word);
        let scope = text(denial, "scope");
        lines.push(format!("Deny assignment at {scope}: no keys for {whom}"));
    }
}

fn describe_access(lines: &mut Vec<String>, estate: &Value) {
    lines.push("Who can unwrap with which key".to_owned());
    for row in list(estate, "access") {
        let answer = if is_true(row, "canUnwrap") {
            "yes".to_owned()
        } else {
            format!("no, {}", text(row, "because"))
        };
        lines.push(format!(
            "  {}, {}: {answer}",
            text(row, "who"),
            text(row, "key")
        ));
    }
}

fn describe_troubles(lines: &mut Vec<String>, estate: &Value) {
    if let Some(throttled) = field(estate, "throttled") {
        lines.push(format!(
            "ARM is throttling: Retry-After {}",
            word(throttled)
        ));
    }
    if is_true(estate, "controlPlaneBroken") {
        lines.push("ARM is broken: every call is answered with 503".to_owned());
    }
    for fault in list(estate, "faults") {
        lines.push(format!("Fault: {fault}"));
    }
}

/// A field that is there and not null.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|field| !field.is_null())
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn is_true(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool) == Some(true)
}

fn text(value: &Value, name: &str) -> String {
    field(value, name).map_or_else(|| "-".to_owned(), word)
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A time without fractions of a second.
fn time(value: &Value) -> String {
    let text = word(value);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// A time that is given in seconds since 1970.
fn moment(value: &Value) -> String {
    let parsed = value
        .as_i64()
        .and_then(|second| jiff::Timestamp::from_second(second).ok());
    parsed.map_or_else(|| word(value), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::azure::{Azure, Change, Settings, World};

    #[test]
    fn the_built_in_estate_reads_like_this() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut azure = Azure::new(World::builtin(), Settings::default(), now);
        let words = ["vault", "clinic-keys", "firewall-closed"].map(str::to_owned);
        azure.apply(&Change::parse(&words).unwrap(), now).unwrap();
        let estate = azure.show(now);
        let version = estate["vaults"][0]["keys"][0]["versions"][0]["version"]
            .as_str()
            .unwrap();
        let expected = format!("\
DICOM service radiology
  encrypted with  Microsoft's own
  identity        none
  its data        open
Key vault clinic-keys: roles, purge protection, firewall closed, trusted services pass
  key dicom-cmk, version {version}: RSA 2048, enabled
Role assignments: none
Who can unwrap with which key
  operator, clinic-keys/dicom-cmk: no, the managed identity has no role that lets it unwrap with the key
  radiology-identity, clinic-keys/dicom-cmk: no, the managed identity has no role that lets it unwrap with the key");
        assert_eq!(readable(&estate), expected);
    }

    #[test]
    fn an_empty_key_url_stands_for_a_key_of_microsoft() {
        let service = json!({ "name": "radiology", "keyUrl": "" });
        let shown = readable(&json!({ "services": [service] }));
        assert!(
            shown.contains("encrypted with  Microsoft's own\n"),
            "{shown}"
        );
    }

    #[test]
    fn losses_and_waits_and_troubles_are_told() {
        let estate = json!({
            "services": [{
                "name": "radiology", "keyUrl": "https://k/v", "principal": "p1", "provisioningState": "Updating",
                "identity": {"type": "SystemAssigned"}, "store": "key lost",
                "since": "2027-01-15T08:00:00.5Z", "because": "the key is disabled",
            }],
            "vaults": [{"name": "v", "keys": [{"name": "k", "deleted": "2027-01-15T08:00:00Z", "versions": [
                {"version": "1", "type": "RSA", "size": 2048, "attributes": {"enabled": true, "exp": 1_800_000_000}},
            ]}]}],
            "deletedVaults": ["old"],
            "roleAssignments": [{
                "principal": "p1", "role": "Reader", "inEffect": false, "from": "2027-01-15T08:05:00Z",
                "scope": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
            }],
            "access": [{"who": "radiology", "key": "v/k", "canUnwrap": true}],
            "throttled": 30, "controlPlaneBroken": true, "faults": [{"times": 1}],
        });
        let expected = "\
DICOM service radiology
  encrypted with  https://k/v
  identity        SystemAssigned, principal p1
  its data        key lost, since 2027-01-15T08:00:00Z: the key is disabled
  provisioning    Updating
Key vault v: access policies, no purge protection, firewall open
  key k, version 1: RSA 2048, deleted 2027-01-15T08:00:00Z, expires 2027-01-15T08:00:00Z
Key vault old: deleted
Role assignments
  Reader for p1 at Microsoft.KeyVault/vaults/v, not in effect yet, from 2027-01-15T08:05:00Z
Who can unwrap with which key
  radiology, v/k: yes
ARM is throttling: Retry-After 30
ARM is broken: every call is answered with 503
Fault: {\"times\":1}";
        assert_eq!(readable(&estate), expected);
    }
}
