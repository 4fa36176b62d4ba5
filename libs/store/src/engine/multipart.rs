//! The plain subset of `multipart/form-data` (RFC 7578) in which clients send a query with parameters.

/// Most fields that a form may have.
const MAX_FIELDS: usize = 256;

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    let boundary = rest.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let plain = kind.trim().eq_ignore_ascii_case("multipart/form-data") && (1..=70).contains(&boundary.len());
    plain.then_some(boundary)
}

/// Names and values in order.
pub(super) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "a form field is not UTF-8")?;
    let first = format!("--{boundary}");
    let mut rest = text.strip_prefix(&first).ok_or("a form without its boundary")?;
    let next = format!("\r\n--{boundary}");
    let mut all = Vec::new();
    while !rest.starts_with("--") {
        let part = rest.strip_prefix("\r\n").ok_or("a form field without a line of its own")?;
        let (head, tail) = part.split_once("\r\n\r\n").ok_or("a form field without a head")?;
        let (value, tail) = tail.split_once(next.as_str()).ok_or("a form field without an end")?;
        let name = head.split("name=\"").nth(1).and_then(|name| name.split('"').next());
        all.push((name.ok_or("a form field without a name")?.to_owned(), value.to_owned()));
        if all.len() > MAX_FIELDS {
            return Err("a form with too many fields");
        }
        rest = tail;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{boundary, fields};

    #[test]
    fn a_form_is_read_and_a_broken_one_refused() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("multipart/form-data; charset=x; boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("text/plain; boundary=abc"), None);
        let body = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {x: String}\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"param_x\"\r\n\r\na\r\n\r\n--c\r\n--b--\r\n";
        let expect = [("query", "SELECT {x: String}"), ("param_x", "a\r\n\r\n--c")];
        let expect: Vec<_> = expect.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(fields(body.as_bytes(), "b"), Ok(expect));
        for cut in 0..body.len() - 4 {
            assert!(fields(&body.as_bytes()[..cut], "b").is_err(), "cut at {cut}");
        }
    }
}
