//! An XML document as a walk through its elements, once and to the end: what is skipped is checked too. The codec of
//! `aws-smithy-xml` reads every level anew; this reads a large listing in a fraction of its time.

use std::borrow::Cow;

use xmlparser::{ElementEnd, StrSpan, Token, Tokenizer};

/// Why a document can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ends before its root does.
    Cut,
    /// It is nested deeper than allowed.
    Deep,
    /// It is no XML, or not what was expected.
    Wrong(String),
}

/// The start of an element.
#[derive(Debug, Clone)]
pub(crate) struct Element<'a> {
    /// Its name without a prefix.
    pub(crate) name: &'a str,
    /// Attributes with the names as written (`xsi:type`), values as written.
    attributes: Vec<(&'a str, &'a str)>,
    /// How deep its content is; nothing follows for an empty element.
    depth: usize,
    empty: bool,
}

impl Element<'_> {
    /// An attribute's value.
    pub(crate) fn attribute(&self, name: &str) -> Option<Result<Cow<'_, str>, Fault>> {
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| unescaped(value))
    }
}

/// A document under way.
pub(crate) struct Walk<'a> {
    tokens: Tokenizer<'a>,
    /// Names of the elements that are open.
    open: Vec<(&'a str, &'a str)>,
    limit: usize,
}

impl<'a> Walk<'a> {
    /// Starts at the root.
    pub(crate) fn start(document: &'a str, limit: usize) -> Result<(Self, Element<'a>), Fault> {
        let document = document.strip_prefix('\u{feff}').unwrap_or(document);
        let mut walk = Walk { tokens: Tokenizer::from(document), open: Vec::with_capacity(16), limit };
        loop {
            match walk.token()?.ok_or(Fault::Cut)? {
                Token::ElementStart { prefix, local, .. } => {
                    let root = walk.element(prefix, local)?;
                    return Ok((walk, root));
                }
                token => ignored(&token)?,
            }
        }
    }

