//! Terraform's addresses of resource instances: `module.net[0].aws_subnet.a["x"]`.

use crate::error::Error;
use crate::json::Node;

/// Module (may be empty), type, name and index as one address.
pub(super) fn whole(module: &str, kind: &str, name: &str, index: Option<Node<'_>>) -> Result<String, Error> {
    let dot = if module.is_empty() { "" } else { "." };
    let index = match index {
        None => String::new(),
        Some(node) => match node.read()? {
            serde_json::Value::Number(n) => format!("[{n}]"),
            key @ serde_json::Value::String(_) => format!("[{key}]"),
            _ => return Err(node.error("an index must be a number or a string")),
        },
    };
    Ok(format!("{module}{dot}{kind}.{name}{index}"))
}

/// The address without indices, as a plan's configuration has it: `module.net.aws_subnet.a`.
pub(super) fn without_indices(address: &str) -> String {
    let mut plain = String::with_capacity(address.len());
    let mut chars = address.chars();
    while let Some(c) = chars.next() {
        if c != '[' {
            plain.push(c);
            continue;
        }
        let mut quoted = false;
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => drop(chars.next()),
                '"' => quoted = !quoted,
                ']' if !quoted => break,
                _ => {}
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_left_out_whatever_they_hold() {
        for (address, plain) in [
            ("aws_vpc.a", "aws_vpc.a"),
            ("module.a[0].module.b[\"x\"].aws_vpc.c[1]", "module.a.module.b.aws_vpc.c"),
            (r#"module.a["]\"]"].aws_vpc.c"#, "module.a.aws_vpc.c"),
            ("aws_vpc.a[\"", "aws_vpc.a"),
        ] {
            assert_eq!(without_indices(address), plain);
        }
    }
}
