//! ARM paths: a scope, a provider's namespace, and pairs of type and name.

use super::call::Call;

/// What an ARM path names. `types` has as many words as `names`, or one more: then it is a
/// collection (GET) or an action (POST).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ArmPath {
    /// Where the resource lives, without a slash at the end; empty for the tenant.
    pub(super) scope: String,
    pub(super) namespace: String,
    pub(super) types: Vec<String>,
    pub(super) names: Vec<String>,
}

impl ArmPath {
    pub(super) fn parse(segments: &[String]) -> Self {
        let provider = segments
            .iter()
            .rposition(|segment| segment.eq_ignore_ascii_case("providers"))
            .filter(|&at| {
                segments.get(at.saturating_add(2)).is_some_and(|word| {
                    !word.eq_ignore_ascii_case("register")
                        && !word.eq_ignore_ascii_case("unregister")
                })
            });
        let Some(at) = provider else {
            return Self::resources(segments);
        };
        let (before, from) = segments.split_at(at);
        let scope = scope_text(before);
        let namespace = from.get(1).cloned().unwrap_or_default();
        let rest = from.get(2..).unwrap_or_default();
        Self::cased(scope, namespace, rest)
    }

    /// Paths of ARM itself: subscriptions, resource groups, providers, tenants.
    fn resources(segments: &[String]) -> Self {
        Self::cased(String::new(), "Microsoft.Resources".to_owned(), segments)
    }

    fn cased(scope: String, namespace: String, pairs: &[String]) -> Self {
        let types: Vec<String> = pairs.iter().step_by(2).cloned().collect();
        let names: Vec<String> = pairs.iter().skip(1).step_by(2).cloned().collect();
        let given = format!("{namespace}/{}", types.join("/"));
        let known = TYPES
            .iter()
            .find(|known| known.eq_ignore_ascii_case(&given));
        let Some((own_namespace, own_types)) = known.and_then(|known| known.split_once('/')) else {
            return Self {
                scope,
                namespace,
                types,
                names,
            };
        };
        Self {
            scope,
            namespace: own_namespace.to_owned(),
            types: own_types.split('/').map(str::to_owned).collect(),
            names,
        }
    }

    /// `Namespace/type/subtype`, in Azure's own spelling where the type is known.
    pub(super) fn kind(&self) -> String {
        format!("{}/{}", self.namespace, self.types.join("/"))
    }

    pub(super) fn is_known(&self) -> bool {
        TYPES.contains(&self.kind().as_str())
    }

    /// Whether the path names one resource, not a collection.
    pub(super) fn is_item(&self) -> bool {
        self.types.len() == self.names.len()
    }

    /// The name of the resource at `depth`, or an empty one.
    pub(super) fn name(&self, depth: usize) -> &str {
        self.names.get(depth).map_or("", String::as_str)
    }

    /// The id of the named resource; of the parent when a collection is named.
    pub(super) fn id(&self) -> String {
        self.id_to(self.names.len())
    }

    /// The id cut after `depth` pairs of type and name.
    pub(super) fn id_to(&self, depth: usize) -> String {
        let mut pairs = String::new();
        for (kind, name) in self.types.iter().zip(&self.names).take(depth) {
            for word in [kind, name] {
                pairs.push('/');
                pairs.push_str(word);
            }
        }
        if self.namespace == "Microsoft.Resources" {
            return pairs;
        }
        if depth == 0 {
            return self.scope.clone();
        }
        format!("{}/providers/{}{pairs}", self.scope, self.namespace)
    }

    /// The scope that an access check names: the resource, or where the collection lives.
    pub(super) fn checked_scope(&self) -> String {
        let id = self.id();
        if id.is_empty() { "/".to_owned() } else { id }
    }

    /// The action that RBAC asks for: type plus read, write, delete, or a verb with `/action`.
    pub(super) fn action(&self, call: &Call) -> String {
        let kind = self.kind();
        match call.method.as_str() {
            "GET" | "HEAD" => format!("{kind}/read"),
            "PUT" | "PATCH" => format!("{kind}/write"),
            "DELETE" => format!("{kind}/delete"),
            _ => format!("{kind}/action"),
        }
    }

    pub(super) fn subscription(&self) -> Option<String> {
        let id = self.id();
        segment_after(&id, "subscriptions").map(str::to_owned)
    }

    pub(super) fn group(&self) -> String {
        let id = self.id();
        segment_after(&id, "resourcegroups")
            .unwrap_or_default()
            .to_owned()
    }
}

/// The segment that follows `word` (lower case) in an id.
pub(super) fn segment_after<'a>(id: &'a str, word: &str) -> Option<&'a str> {
    let mut segments = id.split('/');
    segments
        .by_ref()
        .find(|segment| segment.eq_ignore_ascii_case(word))?;
    segments.next()
}

/// Whether `scope` is `id` or lies above it; on whole segments, whatever the case.
pub(super) fn covers(scope: &str, id: &str) -> bool {
    let scope = scope.trim_end_matches('/').to_ascii_lowercase();
    let id = id.to_ascii_lowercase();
    id.strip_prefix(&scope)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A scope in one spelling, whatever way the client wrote the words that are ARM's own.
fn scope_text(segments: &[String]) -> String {
    let mut text = String::new();
    for segment in segments {
        let word = ["subscriptions", "resourceGroups", "providers"]
            .into_iter()
            .find(|word| word.eq_ignore_ascii_case(segment));
        text.push('/');
        text.push_str(word.unwrap_or(segment));
    }
    text
}

/// Every type the simulator knows, in Azure's own spelling.
pub(super) const TYPES: &[&str] = &[
    "Microsoft.Authorization/denyAssignments",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Authorization/roleDefinitions",
    "Microsoft.HealthcareApis/locations/operationresults",
    "Microsoft.HealthcareApis/workspaces",
    "Microsoft.HealthcareApis/workspaces/dicomservices",
    "Microsoft.KeyVault/deletedVaults",
    "Microsoft.KeyVault/locations/deletedVaults",
    "Microsoft.KeyVault/locations/deletedVaults/purge",
    "Microsoft.KeyVault/vaults",
    "Microsoft.KeyVault/vaults/accessPolicies",
    "Microsoft.KeyVault/vaults/keys",
    "Microsoft.KeyVault/vaults/keys/versions",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    "Microsoft.ResourceHealth/availabilityStatuses",
    "Microsoft.Resources/subscriptions",
    "Microsoft.Resources/subscriptions/locations",
    "Microsoft.Resources/subscriptions/providers",
    "Microsoft.Resources/subscriptions/providers/register",
    "Microsoft.Resources/subscriptions/resourceGroups",
    "Microsoft.Resources/subscriptions/resourceGroups/resources",
    "Microsoft.Resources/subscriptions/resources",
    "Microsoft.Resources/tenants",
];
