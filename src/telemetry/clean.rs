//! Makes text from outside harmless: no control or direction characters, no tokens, a bounded
//! length.

/// The text with control, escape and text-direction characters shown as `\n`, `\t` or `\u{..}`,
/// tokens shown as `***`, and everything after `limit` characters replaced by its count.
pub fn clean(text: &str, limit: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(limit));
    let mut room = limit;
    let mut rest = text;
    while room > 0 && !rest.is_empty() {
        let (word, after) = split_word(rest);
        let shown = if is_token(word) { "***" } else { word };
        let dropped = push(&mut cleaned, &mut room, shown);
        if dropped > 0 {
            return with_count(cleaned, dropped + after.chars().count());
        }
        rest = after;
        let mut characters = rest.chars();
        if room > 0
            && let Some(separator) = characters.next()
        {
            push(&mut cleaned, &mut room, separator.encode_utf8(&mut [0; 4]));
            rest = characters.as_str();
        }
    }
    with_count(cleaned, rest.chars().count())
}

/// Appends what there is room for, and answers how many characters there was none for.
fn push(cleaned: &mut String, room: &mut usize, text: &str) -> usize {
    let mut dropped = 0;
    for character in text.chars() {
        if *room == 0 {
            dropped += 1;
        } else {
            *room -= 1;
            if is_hidden(character) {
                cleaned.extend(character.escape_default());
            } else {
                cleaned.push(character);
            }
        }
    }
    dropped
}

fn with_count(cleaned: String, dropped: usize) -> String {
    match dropped {
        0 => cleaned,
        _ => format!("{cleaned}[and {dropped} more characters]"),
    }
}

/// A word is what a token can consist of; everything else separates.
fn split_word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| {
            !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/'))
        })
        .unwrap_or(text.len());
    text.split_at(end)
}

/// JSON web tokens, and parts of them, begin with the base64 form of `{"`.
fn is_token(word: &str) -> bool {
    word.starts_with("eyJ") && word.len() >= SHORTEST_TOKEN
}

/// Characters that a terminal or a reader acts on instead of showing them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The shortest base64 text that is taken for a token.
const SHORTEST_TOKEN: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_that_act_on_a_terminal_are_shown_instead() {
        assert_eq!(
            clean("a\r\nb\t\u{1b}[31mred\u{9b}0m\u{202e}txt\u{2028}end", 100),
            r"a\r\nb\t\u{1b}[31mred\u{9b}0m\u{202e}txt\u{2028}end"
        );
    }

    #[test]
    fn umlauts_and_other_scripts_stay_as_they_are() {
        assert_eq!(clean("Schlüssel 鍵 ключ", 100), "Schlüssel 鍵 ключ");
    }

    #[test]
    fn a_token_is_not_shown_wherever_it_stands() {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl";
        assert_eq!(
            clean(
                &format!("Authorization: Bearer {token}, {{\"token\":\"{token}\"}}"),
                500
            ),
            "Authorization: Bearer ***, {\"token\":\"***\"}"
        );
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(clean("one two three", 7), "one two[and 6 more characters]");
        assert_eq!(clean("one two three", 6), "one tw[and 7 more characters]");
        assert_eq!(clean("one two three", 13), "one two three");
        assert_eq!(clean("one", 0), "[and 3 more characters]");
    }

    proptest! {
        #[test]
        fn nothing_hidden_survives_and_the_length_is_bounded(text in any::<String>(), limit in 0..200_usize) {
            let cleaned = clean(&text, limit);
            prop_assert!(!cleaned.chars().any(is_hidden));
            prop_assert!(cleaned.chars().count() <= limit * 10 + 40);
        }
    }
}
