//! Scalars as text: timestamps as the AWS CLI prints them, numbers and booleans of parameters and of XML.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Number, Value};

/// `2024-05-01T10:20:30+00:00`, with microseconds where there are any.
pub(crate) fn iso8601(time: DateTime) -> Option<String> {
    let micros = (i128::from(time.secs()) * 1_000_000) + i128::from((time.subsec_nanos() + 500) / 1000);
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(micros * 1000).ok()?;
    let (date, clock) = (time.date(), time.time());
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    );
    if clock.microsecond() != 0 {
        text.push_str(&format!(".{:06}", clock.microsecond()));
    }
    text.push_str("+00:00");
    Some(text)
}

/// A timestamp in any form that AWS writes: ISO 8601, an HTTP date, seconds since 1970.
pub(crate) fn timestamp(text: &str) -> Option<DateTime> {
    let text = text.trim();
    [Format::DateTimeWithOffset, Format::EpochSeconds, Format::HttpDate]
        .into_iter()
        .find_map(|format| DateTime::from_str(text, format).ok())
        .or_else(|| DateTime::from_str(&format!("{text}T00:00:00Z"), Format::DateTime).ok())
}

/// A timestamp given as a parameter: text, or seconds since 1970.
pub(crate) fn timestamp_parameter(value: &Value) -> Option<DateTime> {
    match value {
        Value::String(text) => timestamp(text),
        Value::Number(number) => match number.as_i64() {
            Some(seconds) => Some(DateTime::from_secs(seconds)),
            None => number.as_f64().map(DateTime::from_secs_f64),
        },
        _ => None,
    }
}

/// A floating number given as a parameter; what JSON can't write comes as text.
pub(crate) fn float_parameter(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A floating number as JSON; what JSON can't write becomes text.
pub(crate) fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => Value::from("NaN"),
        None if value > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}

/// A boolean of an XML document.
pub(super) fn boolean(text: &str) -> Option<Value> {
    match text.trim() {
        "true" | "True" | "1" => Some(Value::Bool(true)),
        "false" | "False" | "0" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// A whole number of an XML document: of 64 bits, with or without a sign, whatever the model says of its size.
pub(super) fn integer(text: &str) -> Option<Value> {
    let text = text.trim();
    text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok()
}

/// A floating number of an XML document.
pub(super) fn floating(text: &str) -> Option<Value> {
    match text.trim() {
        "NaN" => Some(float(f64::NAN)),
        "Infinity" => Some(float(f64::INFINITY)),
        "-Infinity" => Some(float(f64::NEG_INFINITY)),
        text => text.parse().ok().filter(|n: &f64| n.is_finite()).map(float),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_of_64_bits_are_read_with_and_without_a_sign() {
        for (text, number) in [
            ("0", json!(0)),
            (" -1\n", json!(-1)),
            ("9223372036854775807", json!(i64::MAX)),
            ("18446744073709551611", json!(18_446_744_073_709_551_611_u64)),
        ] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        for text in ["", "1.5", "18446744073709551616", "0x10"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
