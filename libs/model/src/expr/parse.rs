//! Reads expressions from text.

use super::{Expr, Root, Step, Template, Var};
use crate::transform::Transform;

/// Longest expression, deepest path: the files may be a stranger's.
const MAX_LENGTH: usize = 1024;

pub(super) fn var(name: &str) -> Option<Var> {
    Some(match name {
        "id" => Var::Id,
        "account" => Var::Account,
        "region" => Var::Region,
        "partition" => Var::Partition,
        "arn" => Var::Arn,
        "each" => Var::Each,
        _ => return None,
    })
}

pub(super) fn expr(text: &str) -> Result<Expr, String> {
    let text = text.trim();
    if text.len() > MAX_LENGTH {
        return Err(format!("an expression may have {MAX_LENGTH} bytes, this has {}", text.len()));
    }
    let mut pieces = split_outside(text, '|').into_iter();
    let path = pieces.next().unwrap_or_default().trim();
    let transforms = pieces.map(|t| Transform::parse(t.trim())).collect::<Result<_, _>>()?;
    let (root, rest) = match path.split_once(':') {
        Some((name, rest)) if is_name(name) => {
            (if name == "item" { Root::Item } else { Root::Answer(name.to_owned()) }, rest)
        }
        _ => match var(path) {
            Some(v) => (Root::Var(v), ""),
            None => (Root::Item, path),
        },
    };
    Ok(Expr { root, steps: steps(rest)?, transforms })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Splits at `separator`, but not within brackets, parentheses or quotes.
pub(super) fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quote, mut start, mut parts) = (0_u32, None, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(' | '{') => depth += 1,
            (None, ']' | ')' | '}') => depth = depth.saturating_sub(1),
            (None, _) if c == separator && depth == 0 => {
                parts.push(&text[start..i]);
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    if text.is_empty() {
        return Ok(steps);
    }
    for segment in split_outside(text, '.') {
        let open =
            if segment.starts_with('"') { closing_quote(segment)? } else { segment.find('[').unwrap_or(segment.len()) };
        let (name, mut brackets) = segment.split_at(open);
        let name = name.trim_matches('"');
        if !name.is_empty() {
            if name.contains([' ', '{', '}', '(', ')', '\'']) {
                return Err(format!("`{name}` is no member's name (quote it: \"{name}\")"));
            }
            steps.push(Step::Field(name.to_owned()));
        } else if brackets.is_empty() {
            return Err(format!("empty step in `{text}`"));
        }
        while !brackets.is_empty() {
            let end = brackets
                .find(']')
                .filter(|_| brackets.starts_with('['))
                .ok_or_else(|| format!("`{segment}`: `]` is missing"))?;
            steps.push(bracket(&brackets[1..end])?);
            brackets = &brackets[end + 1..];
        }
    }
    Ok(steps)
}

fn closing_quote(segment: &str) -> Result<usize, String> {
    segment[1..].find('"').map(|i| i + 2).ok_or_else(|| format!("`{segment}`: closing quote is missing"))
}

fn bracket(inner: &str) -> Result<Step, String> {
    if inner == "*" {
        return Ok(Step::All);
    }
    let Some(filter) = inner.strip_prefix('?') else {
        return inner
            .parse()
            .map(Step::Index)
            .map_err(|_| format!("`[{inner}]` is neither `[*]`, `[0]` nor `[?Key=='x']`"));
    };
    let (path, equal, value) = match (filter.split_once("=="), filter.split_once("!=")) {
        (Some((p, v)), _) => (p, true, v),
        (None, Some((p, v))) => (p, false, v),
        (None, None) => return Err(format!("`[{inner}]`: a filter is `?Key=='x'` or `?Key!='x'`")),
    };
    let value = Template::parse(value.trim().trim_matches('\''))?;
    Ok(Step::Filter { path: path.trim().split('.').map(str::to_owned).collect(), equal, value })
}
