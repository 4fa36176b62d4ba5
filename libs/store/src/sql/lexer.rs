//! Tokens of ClickHouse's SQL, comments left out.

use super::Refused;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keyword, bare identifier or number.
    Word,
    /// Identifier in double quotes or backticks, without the quotes.
    Quoted,
    /// String literal, with its quotes.
    Text,
    /// Anything else, one byte.
    Symbol,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token<'_> {
    /// Is it this bare word, in whatever case?
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Is it this symbol?
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }
}

/// Cuts `sql` into tokens.
pub(super) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, Refused> {
    let mut lexer = Lexer { sql, bytes: sql.as_bytes(), at: 0 };
    let mut all = Vec::new();
    while let Some(token) = lexer.next()? {
        all.push(token);
    }
    Ok(all)
}

struct Lexer<'a> {
    sql: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    fn refuse<T>(&self, at: usize, why: &'static str) -> Result<T, Refused> {
        Err(Refused::Unreadable { at, why })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn token(&self, kind: Kind, start: usize, text: &'a str) -> Token<'a> {
        Token { kind, text, start, end: self.at }
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, Refused> {
        self.skip_blank()?;
        let start = self.at;
        let Some(first) = self.peek(0) else { return Ok(None) };
        match first {
            b'\'' => {
                self.quoted(first)?;
                Ok(Some(self.token(Kind::Text, start, &self.sql[start..self.at])))
            }
            b'"' | b'`' => {
                self.quoted(first)?;
                let inner = &self.sql[start + 1..self.at - 1];
                if inner.contains('\\') {
                    return self.refuse(start, "an identifier with a backslash");
                }
                Ok(Some(self.token(Kind::Quoted, start, inner)))
            }
            _ if is_word(first) => {
                while self.peek(0).is_some_and(is_word) {
                    self.at += 1;
                }
                if matches!(self.peek(0), Some(b'\'' | b'"' | b'`')) {
                    return self.refuse(start, "a quote that touches a word");
                }
                Ok(Some(self.token(Kind::Word, start, &self.sql[start..self.at])))
            }
            b'#' | b'$' | b'\\' => self.refuse(start, "`#`, `$` and `\\` only in quotes"),
            0x21..=0x7e => {
                self.at += 1;
                Ok(Some(self.token(Kind::Symbol, start, &self.sql[start..self.at])))
            }
            _ => self.refuse(start, "a control or non-ASCII character outside quotes"),
        }
    }

    /// Skips white space and comments.
    fn skip_blank(&mut self) -> Result<(), Refused> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c), _) => self.at += 1,
                (Some(b'-'), Some(b'-')) => {
                    while self.peek(0).is_some_and(|b| b != b'\n') {
                        self.at += 1;
                    }
                }
                (Some(b'/'), Some(b'*')) => match self.sql[self.at + 2..].find("*/") {
                    Some(length) => self.at += length + 4,
                    None => return self.refuse(self.at, "a comment without end"),
                },
                (Some(b'/'), Some(b'/')) => return self.refuse(self.at, "`//`"),
                _ => return Ok(()),
            }
        }
    }

    /// Goes past a quoted thing: a backslash takes the next byte, a doubled quote is one.
    fn quoted(&mut self, quote: u8) -> Result<(), Refused> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return self.refuse(start, "a quote without end"),
                Some(b'\\') => {
                    // a multi-byte character after a backslash: all of its bytes are above 0x7f, so none is a quote
                    self.at += 2;
                }
                Some(byte) if byte == quote => {
                    self.at += 1;
                    if self.peek(0) != Some(quote) {
                        break;
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
        // `'a'b` and `'a'"b"` read differently from version to version
        match self.peek(0) {
            Some(byte) if is_word(byte) || matches!(byte, b'\'' | b'"' | b'`') => {
                self.refuse(start, "a quote that touches a word")
            }
            _ => Ok(()),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
