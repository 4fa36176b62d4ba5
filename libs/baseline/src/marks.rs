//! Attributes that a source marks: sensitive ones (never published in clear) and those that a plan knows only after
//! apply. Both are taken out of the attributes, and their paths ignored, so that nothing is said of them.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::json::Node;
use crate::limits::MAX_MARKS;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member of an object.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// Steps from the attributes to the marked value.
pub(crate) type Path = Vec<Step>;

/// A state's `sensitive_attributes`: a list of paths. A step of another kind (an element of a set) ends the path early: the
/// mark gets wider, never narrower.
pub(crate) fn of_state(node: &Node<'_>) -> Result<Vec<Path>, Error> {
    let mut paths = Vec::new();
    for path in node.items("`sensitive_attributes`")? {
        let steps: Vec<Value> = if path.is_array() { path.read()? } else { continue };
        let steps = steps.iter().map_while(|step| match (step.get("type")?.as_str()?, step.get("value")?) {
            ("get_attr", Value::String(name)) => Some(Step::Key(name.clone())),
            ("index", value) => match value.get("value")? {
                Value::String(key) => Some(Step::Key(key.clone())),
                Value::Number(n) => n.as_u64().and_then(|n| usize::try_from(n).ok()).map(Step::Index),
                _ => None,
            },
            _ => None,
        });
        push(&mut paths, steps.collect(), node)?;
    }
    Ok(paths)
}

/// `sensitive_values` and `after_unknown`: the shape of the value, with `true` at what is marked.
pub(crate) fn of_tree(node: &Node<'_>) -> Result<Vec<Path>, Error> {
    let mut paths = Vec::new();
    walk(&node.read()?, &mut Vec::new(), &mut |path| push(&mut paths, path, node))?;
    Ok(paths)
}

fn push(paths: &mut Vec<Path>, path: Path, node: &Node<'_>) -> Result<(), Error> {
    if paths.len() == MAX_MARKS {
        return Err(node.error(format!("more than {MAX_MARKS} marks on one instance")));
    }
    paths.push(path);
    Ok(())
}

fn walk(value: &Value, path: &mut Path, found: &mut impl FnMut(Path) -> Result<(), Error>) -> Result<(), Error> {
    let mut step = |step: Step, inner: &Value| {
        path.push(step);
        let result = walk(inner, path, found);
        path.pop();
        result
    };
    match value {
        Value::Bool(true) => found(path.clone()),
        Value::Object(members) => members.iter().try_for_each(|(k, v)| step(Step::Key(k.clone()), v)),
        Value::Array(elements) => elements.iter().enumerate().try_for_each(|(i, v)| step(Step::Index(i), v)),
        _ => Ok(()),
    }
}

/// What `path` leads to, if it is there.
pub(crate) fn find<'a>(attributes: &'a Map<String, Value>, path: &[Step]) -> Option<&'a Value> {
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    rest.iter().try_fold(attributes.get(first)?, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(n) => value.get(n),
    })
}

/// Takes what `path` leads to out of the attributes and returns the dotted path that is now undeclared; `None` where
/// nothing stands there. A marked element takes its whole list or set along unless it is the only one: positions in a
/// mark and in a value need not agree for sets, and a list without one of its elements would be another list.
pub(crate) fn take_out(attributes: &mut Map<String, Value>, path: &[Step]) -> Option<String> {
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    let mut dotted = first.clone();
    let mut steps = Vec::new();
    let mut value = attributes.get(first)?;
    for step in rest {
        value = match (step, value) {
            (Step::Key(key), Value::Object(members)) => members.get(key)?,
            (Step::Index(0), Value::Array(elements)) if elements.len() == 1 && elements[0].is_object() => &elements[0],
            (Step::Index(_), Value::Array(_)) => break,
            _ => break,
        };
        steps.push(step);
        match step {
            Step::Key(key) => dotted = format!("{dotted}.{key}"),
            Step::Index(n) => dotted = format!("{dotted}.{n}"),
        }
    }
    let Some((last, inner)) = steps.split_last() else {
        attributes.remove(first);
        return Some(dotted);
    };
    let mut value = attributes.get_mut(first)?;
    for step in inner {
        value = match step {
            Step::Key(key) => value.get_mut(key)?,
            Step::Index(n) => value.get_mut(n)?,
        };
    }
    match (last, value) {
        (Step::Key(key), Value::Object(members)) => drop(members.remove(key)),
        (Step::Index(_), value) => *value = Value::Null,
        _ => return None,
    }
    Some(dotted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        let step = |s: &str| s.parse().map_or_else(|_| Step::Key(s.to_owned()), Step::Index);
        text.split('/').map(step).collect()
    }

    #[test]
    fn what_is_marked_is_taken_out_and_nothing_else() {
        for (mark, gone, left) in [
            ("a", Some("a"), r#"{"b":[{"c":1,"d":2}],"l":[1,2],"t":{"k":1,"m":2}}"#),
            ("t/k", Some("t.k"), r#"{"a":1,"b":[{"c":1,"d":2}],"l":[1,2],"t":{"m":2}}"#),
            ("b/0/c", Some("b.0.c"), r#"{"a":1,"b":[{"d":2}],"l":[1,2],"t":{"k":1,"m":2}}"#),
            ("b/0", Some("b.0"), r#"{"a":1,"b":null,"l":[1,2],"t":{"k":1,"m":2}}"#),
            ("l/1", Some("l"), r#"{"a":1,"b":[{"c":1,"d":2}],"t":{"k":1,"m":2}}"#),
            ("a/x/y", Some("a"), r#"{"b":[{"c":1,"d":2}],"l":[1,2],"t":{"k":1,"m":2}}"#),
            ("none", None, r#"{"a":1,"b":[{"c":1,"d":2}],"l":[1,2],"t":{"k":1,"m":2}}"#),
            ("t/none", None, r#"{"a":1,"b":[{"c":1,"d":2}],"l":[1,2],"t":{"k":1,"m":2}}"#),
        ] {
            let mut attributes =
                serde_json::from_str(r#"{"a":1,"b":[{"c":1,"d":2}],"l":[1,2],"t":{"k":1,"m":2}}"#).unwrap();
            assert_eq!(take_out(&mut attributes, &path(mark)).as_deref(), gone, "{mark}");
            assert_eq!(Value::Object(attributes), serde_json::from_str::<Value>(left).unwrap(), "{mark}");
        }
    }
}
