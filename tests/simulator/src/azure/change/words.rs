//! Changes as words on a command line.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    super::fault::{FaultAnswer, FaultRule},
    Change, HealthWord, KeyChange, ServiceChange,
};

impl Change {
    /// Reads the words after `set`, such as `key clinic-keys/dicom-cmk disabled`.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["key", path, to] => key(path, word(to, KEY)?),
            ["key", path, "expires-in", time] => key(path, KeyChange::ExpiresIn(seconds(time)?)),
            ["key", ..] => Err(format!(
                "write: key <vault>/<key>[/<version>] {}",
                one_of(KEY)
            )),
            ["vault", vault, to] => Ok(Self::Vault {
                vault: (*vault).to_owned(),
                to: word(to, VAULT)?,
            }),
            ["vault", ..] => Err(format!("write: vault <vault> {}", one_of(VAULT))),
            ["identity", name, to] => Ok(Self::Identity {
                name: (*name).to_owned(),
                to: word(to, IDENTITY)?,
            }),
            ["identity", ..] => Err(
                "write: identity <group>/<workspace>/<service> on|off, or: identity <name> deleted"
                    .to_owned(),
            ),
            ["role-assignments", scope, rest @ ..] => role_assignments(scope, rest),
            ["role-assignments"] => Err(ROLE_ASSIGNMENTS.to_owned()),
            ["deny-assignments", scope, rest @ ..] => deny_assignments(scope, rest),
            ["deny-assignments"] => Err(DENY_ASSIGNMENTS.to_owned()),
            ["service", service, rest @ ..] => Ok(Self::Service {
                service: (*service).to_owned(),
                to: service_change(rest)?,
            }),
            ["health", service, "late", time] => Ok(Self::Health {
                service: (*service).to_owned(),
                to: HealthWord::Late(seconds(time)?),
            }),
            ["health", service, to] => Ok(Self::Health {
                service: (*service).to_owned(),
                to: word(to, HEALTH)?,
            }),
            ["health", ..] => Err(format!("write: health <service> {}", one_of(HEALTH))),
            ["foreign-resources", count] => count
                .parse()
                .map(|count| Self::ForeignResources { count })
                .map_err(|_| format!("'{count}' is no number: write foreign-resources 5000")),
            ["foreign-resources", ..] => Err("write: foreign-resources <number>".to_owned()),
            ["throttling", "off"] => Ok(Self::Throttling { retry_after: None }),
            ["throttling", "on"] => Ok(Self::Throttling {
                retry_after: Some(5),
            }),
            ["throttling", "on", seconds] => seconds
                .parse()
                .map(|seconds| Self::Throttling {
                    retry_after: Some(seconds),
                })
                .map_err(|_| format!("'{seconds}' is no number of seconds: write throttling on 5")),
            ["throttling", ..] => Err("write: throttling on [<seconds>]|off".to_owned()),
            ["control-plane", "broken"] => Ok(Self::ControlPlane { broken: true }),
            ["control-plane", "ok"] => Ok(Self::ControlPlane { broken: false }),
            ["control-plane", ..] => Err("write: control-plane broken|ok".to_owned()),
            ["faults", "off"] => Ok(Self::FaultsCleared),
            ["faults", rest @ ..] => fault(rest).map(Self::Fault),
            other => Err(format!(
                "'{}' is nothing that can be set: begin with key, vault, identity, \
                 role-assignments, deny-assignments, service, health, foreign-resources, \
                 throttling, control-plane or faults",
                other.first().unwrap_or(&"")
            )),
        }
    }
}

fn key(path: &str, to: KeyChange) -> Result<Change, String> {
    let mut parts = path.split('/').map(str::to_owned);
    let (Some(vault), Some(key), version, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!(
            "'{path}' names no key: write <vault>/<key> or <vault>/<key>/<version>"
        ));
    };
    Ok(Change::Key {
        vault,
        key,
        version,
        to,
    })
}

