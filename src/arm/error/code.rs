//! Azure's error codes: the ones that change what we do, and all others as they came.

use std::fmt;

use crate::arm::text;

/// An error code of ARM or of a resource provider. Read without regard to case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ErrorCode {
    /// The caller lacks a permission.
    AuthorizationFailed,
    /// The caller lacks a permission on another resource that the request names.
    LinkedAuthorizationFailed,
    /// A role assignment with the same principal, role and scope exists under another name.
    RoleAssignmentExists,
    /// The principal of a role assignment is not known yet: a new identity takes its time.
    PrincipalNotFound,
    /// A role assignment of this name exists with another principal, role or scope.
    RoleAssignmentUpdateNotPermitted,
    /// The subscription has as many role assignments as it may have.
    RoleAssignmentLimitExceeded,
    /// No such role.
    RoleDefinitionDoesNotExist,
    /// An Azure Policy forbids the request.
    RequestDisallowedByPolicy,
    /// A lock forbids the request.
    ScopeLocked,
    /// A deny assignment forbids the request.
    DenyAssignmentAuthorizationFailed,
    /// No such subscription, or none that the caller may see.
    SubscriptionNotFound,
    /// No such resource group.
    ResourceGroupNotFound,
    /// No such resource.
    ResourceNotFound,
    /// The resource that would hold this one does not exist.
    ParentResourceNotFound,
    /// Something does not exist.
    NotFound,
    /// No such key, or no such version of it.
    KeyNotFound,
    /// The request conflicts with the state of the resource, or with another request.
    Conflict,
    /// Another operation on the resource is under way.
    AnotherOperationInProgress,
    /// The condition of the request does not hold any more.
    PreconditionFailed,
    /// Too many calls.
    TooManyRequests,
    /// The token has expired or is not for this audience, tenant or time.
    InvalidAuthenticationToken,
    /// The token was issued by another tenant than the one of the subscription.
    InvalidAuthenticationTokenTenant,
    /// The resource provider is not registered in the subscription.
    MissingSubscriptionRegistration,
    /// No code at all.
    Absent,
    /// Any other word, kept as it came (made printable, at most 80 characters).
    Other(String),
}

impl ErrorCode {
    /// The code behind a word.
    pub fn parse(word: &str) -> Self {
        let word = word.trim();
        if word.is_empty() {
            return Self::Absent;
        }
        let known = TABLE
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        known.map_or_else(
            || Self::Other(text::printable(word, WORD_LIMIT, &[])),
            |(_, code)| code.clone(),
        )
    }

    /// The word, in Azure's spelling.
    pub fn as_str(&self) -> &str {
        if let Self::Other(word) = self {
            return word;
        }
        TABLE
            .iter()
            .find(|(_, code)| code == self)
            .map_or("no code", |(name, _)| name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const WORD_LIMIT: usize = 80;

/// The first word of a code is the one that is shown; further words mean the same.
const TABLE: [(&str, ErrorCode); 33] = [
    ("AuthorizationFailed", ErrorCode::AuthorizationFailed),
    (
        "AuthorizationPermissionMismatch",
        ErrorCode::AuthorizationFailed,
    ),
    (
        "LinkedAuthorizationFailed",
        ErrorCode::LinkedAuthorizationFailed,
    ),
    (
        "LinkedAccessCheckFailed",
        ErrorCode::LinkedAuthorizationFailed,
    ),
    ("RoleAssignmentExists", ErrorCode::RoleAssignmentExists),
    ("PrincipalNotFound", ErrorCode::PrincipalNotFound),
    (
        "RoleAssignmentUpdateNotPermitted",
        ErrorCode::RoleAssignmentUpdateNotPermitted,
    ),
    (
        "RoleAssignmentLimitExceeded",
        ErrorCode::RoleAssignmentLimitExceeded,
    ),
    (
        "RoleDefinitionDoesNotExist",
        ErrorCode::RoleDefinitionDoesNotExist,
    ),
    (
        "RequestDisallowedByPolicy",
        ErrorCode::RequestDisallowedByPolicy,
    ),
    ("ScopeLocked", ErrorCode::ScopeLocked),
    ("ReadOnlyDisabledSubscription", ErrorCode::ScopeLocked),
    (
        "DenyAssignmentAuthorizationFailed",
        ErrorCode::DenyAssignmentAuthorizationFailed,
    ),
    ("SubscriptionNotFound", ErrorCode::SubscriptionNotFound),
    ("InvalidSubscriptionId", ErrorCode::SubscriptionNotFound),
    ("ResourceGroupNotFound", ErrorCode::ResourceGroupNotFound),
    ("ResourceNotFound", ErrorCode::ResourceNotFound),
    ("ParentResourceNotFound", ErrorCode::ParentResourceNotFound),
    ("NotFound", ErrorCode::NotFound),
    ("RoleAssignmentNotFound", ErrorCode::NotFound),
    ("KeyNotFound", ErrorCode::KeyNotFound),
    ("VaultNotFound", ErrorCode::ParentResourceNotFound),
    ("Conflict", ErrorCode::Conflict),
    ("ConflictError", ErrorCode::Conflict),
    (
        "AnotherOperationInProgress",
        ErrorCode::AnotherOperationInProgress,
    ),
    (
        "RetryableErrorDueToAnotherOperation",
        ErrorCode::AnotherOperationInProgress,
    ),
    ("PreconditionFailed", ErrorCode::PreconditionFailed),
    ("TooManyRequests", ErrorCode::TooManyRequests),
    ("SubscriptionRequestsThrottled", ErrorCode::TooManyRequests),
    (
        "InvalidAuthenticationToken",
        ErrorCode::InvalidAuthenticationToken,
    ),
    (
        "ExpiredAuthenticationToken",
        ErrorCode::InvalidAuthenticationToken,
    ),
    (
        "InvalidAuthenticationTokenTenant",
        ErrorCode::InvalidAuthenticationTokenTenant,
    ),
    (
        "MissingSubscriptionRegistration",
        ErrorCode::MissingSubscriptionRegistration,
    ),
];
