//! `[read]`.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::read::{Batch, Call, Context, Get, List, One, Read};
use crate::catalogue::reader::{Node, Table};
use crate::expr::{Condition, Expr, Params, Template};

pub(super) fn read(table: &Table<'_>) -> Option<Read> {
    let list = table.need("list").and_then(|n| list(&n));
    let one = table.get("one").and_then(|n| one(&n));
    let mut get: BTreeMap<String, Get> =
        table.members("get").into_iter().filter_map(|(name, n)| Some((name, get(&n)?))).collect();
    if let Some(region) = table.read("region", Template::parse) {
        let needed: Vec<String> = region.answers().into_iter().map(str::to_owned).collect();
        for (name, get) in &mut get {
            if get.call.region.is_none() && !needed.contains(name) {
                get.call.region = Some(region.clone());
            }
        }
    }
    for get in get.values_mut() {
        get.needs = get.named();
    }
    let context = table.members("context").into_iter().filter_map(|(name, n)| Some((name, context(&n)?))).collect();
    Some(Read { list: list?, one, get, context })
}

fn call(table: &Table<'_>) -> Option<Call> {
    let read = |text: &str| match text.split_once(':') {
        Some((service, operation)) => Ok((service.to_owned(), operation.to_owned())),
        None => Err("a call is `service:Operation`".to_owned()),
    };
    let named = table.need("call").and_then(|n| n.read(read));
    let with = table.get("with").and_then(|n| Params::parse(&n.json()).map_err(|e| n.problem(e)).ok());
    let (absent, iam) = (table.texts("absent"), table.texts("iam"));
    let region = table.read("region", Template::parse);
    let (service, operation) = named?;
    Some(Call { service, operation, with: with.unwrap_or_default(), absent, iam, region })
}

fn list(node: &Node<'_>) -> Option<List> {
    let table = node.table()?;
    let call = call(&table);
    let items = table.read("items", Expr::parse);
    table.finish();
    Some(List { call: call?, items: items.unwrap_or_default() })
}

fn one(node: &Node<'_>) -> Option<One> {
    let table = node.table()?;
    let call = call(&table);
    let items = table.read("items", Expr::parse);
    let missing = table.texts("missing");
    table.finish();
    Some(One { call: call?, items: items.unwrap_or_default(), missing })
}

fn key(table: &Table<'_>) -> Option<Template> {
    let given = table.read("key", Template::parse);
    given.or_else(|| Template::parse("{id}").ok())
}

fn get(node: &Node<'_>) -> Option<Get> {
    let table = node.table()?;
    let call = call(&table);
    let batch = table.get("batch").and_then(|n| batch(&n));
    let (when, each) = (table.each("when", Condition::parse), table.read("each", Expr::parse));
    let (items, by) = (table.read("items", Expr::parse), table.read("by", Expr::parse));
    let key = key(&table);
    if batch.is_some() && by.is_none() {
        table.problem("`batch` needs `by`: whose an element is");
    }
    if batch.is_some() && each.is_some() {
        table.problem("`batch` and `each` exclude one another");
    }
    table.finish();
    Some(Get { call: call?, when, each, batch, items, by, key: key?, needs: BTreeSet::new() })
}

fn batch(node: &Node<'_>) -> Option<Batch> {
    let table = node.table()?;
    let parameter = table.need("parameter").and_then(|n| n.text());
    let size = table.need("size").and_then(|n| {
        let size = n.json().as_u64().and_then(|s| usize::try_from(s).ok()).filter(|s| *s > 0);
        if size.is_none() {
            n.problem("`size` is a number above 0");
        }
        size
    });
    table.finish();
    Some(Batch { parameter: parameter?, size: size? })
}

fn context(node: &Node<'_>) -> Option<Context> {
    let table = node.table()?;
    let call = call(&table);
    let (items, by) = (table.read("items", Expr::parse), table.read("by", Expr::parse));
    let key = key(&table);
    table.finish();
    Some(Context { call: call?, items, by, key: key? })
}
