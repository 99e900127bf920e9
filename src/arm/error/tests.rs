use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;

fn subject() -> Subject {
    Subject {
        what: "read the vault",
        action: "Microsoft.KeyVault/vaults/read",
        target: "/subscriptions/s/vaults/v".to_owned(),
    }
}

fn refusal(status: u16, body: &[u8], retry_after: Option<Duration>) -> Refusal {
    let context = RefusalContext {
        subject: subject(),
        status: StatusCode::from_u16(status).unwrap(),
        headers: &HeaderMap::new(),
        retry_after,
        secrets: &["CANARY"],
    };
    Refusal::read(context, body)
}

fn coded(status: u16, code: &str, message: &str) -> Refusal {
    refusal(
        status,
        json!({"error": {"code": code, "message": message}})
            .to_string()
            .as_bytes(),
        None,
    )
}

fn kind(advice: &Advice) -> &'static str {
    match advice {
        Advice::Retry { .. } => "retry",
        Advice::Throttled { .. } => "throttled",
        Advice::Reauthenticate => "reauthenticate",
        Advice::WaitForPropagation => "wait",
        Advice::AskForPermission { .. } => "permission",
        Advice::AlreadyExists => "exists",
        Advice::Conflict { .. } => "conflict",
        Advice::NotFound(Missing::Resource) => "no resource",
        Advice::NotFound(Missing::Parent) => "no parent",
        Advice::NotFound(Missing::ResourceGroup) => "no group",
        Advice::NotFound(Missing::Subscription) => "no subscription",
        Advice::FixRequest { .. } => "fix",
        Advice::Garbage => "garbage",
    }
}

#[test]
fn each_code_of_azure_has_its_advice() {
    for (status, code, expected) in [
        (403, "AuthorizationFailed", "permission"),
        (403, "linkedauthorizationfailed", "permission"),
        (403, "DenyAssignmentAuthorizationFailed", "permission"),
        (409, "RoleAssignmentExists", "exists"),
        (400, "PrincipalNotFound", "wait"),
        (400, "RoleAssignmentUpdateNotPermitted", "fix"),
        (400, "RoleAssignmentLimitExceeded", "fix"),
        (403, "RequestDisallowedByPolicy", "fix"),
        (409, "ScopeLocked", "fix"),
        (404, "SubscriptionNotFound", "no subscription"),
        (404, "ResourceGroupNotFound", "no group"),
        (404, "ResourceNotFound", "no resource"),
        (404, "ParentResourceNotFound", "no parent"),
        (409, "Conflict", "conflict"),
        (429, "RetryableErrorDueToAnotherOperation", "conflict"),
        (412, "PreconditionFailed", "conflict"),
        (429, "SubscriptionRequestsThrottled", "throttled"),
        (401, "ExpiredAuthenticationToken", "reauthenticate"),
        (401, "InvalidAuthenticationTokenTenant", "fix"),
    ] {
        assert_eq!(kind(&coded(status, code, "").advice()), expected, "{code}");
    }
}

#[test]
fn an_unknown_code_is_kept_and_the_status_decides() {
    for (status, expected) in [
        (400, "fix"),
        (401, "reauthenticate"),
        (403, "permission"),
        (404, "no resource"),
        (408, "retry"),
        (409, "conflict"),
        (412, "conflict"),
        (429, "throttled"),
        (500, "retry"),
        (503, "retry"),
        (599, "retry"),
    ] {
        let refused = coded(status, "BrandNew", "");
        assert_eq!(kind(&refused.advice()), expected, "{status}");
        assert_eq!(refused.code.as_str(), "BrandNew");
        assert_eq!(
            kind(&refusal(status, b"<html>", None).advice()),
            expected,
            "{status}"
        );
    }
    let after = Some(Duration::from_secs(9));
    assert_eq!(refusal(503, b"", after).advice(), Advice::Retry { after });
    assert_eq!(refusal(400, b"", after).advice(), Advice::Retry { after });
}

#[test]
fn a_missing_permission_is_named_in_azures_own_words() {
    let words = "The client 'a' with object id 'a' does not have authorization to perform action 'Microsoft.KeyVault/vaults/keys/read' over scope '/subscriptions/s/k' or the scope is invalid.";
    let advice = coded(403, "AuthorizationFailed", words).advice();
    let expected = |action: &str, scope: &str| Advice::AskForPermission {
        action: action.to_owned(),
        scope: scope.to_owned(),
    };
    assert_eq!(
        advice,
        expected("Microsoft.KeyVault/vaults/keys/read", "/subscriptions/s/k")
    );
    let linked = "The client has permission to perform action 'Microsoft.HealthcareApis/workspaces/dicomservices/write' on scope '/d'; however, it does not have permission to perform action(s) 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '/i' (respectively).";
    let linked_advice = coded(403, "LinkedAuthorizationFailed", linked).advice();
    assert_eq!(
        linked_advice,
        expected(
            "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
            "/i"
        )
    );
    let silent = coded(403, "AuthorizationFailed", "no").advice();
    assert_eq!(
        silent,
        expected(
            "Microsoft.KeyVault/vaults/read",
            "/subscriptions/s/vaults/v"
        )
    );
}

