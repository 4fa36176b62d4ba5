//! Text with expressions in braces, and parameter trees made of it.

use serde_json::{Map, Value};

use super::{Expr, Sight, scalar_text};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Piece {
    Text(String),
    Expr(Expr),
}

/// `arn:{partition}:s3:::{Name}`; `{{` is a brace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Template(Vec<Piece>);

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(open) = rest.find('{') {
            plain.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                plain.push('{');
                rest = after;
                continue;
            }
            let close = closing(rest).ok_or_else(|| format!("`{text}`: `}}` is missing"))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Expr(Expr::parse(&rest[..close])?));
            rest = &rest[close + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The expressions in it.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.0.iter().filter_map(|p| match p {
            Piece::Expr(e) => Some(e),
            Piece::Text(_) => None,
        })
    }

    /// The named answers it needs.
    pub fn answers(&self) -> Vec<&str> {
        self.exprs().flat_map(Expr::answers).collect()
    }

    /// The text; `None` if any expression in it is null or empty.
    pub fn text(&self, sight: &dyn Sight) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(t) => out.push_str(t),
                Piece::Expr(e) => {
                    let text = scalar_text(&e.eval(sight));
                    if text.is_empty() {
                        return None;
                    }
                    out.push_str(&text);
                }
            }
        }
        Some(out)
    }

    /// The value: of a lone `{expr}` as it is, otherwise the text; null if anything in it is null.
    pub fn value(&self, sight: &dyn Sight) -> Value {
        match self.0.as_slice() {
            [Piece::Expr(e)] => e.eval(sight),
            _ => self.text(sight).map_or(Value::Null, Value::String),
        }
    }
}

/// Index of the brace that closes what was opened, quotes and inner braces respected.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_u32, false);
    for (i, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted && depth == 0 => return Some(i),
            '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Parameters of a call: JSON whose strings are templates.
#[derive(Debug, Clone, PartialEq)]
pub enum Params {
    /// A string.
    Template(Template),
    /// A number, boolean or null.
    Plain(Value),
    /// A list.
    List(Vec<Params>),
    /// A structure or map.
    Object(Vec<(String, Params)>),
}

impl Default for Params {
    fn default() -> Self {
        Self::Object(Vec::new())
    }
}

impl Params {
    /// Reads the templates in a JSON value.
    pub fn parse(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(s) => Self::Template(Template::parse(s)?),
            Value::Array(a) => Self::List(a.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(o) => {
                Self::Object(o.iter().map(|(k, v)| Ok((k.clone(), Self::parse(v)?))).collect::<Result<_, String>>()?)
            }
            other => Self::Plain(other.clone()),
        })
    }

    /// The named answers it needs.
    pub fn answers(&self) -> Vec<&str> {
        match self {
            Self::Template(t) => t.answers(),
            Self::Plain(_) => Vec::new(),
            Self::List(l) => l.iter().flat_map(Self::answers).collect(),
            Self::Object(o) => o.iter().flat_map(|(_, p)| p.answers()).collect(),
        }
    }

    /// The parameters; members that come out null are left out.
    pub fn value(&self, sight: &dyn Sight) -> Value {
        match self {
            Self::Template(t) => t.value(sight),
            Self::Plain(v) => v.clone(),
            Self::List(l) => Value::Array(l.iter().map(|p| p.value(sight)).filter(|v| !v.is_null()).collect()),
            Self::Object(o) => {
                let members = o.iter().map(|(k, p)| (k.clone(), p.value(sight))).filter(|(_, v)| !v.is_null());
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}
