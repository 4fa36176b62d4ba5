//! Listings over several pages, joined into one value.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::client::PageLimit;
use crate::error::Error;
use crate::model::Paginator;

/// A listing under way.
pub(crate) struct Listing<'a> {
    paginator: &'a Paginator,
    params: Cow<'a, Value>,
    limit: PageLimit,
    seen: HashSet<String>,
    pages: usize,
    bytes: usize,
    more: bool,
    joined: Value,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(paginator: &'a Paginator, params: &'a Value, limit: PageLimit) -> Self {
        Listing {
            paginator,
            params: Cow::Borrowed(params),
            limit,
            seen: HashSet::new(),
            pages: 0,
            bytes: 0,
            more: true,
            joined: Value::Null,
        }
    }

    /// The parameters of the next page; `None` when all is there.
    pub(crate) fn next(&self) -> Option<&Value> {
        self.more.then_some(&self.params)
    }

    /// Takes a page in.
    pub(crate) fn add(&mut self, page: Value, bytes: usize) -> Result<(), Error> {
        self.pages += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit.bytes {
            return Err(Error::TooLarge { limit: self.limit.bytes, unit: "bytes" });
        }
        let tokens = self.tokens(&page);
        self.more = tokens.is_some();
        if let Some(tokens) = tokens {
            if self.pages >= self.limit.pages {
                return Err(Error::TooLarge { limit: self.limit.pages, unit: "pages" });
            }
            if !self.seen.insert(Value::from(tokens.clone()).to_string()) {
                return Err(Error::PageLoop);
            }
            self.turn(tokens);
        }
        self.join(page);
        Ok(())
    }

    /// The joined value, without what only led from page to page.
    pub(crate) fn finish(self) -> Value {
        let mut joined = self.joined;
        if let Value::Object(map) = &mut joined {
            let tokens = self.paginator.output_tokens.iter().flat_map(|t| t.split("||")).map(str::trim);
            for name in tokens.chain(self.paginator.more_results) {
                map.remove(name);
            }
        }
        joined
    }

    /// What the next page is asked for with; `None` when this was the last.
    fn tokens(&self, page: &Value) -> Option<Vec<Value>> {
        if let Some(more) = self.paginator.more_results
            && !find(page, more).and_then(Value::as_bool).unwrap_or_default()
        {
            return None;
        }
        let tokens: Vec<Value> = self
            .paginator
            .output_tokens
            .iter()
            .map(|path| {
                path.split("||").find_map(|p| find(page, p.trim()).filter(|v| is_token(v))).cloned().unwrap_or_default()
            })
            .collect();
        tokens.iter().any(is_token).then_some(tokens)
    }

    fn turn(&mut self, tokens: Vec<Value>) {
        let params = self.params.to_mut();
        if !params.is_object() {
            *params = Value::Object(Map::new());
        }
        let Value::Object(map) = params else { return };
        for (name, token) in self.paginator.input_tokens.iter().zip(tokens) {
            if is_token(&token) {
                map.insert((*name).to_owned(), token);
            } else {
                map.remove(*name);
            }
        }
    }

    fn join(&mut self, mut page: Value) {
        if self.joined.is_null() {
            self.joined = page;
            return;
        }
        for key in &self.paginator.result_keys {
            if let Some(more) = find_mut(&mut page, key) {
                let more = more.take();
                append(slot(&mut self.joined, key), more);
            }
        }
    }
}

fn is_token(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}

/// A value by its path: names, and `[-1]` for the last element.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, step| match step.strip_suffix("[-1]") {
        Some(name) => value.get(name)?.as_array()?.last(),
        None => value.get(step),
    })
}

fn find_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(value, |value, step| value.get_mut(step))
}

/// The place of a path, made where it isn't.
fn slot<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(value, |value, step| {
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        &mut value[step]
    })
}

