//! Segments, patterns, operations and poll events as a case writes them; what is read is written back as what it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpconform_engine::notation::{
    parse_expression, parse_icmp_kind, parse_operation, parse_pattern, parse_poll, parse_segment,
};

fuzz_target!(|text: &str| {
    if let Ok(segment) = parse_segment(text) {
        assert_eq!(parse_segment(&segment.to_string()).as_ref(), Ok(&segment), "{segment}");
    }
    if let Ok(pattern) = parse_pattern(text) {
        assert_eq!(parse_pattern(&pattern.to_string()).as_ref(), Ok(&pattern), "{pattern}");
    }
    if let Ok(operation) = parse_operation(text) {
        assert_eq!(parse_operation(&operation.to_string()).as_ref(), Ok(&operation), "{operation}");
    }
    let _ = parse_expression(text);
    let _ = parse_poll(text);
    let _ = parse_icmp_kind(text);
});