#[test]
fn the_assignment_that_exists_is_found_with_and_without_dashes() {
    let id = Uuid::try_parse("b0f43c54-e787-4862-89b1-a653fa9cf747").unwrap();
    for (message, expected) in [
        (
            "The role assignment already exists. The ID of the existing role assignment is b0f43c54e787486289b1a653fa9cf747.",
            Some(id),
        ),
        ("exists: b0f43c54-e787-4862-89b1-a653fa9cf747", Some(id)),
        ("The role assignment already exists.", None),
    ] {
        assert_eq!(
            coded(409, "RoleAssignmentExists", message).existing_assignment(),
            expected
        );
    }
    assert_eq!(
        coded(409, "Conflict", "b0f43c54e787486289b1a653fa9cf747").existing_assignment(),
        None
    );
}

#[test]
fn the_policies_that_forbid_a_request_are_named() {
    let info = |name: &str| json!([{"type": "PolicyViolation", "info": {"policyAssignmentDisplayName": name}}]);
    let body = json!({"error": {
        "code": "RequestDisallowedByPolicy", "message": "no", "additionalInfo": info("only cmk"),
        "details": [{"additionalInfo": info("only\nEurope")}, {}],
    }});
    let refused = refusal(403, body.to_string().as_bytes(), None);
    assert_eq!(refused.policies, ["only cmk", "only Europe"]);
    assert!(
        refused
            .to_string()
            .ends_with("(policy: only cmk, only Europe)"),
        "{refused}"
    );
}

#[test]
fn azures_words_are_shortened_and_stripped_and_never_show_the_token() {
    let long = format!("a\r\nb\u{1b}[2Jc CANARY {}", "x".repeat(5_000));
    let refused = coded(400, "Odd\nCode CANARY", &long);
    assert!(
        refused.message.starts_with("a  b[2Jc [redacted] xxx"),
        "{}",
        refused.message
    );
    assert!(refused.message.chars().count() <= 600);
    assert!(!format!("{refused:?}{refused}").contains('\u{1b}'));
}

#[test]
fn a_person_reads_what_happened_and_what_to_do() {
    let error = ArmError::from(coded(
        404,
        "ResourceNotFound",
        "The Resource 'v' was not found.",
    ));
    assert_eq!(
        error.what_now(),
        "Azure refused to read the vault /subscriptions/s/vaults/v: ResourceNotFound (404): \
         The Resource 'v' was not found.; check the id: the resource does not exist"
    );
    assert_eq!(error.missing(), Some(Missing::Resource));
}

#[test]
fn only_failures_after_sending_may_have_had_an_effect() {
    let transport = |source| ArmError::Transport {
        subject: Box::new(subject()),
        source,
    };
    assert!(transport(TransportError::Timeout).may_have_been_applied());
    assert!(
        transport(TransportError::Broken {
            detail: String::new()
        })
        .may_have_been_applied()
    );
    assert!(
        !transport(TransportError::Connect {
            detail: String::new()
        })
        .may_have_been_applied()
    );
    assert!(ArmError::from(refusal(504, b"", None)).may_have_been_applied());
    assert!(!ArmError::from(refusal(409, b"", None)).may_have_been_applied());
}

#[test]
fn the_words_of_all_codes_are_read_back() {
    for word in ["AuthorizationFailed", "scopelocked", "TOOMANYREQUESTS"] {
        let code = ErrorCode::parse(word);
        assert!(code.as_str().eq_ignore_ascii_case(word));
        assert_eq!(ErrorCode::parse(code.as_str()), code);
    }
    assert_eq!(ErrorCode::parse(" "), ErrorCode::Absent);
    let header = HeaderMap::from_iter([(
        HeaderName::from_static("x-ms-error-code"),
        HeaderValue::from_static("ResourceNotFound"),
    )]);
    let context = RefusalContext {
        subject: subject(),
        status: StatusCode::NOT_FOUND,
        headers: &header,
        retry_after: None,
        secrets: &[],
    };
    assert_eq!(
        Refusal::read(context, b"").code,
        ErrorCode::ResourceNotFound
    );
}

proptest! {
    #[test]
    fn no_answer_makes_the_reader_panic(
        status in 300_u16..600,
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), ".{0,200}".prop_map(String::into_bytes)],
    ) {
        let error = ArmError::from(refusal(status, &body, None));
        prop_assert!(!error.what_now().is_empty());
    }
}
