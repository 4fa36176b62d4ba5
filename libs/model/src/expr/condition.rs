//! Conditions: `expr`, `!expr`, `expr == x`, `expr != x`, `expr ~ glob*`; lists of them hold together.

use serde_json::Value;

use super::{Expr, Sight, scalar_text};
use crate::glob;

/// How the value is tested.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is there: not null, false, 0, `""` or empty.
    Truthy,
    /// The opposite.
    Falsy,
    /// Its text is this.
    Equals(String),
    /// Its text is not this.
    Differs(String),
    /// Its text fits the pattern (`*` any run, `?` any character).
    Like(String),
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// What is looked at.
    pub expr: Expr,
    /// How.
    pub test: Test,
}

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let word = |t: &str| t.trim().trim_matches('\'').to_owned();
        let (expr, test) = if let Some((e, v)) = text.split_once(" == ") {
            (e, Test::Equals(word(v)))
        } else if let Some((e, v)) = text.split_once(" != ") {
            (e, Test::Differs(word(v)))
        } else if let Some((e, v)) = text.split_once(" ~ ") {
            (e, Test::Like(word(v)))
        } else if let Some(e) = text.strip_prefix('!') {
            (e, Test::Falsy)
        } else {
            (text, Test::Truthy)
        };
        if expr.trim().is_empty() {
            return Err("a condition needs a path".to_owned());
        }
        Ok(Self { expr: Expr::parse(expr)?, test })
    }

    /// Whether it holds for what is in sight.
    pub fn holds(&self, sight: &dyn Sight) -> bool {
        self.test.holds(&self.expr.eval(sight))
    }
}

impl Test {
    /// Whether it holds for the value; of an array any element will do.
    pub fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Truthy, v) => truthy(v),
            (Self::Falsy, v) => !truthy(v),
            (Self::Differs(w), Value::Array(a)) => a.iter().all(|v| scalar_text(v) != *w),
            (Self::Differs(w), v) => scalar_text(v) != *w,
            (Self::Equals(_) | Self::Like(_), Value::Array(a)) => a.iter().any(|v| self.holds(v)),
            (Self::Equals(w), v) => scalar_text(v) == *w,
            (Self::Like(p), v) => glob::matches(p, &scalar_text(v)),
        }
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}
