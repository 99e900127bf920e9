//! What the failure of a call to a vault's own host means.

use http::StatusCode;

use crate::{
    arm::{ArmError, ErrorCode, Refusal, TransportError},
    observe::ending::Failure,
};

/// How a call to a vault ended that did not bring what was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The vault knows no such key, or no such version.
    Missing,
    /// The vault cannot be asked, for a reason that stays until somebody changes something.
    Closed(String),
    /// Nothing was learned this time.
    Trouble {
        /// In a few words about the vault.
        why: String,
        /// What to tell of the facts.
        failure: Failure,
    },
}

impl From<ArmError> for Ending {
    fn from(error: ArmError) -> Self {
        match error {
            ArmError::Refused(refusal) => refused(*refusal),
            ArmError::Transport { .. }
            | ArmError::Credential { .. }
            | ArmError::Throttled { .. }
            | ArmError::Undecodable { .. }
            | ArmError::Redirected { .. }
            | ArmError::ForeignLink { .. }
            | ArmError::Paging { .. }
            | ArmError::Unsendable { .. } => trouble(error),
        }
    }
}

impl From<TransportError> for Ending {
    fn from(error: TransportError) -> Self {
        Self::Closed(format!("no client for it can be made: {error}"))
    }
}

fn trouble(error: ArmError) -> Ending {
    Ending::Trouble {
        why: why(&error),
        failure: match Failure::from(error) {
            // of such a host neither is evidence
            Failure::Missing => {
                Failure::odd("the host of the vault does not know what was asked for")
            }
            Failure::Refused(denial) => Failure::odd(denial.message),
            other @ (Failure::Garbled(_) | Failure::Trouble { .. }) => other,
        },
    }
}

/// Why a vault could not be asked, in a few words about it.
fn why(error: &ArmError) -> String {
    match error {
        // the same words however it fails: they stand in a status, which is not to change each time
        ArmError::Transport { .. } => "its host cannot be reached".to_owned(),
        ArmError::Credential { .. } => "there is no token for vaults".to_owned(),
        ArmError::Refused(refusal) => format!(
            "it answers {} {}",
            refusal.status.as_u16(),
            refusal.code.as_str()
        ),
        ArmError::Throttled { .. } => "it is called too often".to_owned(),
        ArmError::Undecodable { .. }
        | ArmError::Redirected { .. }
        | ArmError::ForeignLink { .. }
        | ArmError::Paging { .. }
        | ArmError::Unsendable { .. } => "its answers make no sense".to_owned(),
    }
}

fn refused(refusal: Refusal) -> Ending {
    match refusal.status {
        StatusCode::NOT_FOUND if refusal.code == ErrorCode::KeyNotFound => Ending::Missing,
        // whatever host answers here, it does not know the vault: ARM tells whether it is gone
        StatusCode::NOT_FOUND => Ending::Closed("its host does not know it (404)".to_owned()),
        StatusCode::UNAUTHORIZED => {
            Ending::Closed("it does not accept the operator's token (401)".to_owned())
        }
        StatusCode::FORBIDDEN => forbidden(refusal),
        _ => trouble(ArmError::from(refusal)),
    }
}

fn forbidden(refusal: Refusal) -> Ending {
    let inner = refusal.inner_code.as_deref().unwrap_or_default();
    let is = |word: &str| inner.eq_ignore_ascii_case(word);
    if is("KeyDisabled") {
        // about the key, not about us
        return trouble(ArmError::from(refusal));
    }
    Ending::Closed(if is("ForbiddenByRbac") {
        "the operator has no role there that reads keys (ForbiddenByRbac): assign Key Vault Reader"
            .to_owned()
    } else if is("AccessDenied") {
        "its access policies do not let the operator list and get keys (AccessDenied)".to_owned()
    } else if is("ForbiddenByFirewall") {
        "its firewall does not let the operator in (ForbiddenByFirewall)".to_owned()
    } else if is("ForbiddenByConnection") {
        "its public endpoint is closed and the operator comes through no private one \
         (ForbiddenByConnection)"
            .to_owned()
    } else if inner.is_empty() {
        format!("it refuses the operator (403 {})", refusal.code.as_str())
    } else {
        format!("it refuses the operator (403 {inner})")
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::arm::{Subject, error::RefusalContext};

    fn ending(status: u16, code: &str, inner: Option<&str>) -> Ending {
        let inner = inner.map_or(Value::Null, |word| json!({ "code": word }));
        let body = json!({"error": {"code": code, "message": "no", "innererror": inner}});
        let context = RefusalContext {
            subject: Subject {
                what: "read",
                action: "x/read",
                target: "it".to_owned(),
            },
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            retry_after: None,
            secrets: &[],
        };
        let refusal = Refusal::read(context, body.to_string().as_bytes());
        Ending::from(ArmError::from(refusal))
    }

    #[test]
    fn only_key_not_found_says_that_something_is_not_there() {
        assert_eq!(ending(404, "KeyNotFound", None), Ending::Missing);
        for (status, code) in [
            (404, "VaultNotFound"),
            (404, ""),
            (404, "NotFound"),
            (410, "Gone"),
        ] {
            assert_ne!(
                ending(status, code, None),
                Ending::Missing,
                "{status} {code}"
            );
        }
        assert_ne!(ending(400, "KeyNotFound", None), Ending::Missing);
    }

    #[test]
    fn every_refusal_of_the_operator_closes_the_vault_with_its_reason() {
        for inner in [
            "ForbiddenByRbac",
            "AccessDenied",
            "ForbiddenByFirewall",
            "ForbiddenByConnection",
            "ForbiddenByPolicy",
        ] {
            match ending(403, "Forbidden", Some(inner)) {
                Ending::Closed(why) => assert!(why.contains(inner), "{why}"),
                other @ (Ending::Missing | Ending::Trouble { .. }) => panic!("{other:?}"),
            }
        }
        assert!(matches!(ending(403, "Forbidden", None), Ending::Closed(_)));
        assert!(matches!(
            ending(401, "Unauthorized", None),
            Ending::Closed(_)
        ));
    }

    #[test]
    fn a_disabled_key_an_outage_and_a_throttle_say_nothing_about_us() {
        for (status, inner) in [
            (403, Some("KeyDisabled")),
            (429, None),
            (500, None),
            (502, None),
        ] {
            let ending = ending(status, "Some", inner);
            assert!(
                matches!(ending, Ending::Trouble { .. }),
                "{status} {ending:?}"
            );
        }
    }
}
