//! States and plans that others made, with what is expected of each.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use driftline_baseline::Error;

use crate::{catalogue, options};

/// What one file may take, in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

struct Row {
    file: String,
    expect: String,
    instances: Option<u64>,
    by_type: BTreeMap<String, u64>,
}

fn rows(folder: &Path) -> Vec<Row> {
    let table = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        Row {
            file: cells[0].to_owned(),
            expect: cells[3].to_owned(),
            instances: cells[4].parse().ok(),
            by_type: serde_json::from_str(cells[5]).unwrap(),
        }
    };
    table.lines().skip(1).map(row).collect()
}

#[test]
fn every_file_is_read_as_expected() {
    let Some(folder) = driftline_dev::shared("states") else { return };
    let rows = rows(&folder);
    assert!(rows.len() >= 157);
    let mut wrong = Vec::new();
    for row in &rows {
        let bytes = std::fs::read(folder.join(&row.file)).unwrap();
        let started = Instant::now();
        let result = driftline_baseline::import(catalogue(), &bytes, options(&row.file));
        let took = started.elapsed();
        let right = |i: &driftline_baseline::Import| Some(i.instances) == row.instances && i.by_type == row.by_type;
        let good = took < LIMIT
            && match (row.expect.as_str(), &result) {
                ("import", Ok(i)) => right(i),
                ("import_or_error", Ok(i)) => right(i),
                ("import_or_error" | "error", Err(_)) | ("any", _) => true,
                _ => false,
            };
        if !good {
            let shown = result.map(|i| (i.instances, i.by_type));
            wrong.push(format!("{} ({}): {shown:?} in {took:?}", row.file, row.expect));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn nothing_that_was_read_is_lost_without_a_reason() {
    let Some(folder) = driftline_dev::shared("states") else { return };
    for row in rows(&folder) {
        let bytes = std::fs::read(folder.join(&row.file)).unwrap();
        let options = driftline_baseline::Options {
            account: Some("123456789012"),
            region: Some("eu-west-1"),
            ..options(&row.file)
        };
        let Ok(import) = driftline_baseline::import(catalogue(), &bytes, options) else { continue };
        let mut known: std::collections::BTreeSet<&str> = import.skipped.iter().map(|s| s.address.as_str()).collect();
        known.extend(import.parts.iter().flat_map(|(_, p)| &p.instances).map(|i| i.address.as_str()));
        assert!(known.len() as u64 >= import.instances.min(1), "{}", row.file);
        for (key, part) in &import.parts {
            assert_eq!(driftline_model::record::InputKey::decode(&key.encode()).as_ref(), Some(key), "{}", row.file);
            assert!(part.instances.iter().all(|i| i.line.is_some_and(|l| l > 0)), "{}", row.file);
        }
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for instance in import.parts.iter().flat_map(|(_, p)| &p.instances) {
            let line = lines[instance.line.unwrap() as usize - 1];
            assert!(line.contains('{'), "{}: `{}` is said to begin at `{line}`", row.file, instance.address);
        }
    }
}

#[test]
fn errors_of_files_say_where() {
    let Some(folder) = driftline_dev::shared("states") else { return };
    let path = "cloudskiff-driftctl/pkg/iac/terraform/state/testdata/v4/invalid.tfstate";
    let bytes = std::fs::read(folder.join(path)).unwrap();
    let error = driftline_baseline::import(catalogue(), &bytes, options(path)).unwrap_err();
    assert!(matches!(error, Error::Invalid { at, .. } if at.line == 16), "{error}");
}
