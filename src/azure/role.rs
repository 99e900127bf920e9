//! The Key Vault roles that matter here.
//!
//! Source: Azure built-in roles, security chapter.

use std::fmt;

use uuid::{Uuid, uuid};

/// A role that the operator may assign. There are two, and no others.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum VaultRole {
    /// Key Vault Crypto Service Encryption User: read, wrap and unwrap, and nothing else.
    CryptoServiceEncryptionUser,
    /// Key Vault Crypto Officer: any action on keys, as the original set-up guide assigns.
    CryptoOfficer,
}

impl VaultRole {
    /// The GUID of the role definition, the same in every tenant.
    pub const fn guid(self) -> Uuid {
        match self {
            Self::CryptoServiceEncryptionUser => uuid!("e147488a-f6f5-4113-8e2d-b22465e65bf6"),
            Self::CryptoOfficer => uuid!("14b46e9e-c2b7-41b4-b07b-48a6ebf60603"),
        }
    }

    /// The role's name as the portal shows it.
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::CryptoServiceEncryptionUser => "Key Vault Crypto Service Encryption User",
            Self::CryptoOfficer => "Key Vault Crypto Officer",
        }
    }
}

impl fmt::Display for VaultRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.display_name())
    }
}

/// Whether a built-in role lets its holder read, wrap and unwrap with a key; `None` for a role
/// whose definition has to be read first.
pub fn built_in_gives_key_use(role: Uuid) -> Option<bool> {
    const KEY_VAULT_CRYPTO_USER: Uuid = uuid!("12338af0-0e69-4776-bea7-57ae8d297424");
    const KEY_VAULT_ADMINISTRATOR: Uuid = uuid!("00482a5a-887f-4fb3-b363-3b7fe8e74483");
    const KEY_VAULT_READER: Uuid = uuid!("21090545-7ca7-4776-b22c-e363652d74d2");
    if [
        VaultRole::CryptoServiceEncryptionUser.guid(),
        VaultRole::CryptoOfficer.guid(),
        KEY_VAULT_CRYPTO_USER,
        KEY_VAULT_ADMINISTRATOR,
    ]
    .contains(&role)
    {
        Some(true)
    } else if role == KEY_VAULT_READER {
        Some(false)
    } else {
        None
    }
}

/// Whether data actions, given and withheld as patterns with `*`, cover read, wrap and unwrap.
pub fn data_actions_give_key_use(given: &[String], withheld: &[String]) -> bool {
    NEEDED.iter().all(|action| {
        given.iter().any(|pattern| matches_pattern(pattern, action))
            && !withheld
                .iter()
                .any(|pattern| matches_pattern(pattern, action))
    })
}

/// Whether data actions, denied and spared as patterns with `*`, take away one of read, wrap and
/// unwrap.
pub fn data_actions_take_key_use(denied: &[String], spared: &[String]) -> bool {
    let matches = |patterns: &[String], action| {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| matches_pattern(pattern, action))
    };
    let mut needed = NEEDED.iter();
    needed.any(|action| matches(denied, action) && !matches(spared, action))
}

/// Azure's action patterns: `*` stands for any text, and case does not matter.
fn matches_pattern(pattern: &str, action: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let action = action.to_ascii_lowercase();
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == action;
    };
    let Some(mut rest) = action.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = tail.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What a service does with its key.
const NEEDED: [&str; 3] = [
    "Microsoft.KeyVault/vaults/keys/read",
    "Microsoft.KeyVault/vaults/keys/wrap/action",
    "Microsoft.KeyVault/vaults/keys/unwrap/action",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(actions: &[&str]) -> Vec<String> {
        actions.iter().map(|action| (*action).to_owned()).collect()
    }

    #[test]
    fn a_wildcard_for_keys_gives_key_use() {
        assert!(data_actions_give_key_use(
            &words(&["Microsoft.KeyVault/vaults/keys/*"]),
            &[]
        ));
        assert!(data_actions_give_key_use(
            &words(&["microsoft.keyvault/*/keys/*"]),
            &[]
        ));
        assert!(data_actions_give_key_use(&words(&["*"]), &[]));
    }

    #[test]
    fn a_role_without_unwrap_does_not_give_key_use() {
        let given = words(&[
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/wrap/action",
        ]);
        assert!(!data_actions_give_key_use(&given, &[]));
    }

    #[test]
    fn what_is_withheld_outweighs_what_is_given() {
        let withheld = words(&["Microsoft.KeyVault/vaults/keys/unwrap/*"]);
        assert!(!data_actions_give_key_use(&words(&["*"]), &withheld));
    }

    #[test]
    fn the_two_roles_have_the_guids_of_azures_list() {
        assert_eq!(
            built_in_gives_key_use(VaultRole::CryptoOfficer.guid()),
            Some(true)
        );
        assert_eq!(built_in_gives_key_use(Uuid::nil()), None);
    }

    #[test]
    fn one_denied_action_of_three_takes_key_use_away_unless_it_is_spared() {
        let takes = |denied: &[&str], spared: &[&str]| {
            data_actions_take_key_use(&words(denied), &words(spared))
        };
        assert!(takes(&["*"], &[]));
        assert!(takes(
            &["Microsoft.KeyVault/vaults/keys/unwrap/action"],
            &[]
        ));
        assert!(takes(
            &["Microsoft.KeyVault/*"],
            &["Microsoft.KeyVault/vaults/keys/read"]
        ));
        assert!(!takes(
            &["Microsoft.KeyVault/*"],
            &["microsoft.keyvault/vaults/KEYS/*"]
        ));
        assert!(!takes(&["Microsoft.KeyVault/vaults/secrets/*"], &[]));
        assert!(!takes(&[], &[]));
    }
}
