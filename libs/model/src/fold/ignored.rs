//! `lifecycle.ignore_changes`: a source's paths as canonical ones.

use crate::catalogue::Type;
use crate::catalogue::kind::starts;

/// The canonical paths that a path of an instance of this kind stands for: `tags["Owner"]`, `rule[0].status`, `all`.
pub(super) fn paths(ty: &Type, kind: &str, written: &str) -> Vec<String> {
    let written = plain(written);
    if written == "all" || written == "*" {
        return if ty.is(kind) {
            vec!["*".to_owned()]
        } else {
            let folds = ty.folds.iter().filter(|f| f.kind == kind);
            folds.flat_map(|f| f.paths.keys().cloned()).collect()
        };
    }
    let mut out = Vec::new();
    let mut add = |canonical: &str, place: &str| {
        if place.is_empty() || place == written || starts(place, &written) {
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
    for fold in ty.folds.iter().filter(|f| f.kind == kind) {
        fold.paths.iter().for_each(|(path, source)| add(path, &source.path));
    }
    out.sort();
    out.dedup();
    out
}

/// Dots for brackets, list indexes dropped.
fn plain(written: &str) -> String {
    let mut out = String::new();
    for piece in written.split(['.', '[', ']']) {
        let piece = piece.trim().trim_matches(['"', '\'']);
        if piece.is_empty() || piece == "*" && !out.is_empty() || piece.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(piece);
    }
    out
}
