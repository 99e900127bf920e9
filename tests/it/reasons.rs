//! The pages in `docs/reasons`: one for each reason that is not good news, all of the same form, with
//! no link that leads nowhere and no placeholder that nobody explains.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dicomenc::crd::Reason;

/// What needs no page: nothing is wrong, in doubt or under way.
const GOOD: [Reason; 3] = [Reason::Healthy, Reason::AsSpecified, Reason::NotApplicable];

/// The sections of every page, in this order.
const SECTIONS: [&str; 6] = [
    "What it means",
    "What the clinic sees",
    "What to do",
    "What the operator does",
    "How long it takes",
    "How to see that it is over",
];

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page(reason: Reason) -> String {
    text(&docs().join(format!("reasons/{reason}.md")))
}

fn with_pages() -> impl Iterator<Item = Reason> {
    let all = Reason::ALL.iter().copied();
    all.filter(|reason| !GOOD.contains(reason))
}

/// All pages of the folder, and those beside it that link into it.
fn all_pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(docs().join("reasons")).expect("the folder can be read");
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry can be read").path())
        .collect();
    pages.extend(["conditions.md", "monitoring.md"].map(|name| docs().join(name)));
    pages.sort();
    pages
}

/// What stands between the two marks, each time.
fn between<'page>(page: &'page str, open: &str, close: &str) -> Vec<&'page str> {
    let parts = page.split(open).skip(1);
    parts
        .filter_map(|part| part.split_once(close))
        .map(|(inside, _)| inside)
        .collect()
}

/// The anchors of a page, as every viewer of Markdown makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let titles = page.lines().filter_map(|line| line.strip_prefix('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter);
    titles
        .map(|title| title.trim_start_matches('#').trim().to_lowercase())
        .map(|title| title.chars().filter(kept).collect::<String>())
        .map(|title| title.replace(' ', "-"))
        .collect()
}

#[test]
fn every_reason_that_is_not_good_news_has_a_page_and_no_page_is_without_a_reason() {
    let mut known: BTreeSet<String> = with_pages().map(|reason| format!("{reason}.md")).collect();
    known.insert("README.md".to_owned());
    let found = fs::read_dir(docs().join("reasons")).expect("the folder can be read");
    let found: BTreeSet<String> = found
        .map(|entry| entry.expect("an entry can be read").file_name())
        .map(|name| name.into_string().expect("a name is UTF-8"))
        .collect();
    assert_eq!(found, known);
}

#[test]
fn every_page_begins_with_its_reason_and_meaning_and_has_all_sections_in_order() {
    for reason in with_pages() {
        let page = page(reason);
        let begins = format!("# {reason}\n\n{}\n\n## ", reason.meaning());
        assert!(page.starts_with(&begins), "{reason}");
        let sections: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        assert_eq!(sections, SECTIONS, "{reason}");
        for section in page.split("\n## ").skip(1) {
            let (title, body) = section.split_once('\n').unwrap_or((section, ""));
            assert!(!body.trim().is_empty(), "{reason}: {title}");
        }
    }
}

#[test]
fn no_link_leads_nowhere() {
    for path in all_pages() {
        let page = text(&path);
        let folder = path.parent().expect("a page is in a folder");
        for link in between(&page, "](", ")") {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file)
            };
            assert!(target.exists(), "{link} in {}", path.display());
            let is_there = anchor.is_empty() || anchors(&text(&target)).contains(anchor);
            assert!(is_there, "{link} in {}", path.display());
        }
    }
}

#[test]
fn the_tables_of_conditions_lead_to_every_page() {
    let tables = text(&docs().join("conditions.md"));
    for reason in with_pages() {
        let row = format!("| `{reason}` |");
        let row = tables.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("{reason} has no row"));
        assert!(row.contains(&format!("](reasons/{reason}.md)")), "{row}");
    }
}

#[test]
fn every_placeholder_of_a_command_is_explained() {
    let guide = text(&docs().join("reasons/README.md"));
    let explained: BTreeSet<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `<")?.split(" | ").next())
        .flat_map(|cell| cell.split('<'))
        .filter_map(|rest| rest.split('>').next())
        .collect();
    for path in all_pages() {
        let page = text(&path);
        let commands = between(&page, "```sh\n", "```");
        for placeholder in commands.iter().flat_map(|block| between(block, "<", ">")) {
            assert!(
                explained.contains(placeholder),
                "<{placeholder}> in {}",
                path.display()
            );
        }
    }
}

#[test]
fn no_page_runs_a_command_that_destroys_or_takes_away() {
    for path in all_pages() {
        let page = text(&path);
        for line in between(&page, "```sh\n", "```")
            .iter()
            .flat_map(|block| block.lines())
        {
            for word in [" delete ", " purge ", " remove "] {
                let is_harmless = !format!("{line} ").contains(word);
                assert!(is_harmless, "{line} in {}", path.display());
            }
        }
    }
}
