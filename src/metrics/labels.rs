//! The label sets. Each enum is closed, so the number of series is bounded by this file and by the
//! number of objects.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// Declares a closed set of label values with the words that stand in the series.
macro_rules! label_values {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
            pub enum $name {
                $($(#[$value_doc])* $value,)+
            }

            impl $name {
                /// The word in the series.
                pub const fn as_str(self) -> &'static str {
                    match self {
                        $(Self::$value => $word,)+
                    }
                }
            }

            impl EncodeLabelValue for $name {
                fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                    EncodeLabelValue::encode(&self.as_str(), encoder)
                }
            }
        )+
    };
}

label_values! {
    /// How a reconcile ended.
    ReconcileOutcome {
        /// Nothing was left to do.
        Settled = "settled",
        /// A step was taken in Azure.
        Stepped = "stepped",
        /// A wait runs.
        Waiting = "waiting",
        /// A person is needed.
        Stalled = "stalled",
        /// Something is not known.
        Unknown = "unknown",
        /// It failed and is taken up again.
        Failed = "failed",
        /// It panicked.
        Panicked = "panicked",
    }

    /// The status of the `Ready` condition.
    Ready {
        /// Every link of the chain is good.
        True = "True",
        /// A link is not.
        False = "False",
        /// It is not known.
        Unknown = "Unknown",
    }

    /// The state of `status.keyAccess`.
    KeyAccess {
        /// The service can reach its key.
        Accessible = "Accessible",
        /// It can, but not for long.
        AtRisk = "AtRisk",
        /// It cannot.
        Lost = "Lost",
        /// Access is back, the service is not yet.
        Recovering = "Recovering",
        /// It is not known.
        Unknown = "Unknown",
    }

    /// The class of an answer of Azure.
    CodeClass {
        /// 2xx and below.
        Success = "2xx",
        /// 3xx, which is never followed.
        Redirect = "3xx",
        /// 429.
        Throttled = "429",
        /// Any other 4xx.
        Refused = "4xx",
        /// 5xx and above.
        Broken = "5xx",
        /// No answer: no connection, a time limit, garbage.
        NoAnswer = "none",
    }

    /// Where keys are read.
    KeySource {
        /// At their vault.
        Vault = "vault",
        /// Through Azure Resource Manager.
        Arm = "arm",
    }

    /// Which of Azure Resource Manager's allowances.
    Quota {
        /// Reads.
        Reads = "reads",
        /// Writes.
        Writes = "writes",
    }

    /// How a sweep ended.
    SweepOutcome {
        /// All of the scope was read.
        Complete = "complete",
        /// A part of it was.
        Partial = "partial",
        /// Nothing was.
        Failed = "failed",
    }

    /// What is written to the API server.
    KubeWrite {
        /// The status of an object.
        Status = "status",
        /// An event.
        Event = "event",
        /// The lease of the leader.
        Lease = "lease",
    }
}

impl CodeClass {
    /// The class of a status code; `None` stands for no answer at all.
    pub const fn of(code: Option<u16>) -> Self {
        match code {
            None => Self::NoAnswer,
            Some(429) => Self::Throttled,
            Some(0..=299) => Self::Success,
            Some(300..=399) => Self::Redirect,
            Some(400..=499) => Self::Refused,
            Some(500..) => Self::Broken,
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ReconcileLabels {
    pub(super) outcome: ReconcileOutcome,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ReadyLabels {
    pub(super) ready: Ready,
}

/// One object.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct ObjectLabels {
    namespace: String,
    name: String,
}

impl ObjectLabels {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) fn in_state(&self, state: KeyAccess) -> KeyAccessLabels {
        KeyAccessLabels {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            state,
        }
    }

    pub(super) fn because(&self, reason: &'static str) -> ReasonLabels {
        ReasonLabels {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            reason,
        }
    }
}

/// One object in one state.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct KeyAccessLabels {
    namespace: String,
    name: String,
    state: KeyAccess,
}

/// One object, for one reason of the closed set in `src/crd/condition.rs`.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ReasonLabels {
    namespace: String,
    name: String,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ArmCallLabels {
    pub(super) provider: &'static str,
    pub(super) method: &'static str,
    pub(super) code: CodeClass,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct VaultCallLabels {
    pub(super) code: CodeClass,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct KeySourceLabels {
    pub(super) source: KeySource,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct QuotaLabels {
    pub(super) quota: Quota,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ScopeLabels {
    pub(super) scope: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct SweepLabels {
    pub(super) scope: &'static str,
    pub(super) outcome: SweepOutcome,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct KubeWriteLabels {
    pub(super) kind: KubeWrite,
}

/// Of a series that is one of its kind, but not always there.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct NoLabels {}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct WriteLabels {
    pub(super) step: &'static str,
}
