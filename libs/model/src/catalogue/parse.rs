//! From TOML tables to [`Type`]s.

mod attributes;
mod calls;

use std::collections::BTreeMap;

use super::kind::{Fold, Parents, Rule, Scope, Source, Type};
use super::reader::{File, Node, Problem, Table};
use super::{check, revision};
use crate::expr::{Condition, Expr, Template};

/// Largest catalogue file.
const MAX_FILE: usize = 1 << 20;

/// The types of the files, each with the file that it stands in, and what is wrong.
pub(super) fn types(files: &[(&str, &str)]) -> (Vec<(String, Type)>, Vec<Problem>) {
    let mut types: BTreeMap<String, (String, Type)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, text) in files {
        let file = File::new(name, text);
        if text.len() > MAX_FILE {
            file.problem(0, format!("larger than {MAX_FILE} bytes"));
        } else {
            let root = file.parse();
            let table = Table::new(&file, root.get_ref(), 0);
            let found = one(&file, &table, &types);
            if let Some(found) = found {
                types.insert(found.name.clone(), ((*name).to_owned(), found));
            }
        }
        problems.extend(file.problems.into_inner());
    }
    (types.into_values().collect(), problems)
}

fn one(file: &File<'_>, table: &Table<'_>, known: &BTreeMap<String, (String, Type)>) -> Option<Type> {
    let name = table.need("type")?.text()?;
    if table.flag("extends") {
        let Some((_, base)) = known.get(&name) else {
            table.problem(format!("`{name}` extends a type that is not there"));
            return None;
        };
        let mut extended = base.clone();
        extended.revision = revision([base.revision.as_str(), file.text]);
        extend(table, &mut extended);
        table.finish();
        check::consistent(file, &extended);
        return Some(extended);
    }
    let read = table.need("read").and_then(|n| n.table()).and_then(|t| {
        let read = calls::read(&t);
        t.finish();
        read
    });
    let id = table.need("id").and_then(|n| n.read(Template::parse));
    let service = table.text("service");
    let mut found = Type {
        aliases: table.texts("aliases"),
        cloudformation: table.text("cloudformation"),
        scope: scope(table),
        arn: table.read("arn", Template::parse),
        terraform_id: table.each("terraform_id", Template::parse),
        attributes: BTreeMap::new(),
        folds: Vec::new(),
        owners: Vec::new(),
        skips: Vec::new(),
        relations: BTreeMap::new(),
        excluded: BTreeMap::new(),
        judgement: serde_json::Value::Null,
        revision: revision([file.text]),
        service: service.or_else(|| read.as_ref().map(|r| r.list.call.service.clone())).unwrap_or_default(),
        name,
        id: id.clone().unwrap_or_default(),
        read: read.clone().unwrap_or_default(),
    };
    extend(table, &mut found);
    table.finish();
    // all of the file has been read by now, so that every problem is told at once
    (id.is_some() && read.is_some()).then_some(())?;
    check::consistent(file, &found);
    Some(found)
}

/// What a file may add to a type: everything that is a list or a table.
fn extend(table: &Table<'_>, found: &mut Type) {
    for (path, node) in table.members("attributes") {
        if let Some(attribute) = attributes::attribute(&path, &node, true) {
            found.attributes.insert(path, attribute);
        }
    }
    found.folds.extend(table.list("folds").iter().filter_map(fold));
    found.owners.extend(table.list("owners").iter().filter_map(|n| rule(n, "owner")));
    found.skips.extend(table.list("skips").iter().filter_map(|n| rule(n, "reason")));
    check::expand(found);
    for (name, node) in table.members("relations") {
        if let Some(expr) = node.read(Expr::parse) {
            found.relations.insert(name, expr);
        }
    }
    if let Some(node) = table.get("judgement") {
        found.judgement = node.json();
    }
    for (path, node) in table.members("excluded") {
        if let Some(reason) = node.text() {
            found.excluded.insert(path, reason);
        }
    }
}

fn scope(table: &Table<'_>) -> Scope {
    let read = |text: &str| match text {
        "regional" => Ok(Scope::Regional),
        "global" => Ok(Scope::Global),
        _ => Err("`scope` is regional or global".to_owned()),
    };
    table.need("scope").and_then(|n| n.read(read)).unwrap_or(Scope::Regional)
}

fn rule(node: &Node<'_>, word: &str) -> Option<Rule> {
    let table = node.table()?;
    let when = table.each("when", Condition::parse);
    let word = table.need(word)?.text()?;
    table.finish();
    Some(Rule { when, word })
}

fn fold(node: &Node<'_>) -> Option<Fold> {
    let table = node.table()?;
    let kind = table.need("type")?.text()?;
    let mut parents: Vec<Parents> = table.each("key", |t| Template::parse(t).map(Parents::One));
    parents.extend(table.each("keys", |t| Expr::parse(t).map(Parents::Each)));
    let mut fold = Fold {
        kind,
        parents,
        when: table.each("when", Condition::parse),
        paths: BTreeMap::new(),
        element: false,
        hides: table.texts("hides"),
        whole: table.flag("whole"),
    };
    for (path, node) in table.members("paths") {
        if let Some(source) = source(&path, &node) {
            fold.paths.insert(path, source);
        }
    }
    if let Some(element) = table.text("element") {
        fold.element = true;
        let value = table.read("value", Source::parse).unwrap_or_default();
        fold.paths.insert(element, Source { fields: names(&table, "fields"), ..value });
    }
    if let Some(into) = table.text("into") {
        // stands for all attributes below it; `check::expand` replaces it once these are known
        fold.paths.insert(format!("{into}.*"), Source::default());
    }
    if fold.paths.is_empty() {
        table.problem("a fold needs `paths`, `into` or `element`");
    }
    table.finish();
    Some(fold)
}

fn source(path: &str, node: &Node<'_>) -> Option<Source> {
    if node.is_text() {
        return node.read(Source::parse);
    }
    let table = node.table()?;
    let from = table.read("from", Source::parse);
    let from = from.unwrap_or_else(|| Source { path: path.to_owned(), ..Source::default() });
    let source =
        Source { fields: names(&table, "fields"), api: table.flag("api"), lacks: table.texts("lacks"), ..from };
    table.finish();
    Some(source)
}

fn names(table: &Table<'_>, key: &str) -> BTreeMap<String, String> {
    table.members(key).into_iter().filter_map(|(k, n)| Some((k, n.text()?))).collect()
}
