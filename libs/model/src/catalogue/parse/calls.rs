//! `[read]`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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
    let context = table.members("context").into_iter().filter_map(|(name, n)| Some((name, context(&n)?))).collect();
    Some(Read { list: list?, one, get, context })
}

fn call(table: &Table<'_>) -> Option<Call> {
    let node = table.need("call")?;
    let text = node.text()?;
    let Some((service, operation)) = text.split_once(':') else {
        node.problem("a call is `service:Operation`");
        return None;
    };
    let with = table.get("with").map_or_else(|| Value::Object(Map::new()), |n| n.json());
    let with = Params::parse(&with).map_err(|e| node.problem(e)).unwrap_or_default();
    Some(Call {
        service: service.to_owned(),
        operation: operation.to_owned(),
        with,
        absent: table.texts("absent"),
        iam: table.texts("iam"),
        region: table.read("region", Template::parse),
    })
}

fn list(node: &Node<'_>) -> Option<List> {
    let table = node.table()?;
    let call = call(&table);
    let items = table.read("items", Expr::parse);
    table.finish(&[]);
    Some(List { call: call?, items: items.map_or_else(|| Expr::parse("item:").ok(), Some)? })
}

fn one(node: &Node<'_>) -> Option<One> {
    let table = node.table()?;
    let call = call(&table);
    let items = table.read("items", Expr::parse);
    let missing = table.texts("missing");
    table.finish(&[]);
    Some(One { call: call?, items: items.map_or_else(|| Expr::parse("item:").ok(), Some)?, missing })
}

fn key(table: &Table<'_>) -> Option<Template> {
    let given = table.read("key", Template::parse);
    given.or_else(|| Template::parse("{id}").ok())
}

fn get(node: &Node<'_>) -> Option<Get> {
    let table = node.table()?;
    let call = call(&table);
    let batch = table.get("batch").and_then(|n| batch(&n));
    let found = Get {
        when: table.each("when", Condition::parse),
        each: table.read("each", Expr::parse),
        items: table.read("items", Expr::parse),
        by: table.read("by", Expr::parse),
        key: key(&table)?,
        batch,
        call: call?,
    };
    if found.batch.is_some() && found.by.is_none() {
        table.problem("`batch` needs `by`: whose an element is");
    }
    if found.batch.is_some() && found.each.is_some() {
        table.problem("`batch` and `each` exclude one another");
    }
    table.finish(&[]);
    Some(found)
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
    table.finish(&[]);
    Some(Batch { parameter: parameter?, size: size? })
}

fn context(node: &Node<'_>) -> Option<Context> {
    let table = node.table()?;
    let call = call(&table);
    let found = Context {
        items: table.read("items", Expr::parse),
        by: table.read("by", Expr::parse),
        key: key(&table)?,
        call: call?,
    };
    table.finish(&[]);
    Some(found)
}