fn role_assignments(scope: &str, rest: &[&str]) -> Result<Change, String> {
    let principal = match rest {
        ["removed"] => None,
        ["removed", principal] => Some((*principal).to_owned()),
        [word @ ("conditional" | "unconditional")] => {
            return Ok(Change::RoleAssignmentsConditional {
                scope: scope.to_owned(),
                on: *word == "conditional",
            });
        }
        ["added", principal, role @ ..] if !role.is_empty() => {
            return Ok(Change::RoleAssignmentAdded {
                scope: scope.to_owned(),
                principal: (*principal).to_owned(),
                role: role.join(" "),
            });
        }
        _ => return Err(ROLE_ASSIGNMENTS.to_owned()),
    };
    Ok(Change::RoleAssignmentsRemoved {
        scope: scope.to_owned(),
        principal,
    })
}

fn deny_assignments(scope: &str, rest: &[&str]) -> Result<Change, String> {
    let scope = scope.to_owned();
    let principal = match rest {
        ["removed"] => return Ok(Change::DenyAssignmentsRemoved { scope }),
        ["added"] => None,
        ["added", principal] => Some((*principal).to_owned()),
        _ => return Err(DENY_ASSIGNMENTS.to_owned()),
    };
    Ok(Change::DenyAssignmentAdded { scope, principal })
}

/// Reads a time such as `20d`, `12h`, `30m` or `45s`.
fn seconds(text: &str) -> Result<u32, String> {
    let unit = text.chars().last().unwrap_or_default();
    let number = text.strip_suffix(unit).unwrap_or_default().parse::<u32>();
    let factor = match unit {
        'd' => Some(86_400),
        'h' => Some(3_600),
        'm' => Some(60),
        's' => Some(1),
        _ => None,
    };
    let product = number
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor));
    product.ok_or_else(|| format!("'{text}' is no time: write 20d, 12h, 30m or 45s"))
}

fn service_change(words: &[&str]) -> Result<ServiceChange, String> {
    match words {
        ["key", "removed"] => Ok(ServiceChange::KeyRemoved),
        ["key", url] => Ok(ServiceChange::Key((*url).to_owned())),
        ["tags" | "tag", pair] if pair.contains('=') => {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok(ServiceChange::Tag(name.to_owned(), value.to_owned()))
        }
        ["deleted"] => Ok(ServiceChange::Deleted),
        ["operation-fails"] => Ok(ServiceChange::OperationFails),
        ["operation-canceled"] => Ok(ServiceChange::OperationCanceled),
        ["provisioning", state] => Ok(ServiceChange::Provisioning((*state).to_owned())),
        _ => Err(
            "write: service <service> key removed | key <url> | tags <name>=<value> | deleted \
                  | operation-fails | operation-canceled | provisioning <state>"
                .to_owned(),
        ),
    }
}

/// `<METHOD|any> <part of the path|any> <answer> [skip <n>] [times <n>]`
fn fault(words: &[&str]) -> Result<FaultRule, String> {
    let [method, path, rest @ ..] = words else {
        return Err(FAULT.to_owned());
    };
    let some = |word: &str| (word != "any").then(|| word.to_owned());
    let (answer, mut rest) = fault_answer(rest)?;
    let mut rule = FaultRule {
        method: some(method),
        path: some(path),
        skip: 0,
        times: None,
        answer,
    };
    while let [name, number, more @ ..] = rest {
        let count: u32 = number
            .parse()
            .map_err(|_| format!("'{number}' is no number; {FAULT}"))?;
        match *name {
            "skip" => rule.skip = count,
            "times" => rule.times = Some(count),
            _ => return Err(FAULT.to_owned()),
        }
        rest = more;
    }
    if rest.is_empty() {
        Ok(rule)
    } else {
        Err(FAULT.to_owned())
    }
}

