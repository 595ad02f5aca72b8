//! The same texts as serde sees them, for `#[serde(with = "...")]` in the trace.

macro_rules! text_form {
    ($(#[$doc:meta])* $module:ident, $type:ty, $print:expr, $parse:expr) => {
        $(#[$doc])*
        pub mod $module {
            use serde::{Deserialize, Deserializer, Serializer};

            /// Writes the text.
            pub fn serialize<S: Serializer>(value: &$type, s: S) -> Result<S::Ok, S::Error> {
                let print: fn(&$type) -> String = $print;
                s.serialize_str(&print(value))
            }

            /// Reads the text.
            pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<$type, D::Error> {
                let parse: fn(&str) -> Result<$type, String> = $parse;
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                parse(&text).map_err(|why| serde::de::Error::custom(format!("`{text}`: {why}")))
            }
        }
    };
}

text_form!(
    /// An operation, as in `spare = dup()`.
    operation_text,
    crate::case::Operation,
    |op| op.to_string(),
    |text| crate::notation::parse_operation(text).map_err(|e| e.to_string())
);

text_form!(
    /// Poll events, as in `IN RDHUP`.
    poll_text,
    tcpconform_model::Poll,
    |events| crate::notation::print_poll(*events),
    |text| crate::notation::parse_poll(text).map_err(|e| e.to_string())
);

text_form!(
    /// An errno by name, as in `ECONNRESET`; one without a name by number.
    errno_text,
    tcpconform_model::Errno,
    |errno| errno.name().map_or_else(|| errno.0.to_string(), str::to_string),
    |text| {
        let named = tcpconform_model::Errno::NAMES.into_iter().find(|(_, name)| *name == text).map(|(errno, _)| errno);
        named.or_else(|| text.parse().ok().map(tcpconform_model::Errno)).ok_or_else(|| "not an errno".to_string())
    }
);

text_form!(
    /// An ICMP error by name, as in `host-unreachable`.
    icmp_kind_text,
    tcpconform_model::IcmpKind,
    |kind| kind.to_string(),
    |text| crate::notation::parse_icmp_kind(text).map_err(|e| e.to_string())
);

text_form!(
    /// A state by the RFC's name, as in `FIN-WAIT-1`.
    state_text,
    tcpconform_model::State,
    |state| state.name().to_string(),
    |text| tcpconform_model::State::from_name(text).ok_or_else(|| "not a state".to_string())
);

text_form!(
    /// A pattern, as in `F. 1:1(0)`.
    pattern_text,
    crate::notation::Pattern,
    |pattern| pattern.to_string(),
    |text| crate::notation::parse_pattern(text).map_err(|e| e.to_string())
);
