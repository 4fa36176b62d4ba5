//! `lifecycle.ignore_changes`: a source's paths as canonical ones.

use crate::catalogue::Type;
use crate::catalogue::kind::starts;

/// The canonical paths that a path of an instance of this kind stands for: `tags["Owner"]`, `rule[0].status`, `all`. Of an
/// instance that is one element of a list nothing is ignored: the others' elements must not fall silent with it.
pub(super) fn paths(ty: &Type, kind: &str, written: &str) -> Vec<String> {
    let written = plain(written);
    if written == "all" || written == "*" {
        return if ty.is(kind) {
            vec!["*".to_owned()]
        } else {
            let folds = ty.folds.iter().filter(|f| f.kind == kind && !f.element);
            folds.flat_map(|f| f.paths.keys().cloned()).collect()
        };
    }
    let mut out = Vec::new();
    let mut add = |canonical: &str, place: &str| {
        if place == written || starts(place, &written) {
            out.push(canonical.to_owned());
        } else if let Some(rest) = written.strip_prefix(place).and_then(|r| r.strip_prefix('.')) {
            out.push(format!("{canonical}.{rest}"));
        }
    };
    if ty.is(kind) {
        for (path, attribute) in &ty.attributes {
            attribute.terraform.iter().for_each(|place| add(path, &place.path));
        }
    }
    for fold in ty.folds.iter().filter(|f| f.kind == kind && !f.element) {
        fold.paths.iter().for_each(|(path, source)| add(path, &source.path));
    }
    out.sort();
    out.dedup();
    out
}

/// Dots for brackets, list indexes dropped; what stands in quotes is a key, whatever it is made of.
fn plain(written: &str) -> String {
    let (mut names, mut name, mut quote, mut quoted) = (Vec::new(), String::new(), None, false);
    for c in written.chars().chain(['.']) {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => name.push(c),
            (None, '"' | '\'') => (quote, quoted) = (Some(c), true),
            (None, '.' | '[' | ']') => {
                let index = !quoted && (name == "*" && !names.is_empty() || name.bytes().all(|b| b.is_ascii_digit()));
                if !index {
                    names.push(std::mem::take(&mut name));
                }
                name.clear();
                quoted = false;
            }
            (None, _) => name.push(c),
        }
    }
    names.join(".")
}
