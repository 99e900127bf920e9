//! The kinds that the server serves.

use serde_json::Value;

/// A kind and how its resource behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version served.
    pub version: String,
    /// The resource's name in paths.
    pub plural: String,
    /// The kind's name in objects.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether `status` is a subresource of its own.
    pub has_status: bool,
    /// Whether `metadata.generation` counts the changes of the spec.
    pub has_generation: bool,
    /// The schema that objects are pruned and completed by; none: everything is kept as it is.
    pub schema: Option<Value>,
}

impl Kind {
    /// A namespaced kind as a CRD with a status subresource makes it, without a schema.
    pub fn custom(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced: true,
            has_status: true,
            has_generation: true,
            schema: None,
        }
    }

    /// The kinds that a CRD object describes, one per served version.
    pub fn from_crd(crd: &Value) -> Option<Vec<Self>> {
        let text = |pointer: &str| crd.pointer(pointer)?.as_str();
        let versions = crd.pointer("/spec/versions")?.as_array()?;
        versions
            .iter()
            .filter(|version| version.get("served").and_then(Value::as_bool) == Some(true))
            .map(|version| {
                let custom = Self::custom(
                    text("/spec/group")?,
                    version.get("name")?.as_str()?,
                    text("/spec/names/plural")?,
                    text("/spec/names/kind")?,
                );
                Some(Self {
                    namespaced: text("/spec/scope")? == "Namespaced",
                    has_status: version.pointer("/subresources/status").is_some(),
                    schema: version.pointer("/schema/openAPIV3Schema").cloned(),
                    ..custom
                })
            })
            .collect()
    }

    /// `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The resource as messages name it.
    pub(super) fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    pub(super) fn is_same_resource(&self, other: &Self) -> bool {
        (&self.group, &self.version, &self.plural) == (&other.group, &other.version, &other.plural)
    }

    pub(super) fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.plural == "namespaces"
    }

    pub(super) fn is_crd(&self) -> bool {
        self.group == CRD_GROUP && self.plural == "customresourcedefinitions"
    }

    pub(super) fn built_in() -> Vec<Self> {
        let plain = |group: &str, version: &str, plural: &str, kind: &str| Self {
            has_status: false,
            has_generation: false,
            ..Self::custom(group, version, plural, kind)
        };
        let cluster = |kind: Self| Self {
            namespaced: false,
            ..kind
        };
        vec![
            cluster(Self {
                has_generation: false,
                ..Self::custom("", "v1", "namespaces", "Namespace")
            }),
            plain("", "v1", "configmaps", "ConfigMap"),
            plain("", "v1", "events", "Event"),
            plain("events.k8s.io", "v1", "events", "Event"),
            plain("coordination.k8s.io", "v1", "leases", "Lease"),
            cluster(Self::custom(
                CRD_GROUP,
                "v1",
                "customresourcedefinitions",
                "CustomResourceDefinition",
            )),
            Self::custom(
                "dicomenc.io",
                "v1alpha1",
                "dicomencryptions",
                "DicomEncryption",
            ),
        ]
    }
}

const CRD_GROUP: &str = "apiextensions.k8s.io";
