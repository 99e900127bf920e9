//! The kinds of loss whose telling is timed.

use serde_json::Value;

use crate::scale::{Place, Scale};
use crate::statuses::has;
use crate::virtual_time::dice::Dice;

/// What happens to a service, in words of `azure-simulator set`.
pub(crate) struct Words {
    pub(crate) lost: Vec<String>,
    /// What a person does about it; nothing where the operator mends it by itself.
    pub(crate) mended: Vec<String>,
}

/// One kind of loss.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Seconds within which it is to be told.
    pub(crate) limit: f64,
    pub(crate) scale: Scale,
    pub(crate) loss: fn(&Place, &Value, &mut Dice) -> Words,
    /// The condition that tells it: type, status, and reason.
    told: [&'static str; 3],
}

impl Kind {
    /// The same for `kubectl wait`.
    pub(crate) fn condition(&self) -> String {
        let [kind, word, _] = self.told;
        format!("{kind}={word}")
    }

    pub(crate) fn is_told(&self, status: &Value) -> bool {
        let [kind, word, reason] = self.told;
        has(status, kind, word, reason)
    }
}

const SMALL: Scale = Scale {
    foreign: 0,
    ..Scale::of(20)
};

/// One vault for each service, so that each loss is one of its own.
const VAULTS: Scale = Scale {
    keys_in_vault: 1,
    ..SMALL
};

const LOST: [&str; 3] = ["KeyAccessible", "False", ""];

/// All of them.
pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "key",
        limit: 12.0,
        scale: SMALL,
        loss: key_lost,
        told: LOST,
    },
    Kind {
        name: "key_arm",
        limit: 66.0,
        scale: Scale {
            is_open: false,
            ..SMALL
        },
        loss: key_lost,
        told: LOST,
    },
    Kind {
        name: "vault",
        limit: 66.0,
        scale: VAULTS,
        loss: |place, _, dice| {
            let vault = format!("vault {}", place.vault);
            let both = |words: [&str; 2]| words.map(|word| format!("{vault} {word}")).to_vec();
            if dice.below(2) == 0 {
                Words {
                    lost: vec![format!("{vault} deleted")],
                    mended: vec![format!("{vault} recovered")],
                }
            } else {
                Words {
                    lost: both(["bypass-off", "firewall-closed"]),
                    mended: both(["firewall-open", "bypass-on"]),
                }
            }
        },
        told: LOST,
    },
    Kind {
        name: "role",
        limit: 66.0,
        scale: SMALL,
        loss: |place, status, _| {
            let principal = status["identity"]["principalId"]
                .as_str()
                .unwrap_or_default();
            let words = format!("role-assignments {} removed {principal}", place.vault);
            // the operator gives the grant back by itself
            Words {
                lost: vec![words],
                mended: Vec::new(),
            }
        },
        told: LOST,
    },
    Kind {
        name: "identity",
        limit: 126.0,
        scale: SMALL,
        // the operator switches it on again
        loss: |place, _, _| Words {
            lost: vec![format!("identity {} off", place.service)],
            mended: Vec::new(),
        },
        told: LOST,
    },
    Kind {
        name: "resource_health",
        limit: 31.0,
        scale: SMALL,
        loss: |place, _, dice| {
            let health = format!("health {}", place.service);
            let word = *dice.pick(&["degraded", "unavailable"]);
            Words {
                lost: vec![format!("{health} {word}")],
                mended: vec![format!("{health} automatic")],
            }
        },
        told: ["KeyAccessible", "Unknown", "ServiceUnhealthy"],
    },
];

fn key_lost(place: &Place, _: &Value, dice: &mut Dice) -> Words {
    let key = format!("key {}/{}", place.vault, place.key);
    let (lost, mended) = *dice.pick(&[
        ("disabled", "enabled"),
        ("deleted", "recovered"),
        ("expired", "valid"),
    ]);
    Words {
        lost: vec![format!("{key} {lost}")],
        mended: vec![format!("{key} {mended}")],
    }
}
