//! What reaches the terminal: results on stdout, logs and errors on stderr. Only this module prints.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::args::Global;

/// Starts logging to stderr. `DRIFTLINE_LOG` takes tracing's filters and wins over `-v`.
pub(crate) fn logging(global: &Global) {
    let level = match global.verbose {
        0 => "warn,aws_config=error",
        1 => "info,driftline=debug,aws_config=error,fjall=warn,lsm_tree=warn",
        _ => "debug,hyper=info,h2=info,tower=info",
    };
    let filter = EnvFilter::try_from_env("DRIFTLINE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if global.log_json {
        builder.json().init();
    } else {
        builder.with_target(false).compact().init();
    }
}

/// Prints to stdout; a closed pipe (`| head`) ends quietly.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    if out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints a value as indented JSON, piece by piece; a closed pipe ends quietly.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    match serde_json::to_writer_pretty(&mut out, value) {
        Err(error) if !error.is_io() => return Err(error.into()),
        Err(_) => std::process::exit(0),
        Ok(()) => {}
    }
    if out.write_all(b"\n").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
    Ok(())
}

/// A line for the person at the terminal, beside the results.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}"); // nobody to tell if stderr is gone
}

/// An error with its causes; exit code 1.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    note(&format!("error: {}", causes.join("\n  because: ")));
    ExitCode::from(1)
}

/// Makes a stranger's text safe to print: control characters escaped, cut to `width` characters.
pub(crate) fn safe(text: &str, width: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n >= width {
            out.push('…');
            break;
        }
        // Bidirectional overrides can make a line read as another.
        let hidden = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || hidden { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}
