//! AWS's wildcards: `*` any run of characters, `?` any one; nothing else is special. Linear time, no recursion.

/// Longest patterns that are looked into: actions and ARNs are shorter, and the work grows with the product.
const MAX_COVERED: usize = 2048;

/// Whether the whole text fits the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    fits(pattern, text, false)
}

/// Whether everything that `inner` (a pattern itself) admits is admitted by `outer`. Sound, not complete: a false
/// answer may be wrong for patterns like `a*` against `aa*`-with-`?` combinations, a true one never is.
pub fn covers(outer: &str, inner: &str) -> bool {
    let wild = outer.contains(['*', '?']) && outer.len().max(inner.len()) <= MAX_COVERED;
    outer == inner || wild && fits(outer, inner, true)
}

fn fits(pattern: &str, text: &str, wild: bool) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut star, mut mark) = (0, 0, None, 0);
    while j < t.len() {
        let one = i < p.len() && (p[i] == t[j] || p[i] == '?') && p[i] != '*' && !(wild && p[i] == '?' && t[j] == '*');
        if one {
            i += 1;
            j += 1;
        } else if i < p.len() && p[i] == '*' {
            star = Some(i);
            mark = j;
            i += 1;
        } else if let Some(s) = star {
            i = s + 1;
            mark += 1;
            j = mark;
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}