    /// The next element within `parent`; `None` at its end. Text between is passed over.
    pub(crate) fn child(&mut self, parent: &Element<'a>) -> Result<Option<Element<'a>>, Fault> {
        self.leave(parent)?;
        if parent.empty {
            return Ok(None);
        }
        while self.open.len() >= parent.depth {
            match self.token()?.ok_or(Fault::Cut)? {
                Token::ElementStart { prefix, local, .. } => return self.element(prefix, local).map(Some),
                Token::ElementEnd { end: ElementEnd::Close(prefix, local), .. } => self.close(prefix, local)?,
                Token::Text { .. } | Token::Cdata { .. } => {}
                token => ignored(&token)?,
            }
        }
        Ok(None)
    }

    /// The text of an element that holds nothing else.
    pub(crate) fn text(&mut self, element: &Element<'a>) -> Result<Cow<'a, str>, Fault> {
        let mut text = Cow::Borrowed("");
        while !element.empty && self.open.len() >= element.depth {
            match self.token()?.ok_or(Fault::Cut)? {
                Token::Text { text: more } => push(&mut text, unescaped(more.as_str())?),
                Token::Cdata { text: more, .. } => push(&mut text, Cow::Borrowed(more.as_str())),
                Token::ElementEnd { end: ElementEnd::Close(prefix, local), .. } => self.close(prefix, local)?,
                Token::ElementStart { local, .. } => {
                    return Err(Fault::Wrong(format!("<{local}> where {} holds text", element.name)));
                }
                token => ignored(&token)?,
            }
        }
        Ok(text)
    }

    /// What follows the root is nothing.
    pub(crate) fn finish(mut self, root: &Element<'a>) -> Result<(), Fault> {
        while self.child(root)?.is_some() {}
        while let Some(token) = self.token()? {
            ignored(&token)?;
        }
        Ok(())
    }

    /// Passes over what is left of a child of `parent` that was opened and not read.
    fn leave(&mut self, parent: &Element<'a>) -> Result<(), Fault> {
        while self.open.len() > parent.depth {
            match self.token()?.ok_or(Fault::Cut)? {
                Token::ElementStart { prefix, local, .. } => drop(self.element(prefix, local)?),
                Token::ElementEnd { end: ElementEnd::Close(prefix, local), .. } => self.close(prefix, local)?,
                Token::Text { text } => drop(unescaped(text.as_str())?),
                Token::Cdata { .. } => {}
                token => ignored(&token)?,
            }
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Option<Token<'a>>, Fault> {
        self.tokens.next().transpose().map_err(|e| Fault::Wrong(e.to_string()))
    }

    /// The rest of a start tag.
    fn element(&mut self, prefix: StrSpan<'a>, local: StrSpan<'a>) -> Result<Element<'a>, Fault> {
        let mut attributes = Vec::new();
        let empty = loop {
            match self.token()?.ok_or(Fault::Cut)? {
                Token::Attribute { prefix, local, value, span } => {
                    let length =
                        prefix.as_str().len() + local.as_str().len() + usize::from(!prefix.as_str().is_empty());
                    let name = span.as_str().get(..length).unwrap_or(local.as_str());
                    attributes.push((name, value.as_str()));
                }
                Token::ElementEnd { end: ElementEnd::Open, .. } => break false,
                Token::ElementEnd { end: ElementEnd::Empty, .. } => break true,
                _ => return Err(Fault::Wrong("a start tag that doesn't end".to_owned())),
            }
        };
        if self.open.len() >= self.limit {
            return Err(Fault::Deep);
        }
        if !empty {
            self.open.push((prefix.as_str(), local.as_str()));
        }
        Ok(Element { name: local.as_str(), attributes, depth: self.open.len(), empty })
    }

    fn close(&mut self, prefix: StrSpan<'a>, local: StrSpan<'a>) -> Result<(), Fault> {
        match self.open.pop() {
            Some(name) if name == (prefix.as_str(), local.as_str()) => Ok(()),
            Some((_, name)) => Err(Fault::Wrong(format!("</{local}> closes {name}"))),
            None => Err(Fault::Wrong(format!("</{local}> closes nothing"))),
        }
    }
}

/// Comments and the like pass; a document type could define entities.
fn ignored(token: &Token<'_>) -> Result<(), Fault> {
    match token {
        Token::Declaration { .. } | Token::ProcessingInstruction { .. } | Token::Comment { .. } => Ok(()),
        Token::Text { text } if text.as_str().trim().is_empty() => Ok(()),
        _ => Err(Fault::Wrong("what no answer holds: a document type, or text outside of the root".to_owned())),
    }
}

fn push<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// Line ends and references as XML 1.0 reads them (sections 2.11 and 4.6).
fn unescaped(text: &str) -> Result<Cow<'_, str>, Fault> {
    if !text.contains(['&', '\r']) {
        return Ok(Cow::Borrowed(text));
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let unknown = || Fault::Wrong("an unknown reference".to_owned());
        let (name, tail) = after.split_once(';').ok_or_else(unknown)?;
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            name => {
                let number = name.strip_prefix('#').ok_or_else(unknown)?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                code.ok().and_then(char::from_u32).ok_or_else(unknown)?
            }
        });
        rest = tail;
    }
    plain.push_str(rest);
    Ok(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and texts of a document's leaves.
    fn leaves(document: &str, limit: usize) -> Result<Vec<(String, String)>, Fault> {
        fn within<'a>(
            walk: &mut Walk<'a>,
            parent: &Element<'a>,
            found: &mut Vec<(String, String)>,
        ) -> Result<(), Fault> {
            while let Some(element) = walk.child(parent)? {
                match element.name {
                    "skip" => {}
                    "group" => within(walk, &element, found)?,
                    name => found.push((name.to_owned(), walk.text(&element)?.into_owned())),
                }
            }
            Ok(())
        }
        let (mut walk, root) = Walk::start(document, limit)?;
        let mut found = Vec::new();
        within(&mut walk, &root, &mut found)?;
        walk.finish(&root)?;
        Ok(found)
    }

    #[test]
    fn documents_are_walked_to_their_end() {
        let pairs =
            |found: &[(&str, &str)]| Ok(found.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect());
        let wrong = || Err(Fault::Wrong(String::new()));
        for (document, expect) in [
            ("<r/>", pairs(&[])),
            ("\u{feff}<?xml version='1.0'?><!-- c --><r><a>1</a> </r>\n<!-- d -->", pairs(&[("a", "1")])),
            ("<r><a/><b></b><c> x </c></r>", pairs(&[("a", ""), ("b", ""), ("c", " x ")])),
            ("<r><a>&lt;&amp;&#65;&#x42;&quot;&apos;\r\n</a></r>", pairs(&[("a", "<&AB\"'\n")])),
            ("<r><a>x<!-- c --><![CDATA[<&y]]>z</a></r>", pairs(&[("a", "x<&yz")])),
            ("<r><skip><a>1</a><b/></skip><group><b>2</b></group><c>3</c></r>", pairs(&[("b", "2"), ("c", "3")])),
            ("<n:r xmlns:n='u'><n:a>1</n:a></n:r>", pairs(&[("a", "1")])),
            ("", Err(Fault::Cut)),
            ("<r>", Err(Fault::Cut)),
            ("<r><a>1</a>", Err(Fault::Cut)),
            ("<r><skip>", Err(Fault::Cut)),
            ("<r><a>1</b></r>", wrong()),
            ("<r><skip><a></skip></a></r>", wrong()),
            ("<r><skip>&nope;</skip></r>", wrong()),
            ("<r><a>&nope;</a></r>", wrong()),
            ("<r><a>1<b/></a></r>", wrong()),
            ("<r/><r/>", wrong()),
            ("<r/>text", wrong()),
            ("text", wrong()),
            ("<!DOCTYPE r [<!ENTITY e 'x'>]><r><a>&e;</a></r>", wrong()),
            ("<r><group><group><group><a/></group></group></group></r>", Err(Fault::Deep)),
        ] {
            let found =
                leaves(document, 4).map_err(|e| if let Fault::Wrong(_) = e { Fault::Wrong(String::new()) } else { e });
            assert_eq!(found, expect, "{document}");
        }
    }

    #[test]
    fn attributes_keep_their_prefix() {
        let (_, root) = Walk::start("<r xmlns:xsi='u' xsi:type = \"a&amp;b\" type='c'/>", 4).unwrap();
        assert_eq!(root.attribute("xsi:type").unwrap().unwrap(), "a&b");
        assert_eq!(root.attribute("type").unwrap().unwrap(), "c");
        assert!(root.attribute("other").is_none());
    }
}