fn fault_answer<'a>(words: &'a [&'a str]) -> Result<(FaultAnswer, &'a [&'a str]), String> {
    let number = |word: &str| format!("'{word}' is no number that fits; {FAULT}");
    let owned = |word: &str| word.to_owned();
    Ok(match words {
        ["drop-before", rest @ ..] => (FaultAnswer::DropBefore, rest),
        ["drop-after", rest @ ..] => (FaultAnswer::DropAfter, rest),
        ["delay", word, rest @ ..] => (
            FaultAnswer::Delay {
                milliseconds: word.parse().map_err(|_| number(word))?,
            },
            rest,
        ),
        ["throttled", "none", rest @ ..] => (FaultAnswer::Throttled { retry_after: None }, rest),
        ["throttled", word, rest @ ..] => (
            FaultAnswer::Throttled {
                retry_after: Some(owned(word)),
            },
            rest,
        ),
        ["status", word, rest @ ..] => {
            let status = word.parse().map_err(|_| number(word))?;
            (FaultAnswer::Status { status, body: None }, rest)
        }
        ["malformed", rest @ ..] => (FaultAnswer::Malformed, rest),
        ["truncated", rest @ ..] => (FaultAnswer::Truncated, rest),
        ["endless", rest @ ..] => (FaultAnswer::Endless, rest),
        ["redirect", word, rest @ ..] => (
            FaultAnswer::Redirect {
                location: owned(word),
            },
            rest,
        ),
        ["next-link", word, rest @ ..] => (
            FaultAnswer::NextLink {
                location: owned(word),
            },
            rest,
        ),
        ["poll-link", word, rest @ ..] => (
            FaultAnswer::PollLink {
                location: owned(word),
            },
            rest,
        ),
        ["reset", rest @ ..] => (FaultAnswer::Reset, rest),
        ["silence", rest @ ..] => (FaultAnswer::Silence, rest),
        _ => return Err(FAULT.to_owned()),
    })
}

/// Reads one of a fixed set of words.
fn word<T: DeserializeOwned>(text: &str, allowed: &[&str]) -> Result<T, String> {
    let value: Value = json!(text);
    serde_json::from_value(value).map_err(|_| format!("'{text}' is none of {}", one_of(allowed)))
}

fn one_of(words: &[&str]) -> String {
    words.join("|")
}

const KEY: &[&str] = &[
    "disabled",
    "enabled",
    "deleted",
    "recovered",
    "purged",
    "expired",
    "expires-in <time>",
    "not-yet-valid",
    "valid",
    "unwrap-forbidden",
    "unwrap-permitted",
    "new-version",
];
const VAULT: &[&str] = &[
    "deleted",
    "recovered",
    "purged",
    "firewall-closed",
    "firewall-open",
    "bypass-off",
    "bypass-on",
    "perimeter-closed",
    "perimeter-open",
    "data-plane-closed",
    "data-plane-open",
    "registering-dns",
    "registered",
    "access-policies",
    "rbac",
    "purge-protection-off",
    "purge-protection-on",
    "soft-delete-off",
    "soft-delete-on",
];
const IDENTITY: &[&str] = &["on", "off", "deleted"];
const HEALTH: &[&str] = &[
    "automatic",
    "available",
    "degraded",
    "unavailable",
    "unknown",
    "stuck",
    "late <time>",
];
const ROLE_ASSIGNMENTS: &str = "write: role-assignments <vault, service or ARM id> removed \
    [<principal id>] | added <principal id, identity or operator> <role> | conditional | unconditional";
const DENY_ASSIGNMENTS: &str =
    "write: deny-assignments <vault or ARM id> added [<principal id or identity>] | removed";
const FAULT: &str = "write: faults <METHOD|any> <part of the url|any> drop-before | drop-after | \
    delay <ms> | throttled <Retry-After|none> | status <code> | malformed | truncated | endless | \
    redirect <url> | next-link <url> | poll-link <url> | reset | silence, then [skip <n>] [times \
    <n>]; or: faults off";
