//! Foreign text made safe to show: the one choke point through which every word of Azure, of a
//! proxy or of a library passes before it can reach a log, a status, an event or an error.
//!
//! It never fails and never grows its input: control and direction characters are dropped, what
//! looks like a credential is blotted out, and the rest is cut to a length.

/// What stands in the place of something that looked like a credential.
pub const REDACTED: &str = "[redacted]";

/// The text without control characters, without credentials, at most `limit` characters long.
///
/// `secrets` are values known to be secret (the token of this call); each occurrence is blotted
/// out whatever it looks like.
pub fn printable(text: &str, limit: usize, secrets: &[&str]) -> String {
    // A cut in the middle of a credential must not save its first half: look at the whole text,
    // but at no more of it than could ever be shown.
    let window = text.chars().take(limit.saturating_mul(4).max(MIN_WINDOW));
    let mut clean = window.filter_map(printable_char).collect::<String>();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        clean = clean.replace(*secret, REDACTED);
    }
    truncated(&without_credentials(&clean), limit)
}

/// The text, cut to `limit` characters, with a mark where something is missing.
fn truncated(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.trim().to_owned();
    }
    let kept = text.chars().take(limit.saturating_sub(1));
    let mut cut = kept.collect::<String>().trim().to_owned();
    cut.push('\u{2026}');
    cut
}

fn printable_char(character: char) -> Option<char> {
    match character {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        // invisible and direction-changing characters can make a log line lie
        '\u{061c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' => None,
        other if other.is_control() => None,
        other => Some(other),
    }
}

fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let mut before = Before::default();
    for character in text.chars() {
        if is_word_char(character) {
            word.push(character);
            continue;
        }
        before.finish_word(&mut word, &mut out);
        before.separators.push(character);
        out.push(character);
    }
    before.finish_word(&mut word, &mut out);
    out
}

/// The word before the one being read, and what stood between the two.
#[derive(Default)]
struct Before {
    word: String,
    separators: String,
}

impl Before {
    fn finish_word(&mut self, word: &mut String, out: &mut String) {
        if word.is_empty() {
            return;
        }
        let secret = self.makes_secret(word);
        out.push_str(if secret { REDACTED } else { word });
        self.word = word.to_ascii_lowercase();
        self.separators.clear();
        word.clear();
    }

    fn makes_secret(&self, word: &str) -> bool {
        let looks_like_jwt = word.starts_with("eyJ") && word.len() >= MIN_JWT;
        let after_bearer = self.word == "bearer" && word.len() >= MIN_BEARER;
        let assigned = self.separators.contains([':', '=']) && self.separators.len() <= MAX_ASSIGN;
        looks_like_jwt || after_bearer || (assigned && SECRET_NAMES.contains(&self.word.as_str()))
    }
}

fn is_word_char(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '-' | '_' | '.' | '~' | '+' | '/' | '%')
}

const MIN_WINDOW: usize = 8 * 1024;
const MIN_JWT: usize = 20;
const MIN_BEARER: usize = 8;
/// `": "` with a blank or two to spare: further away it is another sentence.
const MAX_ASSIGN: usize = 6;
const SECRET_NAMES: [&str; 10] = [
    "access_token",
    "assertion",
    "authorization",
    "client_assertion",
    "client_secret",
    "id_token",
    "password",
    "refresh_token",
    "secret",
    "sig",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{REDACTED, printable};

    #[test]
    fn ordinary_words_stay_as_they_are() {
        let text = "Authorization failed: the client '1234' lacks 'Microsoft.KeyVault/vaults/read' (bearer of bad news)";
        assert_eq!(printable(text, 500, &[]), text);
    }

    #[test]
    fn what_looks_like_a_credential_is_blotted_out() {
        let jwt = "eyJ0eXAiOiJKV1QiLCJhbGciOi.eyJhdWQiOiJodHRwczo.c2lnbmF0dXJl";
        for text in [
            format!("token {jwt} was refused"),
            "header Authorization: Bearer opaque-value-123".to_owned(),
            r#"{"access_token":"opaque-value-123"}"#.to_owned(),
            "client_secret=opaque-value-123&x=1".to_owned(),
            "https://host/path?sig=opaque-value-123".to_owned(),
        ] {
            let shown = printable(&text, 500, &[]);
            assert!(shown.contains(REDACTED), "{shown}");
            assert!(
                !shown.contains("opaque-value-123") && !shown.contains("eyJ"),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_known_secret_is_blotted_out_wherever_it_stands() {
        assert_eq!(printable("a;canary;b", 100, &["canary"]), "a;[redacted];b");
    }

    #[test]
    fn control_and_direction_characters_do_not_survive() {
        assert_eq!(
            printable("a\nb\u{1b}[31mc\u{202e}d\0", 100, &[]),
            "a b[31mcd"
        );
    }

    proptest! {
        #[test]
        fn the_result_is_short_and_printable(text in "\\PC*|[\\x00-\\x7f]{0,300}", limit in 1_usize..200) {
            let shown = printable(&text, limit, &[]);
            prop_assert!(shown.chars().count() <= limit);
            prop_assert!(!shown.chars().any(char::is_control));
        }

        #[test]
        fn a_known_secret_never_survives(before in ".{0,50}", after in ".{0,50}", limit in 1_usize..80) {
            let shown = printable(&format!("{before}CANARY{after}"), limit, &["CANARY"]);
            prop_assert!(!shown.contains("CANARY"));
        }
    }
}
