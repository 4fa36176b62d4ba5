//! A file of accounts: one id per line, or TOML with settings per account. All mistakes are told at once, with their lines.

use serde::Deserialize;

use super::AccountSetting;

/// What is wrong with a file of accounts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct FileError(pub Vec<String>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accounts: Vec<toml::Spanned<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    role: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    regions: Vec<String>,
}

/// Accounts that one file may name: AWS Organizations allows 10,000 by default.
const MOST: usize = 100_000;

/// Reads a file of accounts; `name` is what mistakes are told with. A name that ends in `.toml` is TOML:
///
/// ```toml
/// [[accounts]]
/// id = "111122223333"
/// role = "driftline-reader"     # or an ARN
/// external_id = "a-shared-word"
/// regions = ["eu-central-1"]
/// ```
pub fn parse_accounts(name: &str, text: &str) -> Result<Vec<AccountSetting>, FileError> {
    let (numbered, mut mistakes) = if name.ends_with(".toml") { toml_entries(name, text)? } else { lines(name, text) };
    let mut accounts: Vec<AccountSetting> = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    if numbered.len() > MOST {
        return Err(FileError(vec![format!("{name}: more than {MOST} accounts")]));
    }
    for (line, account) in numbered {
        if let Some(first) = seen.insert(account.id.clone(), line) {
            mistakes.push(format!("{name}:{line}: account {} stands in line {first} already", account.id));
        }
        accounts.push(account);
    }
    if mistakes.is_empty() { Ok(accounts) } else { Err(FileError(mistakes)) }
}

type Numbered = Vec<(usize, AccountSetting)>;

fn toml_entries(name: &str, text: &str) -> Result<(Numbered, Vec<String>), FileError> {
    let line_at = |offset: usize| text.get(..offset).map_or(0, |before| before.matches('\n').count()) + 1;
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        FileError(vec![format!("{name}:{line}: {}", error.message())])
    })?;
    let (mut numbered, mut mistakes) = (Vec::new(), Vec::new());
    for entry in file.accounts {
        let line = line_at(entry.span().start);
        let Entry { id, role, external_id, regions } = entry.into_inner();
        for region in regions.iter().filter(|region| !is_region(region)) {
            mistakes.push(format!("{name}:{line}: `{}` is no region", short(region)));
        }
        match account_id(&id) {
            Some(id) => numbered.push((line, AccountSetting { id, role, external_id, regions })),
            None => mistakes.push(format!("{name}:{line}: `{}` is no account id (12 digits)", short(&id))),
        }
    }
    Ok((numbered, mistakes))
}

fn lines(name: &str, text: &str) -> (Numbered, Vec<String>) {
    let (mut numbered, mut mistakes) = (Vec::new(), Vec::new());
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        match account_id(entry) {
            Some(id) => numbered.push((index + 1, AccountSetting { id, ..Default::default() })),
            None => mistakes.push(format!("{name}:{}: `{}` is no account id (12 digits)", index + 1, short(entry))),
        }
    }
    (numbered, mistakes)
}

/// 12 digits, with or without the dashes that the console shows.
fn account_id(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let dashed = groups.len() == 3 && groups.iter().all(|group| group.len() == 4);
    let id = if dashed { groups.concat() } else { text.to_owned() };
    (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

fn is_region(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (4..=32).contains(&text.len()) && text.bytes().all(plain) && text.contains('-')
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(name: &str, text: &str) -> Result<Vec<String>, String> {
        parse_accounts(name, text).map(|a| a.into_iter().map(|a| a.id).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_with_comments_and_dashes() {
        let text = "# all of them\n111122223333\n\n 4444-5555-6666 # dashed\r\n";
        assert_eq!(ids("accounts.txt", text).unwrap(), ["111122223333", "444455556666"]);
        assert_eq!(ids("accounts.txt", "").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_mistake_with_its_line() {
        let error = ids("a.txt", "111122223333\nprod\n111122223333\n1\n").unwrap_err();
        assert_eq!(
            error,
            "a.txt:2: `prod` is no account id (12 digits)\na.txt:4: `1` is no account id (12 digits)\n\
             a.txt:3: account 111122223333 stands in line 1 already"
        );
    }

    #[test]
    fn toml_with_settings() {
        let text = "[[accounts]]\nid = \"111122223333\"\nrole = \"reader\"\nexternal_id = \"x1\"\nregions = [\"eu-west-1\"]\n\
                    [[accounts]]\nid = \"444455556666\"\n";
        let accounts = parse_accounts("a.toml", text).unwrap();
        assert_eq!(accounts[0].role.as_deref(), Some("reader"));
        assert_eq!(accounts[0].external_id.as_deref(), Some("x1"));
        assert_eq!(accounts[0].regions, ["eu-west-1"]);
        assert_eq!(accounts[1], AccountSetting { id: "444455556666".into(), ..Default::default() });
    }

    #[test]
    fn toml_mistakes_have_lines_too() {
        for (text, expect) in [
            ("[[accounts]]\nid = \"1\"\n", "a.toml:1: `1` is no account id"),
            ("[[accounts]]\nid = \"111122223333\"\nrolle = \"x\"\n", "a.toml:3: unknown field `rolle`"),
            ("[[accounts]]\nrole = \"x\"\n", "missing field `id`"),
            ("\n[[accounts]\n", "a.toml:2:"),
            (
                "[[accounts]]\nid = \"111122223333\"\nregions = [\"Frankfurt!\"]\n",
                "a.toml:1: `Frankfurt!` is no region",
            ),
        ] {
            let error = ids("a.toml", text).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }
}
