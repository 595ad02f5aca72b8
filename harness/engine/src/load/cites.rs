//! Requirements: the form of what a case holds the kernel to.

use crate::load::sysctl;
use crate::notation::NotationError;

const CITES_EXPECTED: &str =
    "`RFC 9293 3.10.7.4`, `RFC 9293 MUST-13`, `Linux tcp_fin()`, `Linux sysctl tcp_fin_timeout` or `Linux tcp(7)`";

/// Checks a requirement.
pub(super) fn check_cite(text: &str) -> Result<(), NotationError> {
    let complain = |message: String, expected: &str| Err(super::context::whole(text, message, expected));
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["RFC", number] if is_rfc_number(number) => Ok(()),
        ["RFC", number, section] if is_rfc_number(number) && (is_section(section) || is_requirement(section)) => Ok(()),
        ["Linux", "sysctl", name] if sysctl::find(name).is_some() => Ok(()),
        ["Linux", "sysctl", name] => complain(format!("unknown sysctl `{name}`"), &sysctl::expected(name)),
        ["Linux", function] if is_function(function) || is_manual_page(function) => Ok(()),
        _ => complain(format!("`{text}` cites nothing"), CITES_EXPECTED),
    }
}

fn is_rfc_number(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit()) && !text.starts_with('0')
}

/// `3.10.7.4`, `A.2`.
fn is_section(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|c| c.is_ascii_digit());
    let letter = |part: &str| matches!(part.as_bytes(), [b'A'..=b'Z']);
    text.split('.').enumerate().all(|(i, part)| number(part) || (i == 0 && letter(part)))
}

/// `MUST-13`, as RFC 9293 numbers its requirements.
fn is_requirement(text: &str) -> bool {
    text.split_once('-').is_some_and(|(level, number)| {
        matches!(level, "MUST" | "SHLD" | "MAY" | "REC")
            && !number.is_empty()
            && number.bytes().all(|c| c.is_ascii_digit())
    })
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

fn is_function(text: &str) -> bool {
    text.strip_suffix("()").is_some_and(is_identifier)
}

/// `tcp(7)`.
fn is_manual_page(text: &str) -> bool {
    text.strip_suffix(')')
        .and_then(|text| text.split_once('('))
        .is_some_and(|(name, section)| is_identifier(name) && matches!(section.as_bytes(), [b'1'..=b'9']))
}