fn append(have: &mut Value, more: Value) {
    match (have, more) {
        (Value::Array(have), Value::Array(more)) => have.extend(more),
        (Value::Object(have), Value::Object(more)) => have.extend(more),
        (Value::String(have), Value::String(more)) => have.push_str(&more),
        (have @ Value::Number(_), Value::Number(more)) => {
            if let (Some(a), Some(b)) = (have.as_i64(), more.as_i64()) {
                *have = Value::from(a.saturating_add(b));
            }
        }
        (have @ Value::Null, more) => *have = more,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paginator(
        input: &[&'static str],
        output: &[&'static str],
        result: &[&'static str],
        more: Option<&'static str>,
    ) -> Paginator {
        Paginator {
            input_tokens: input.to_vec(),
            output_tokens: output.to_vec(),
            result_keys: result.to_vec(),
            more_results: more,
        }
    }

    /// Serves the pages in turn; what was asked for each, and the joined value.
    fn list(paginator: &Paginator, pages: &[Value], limit: PageLimit) -> (Vec<Value>, Result<Value, Error>) {
        let params = json!({ "Filter": "f" });
        let mut listing = Listing::new(paginator, &params, limit);
        let mut asked = Vec::new();
        let mut pages = pages.iter();
        while let Some(params) = listing.next() {
            asked.push(params.clone());
            let page = pages.next().expect("no more pages are asked for than there are").clone();
            if let Err(error) = listing.add(page, 10) {
                return (asked, Err(error));
            }
        }
        (asked, Ok(listing.finish()))
    }

    #[test]
    fn pages_become_one_value() {
        let simple = paginator(&["Marker"], &["NextMarker"], &["Items"], None);
        let pages =
            [json!({"Items": [1], "NextMarker": "a", "Owner": "o"}), json!({"Items": [2, 3], "NextMarker": ""})];
        let (asked, joined) = list(&simple, &pages, PageLimit::default());
        assert_eq!(asked, [json!({"Filter": "f"}), json!({"Filter": "f", "Marker": "a"})]);
        assert_eq!(joined.unwrap(), json!({"Items": [1, 2, 3], "Owner": "o"}));

        let nested = paginator(&["Marker"], &["L.NextMarker"], &["L.Items", "L.Count"], Some("L.IsTruncated"));
        let pages = [
            json!({"L": {"NextMarker": "x", "IsTruncated": true, "Count": 1}}),
            json!({"L": {"Items": ["b"], "NextMarker": "y", "IsTruncated": false, "Count": 2}}),
        ];
        let (asked, joined) = list(&nested, &pages, PageLimit::default());
        assert_eq!(asked.len(), 2);
        assert_eq!(joined.unwrap()["L"]["Items"], json!(["b"]));

        let last = paginator(&["Marker"], &["NextMarker || Contents[-1].Key"], &["Contents"], Some("IsTruncated"));
        let pages = [
            json!({"Contents": [{"Key": "a"}, {"Key": "b"}], "IsTruncated": true}),
            json!({"Contents": [{"Key": "c"}], "IsTruncated": false}),
        ];
        let (asked, joined) = list(&last, &pages, PageLimit::default());
        assert_eq!(asked[1]["Marker"], "b");
        assert_eq!(joined.unwrap(), json!({"Contents": [{"Key": "a"}, {"Key": "b"}, {"Key": "c"}]}));

        let two = paginator(&["Key", "Version"], &["NextKey", "NextVersion"], &["V"], None);
        let pages = [
            json!({"V": [1], "NextKey": "k", "NextVersion": "v"}),
            json!({"V": [2], "NextKey": "l"}),
            json!({"V": [3]}),
        ];
        let (asked, joined) = list(&two, &pages, PageLimit::default());
        assert_eq!(asked[2], json!({"Filter": "f", "Key": "l"}));
        assert_eq!(joined.unwrap(), json!({"V": [1, 2, 3]}));
    }

    #[test]
    fn a_listing_that_never_ends_is_an_error() {
        let simple = paginator(&["Marker"], &["NextMarker"], &["Items"], None);
        let same = [json!({"Items": [1], "NextMarker": "a"}), json!({"Items": [2], "NextMarker": "a"})];
        assert!(matches!(list(&simple, &same, PageLimit::default()).1, Err(Error::PageLoop)));

        let endless: Vec<Value> = (0..9).map(|n| json!({"Items": [n], "NextMarker": format!("{n}")})).collect();
        for (limit, unit) in [
            (PageLimit { pages: 3, ..Default::default() }, "pages"),
            (PageLimit { bytes: 35, ..Default::default() }, "bytes"),
        ] {
            match list(&simple, &endless, limit).1 {
                Err(Error::TooLarge { unit: found, .. }) => assert_eq!(found, unit),
                other => panic!("{other:?}"),
            }
        }
    }
}
