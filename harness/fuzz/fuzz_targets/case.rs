//! A case file: whatever it says is a case or a complaint with its place, and a case can be named and judged on the model.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpconform_engine::load;

fuzz_target!(|bytes: &[u8]| {
    match load::load_text("fuzz", "fuzz.yaml", bytes) {
        Ok(cases) => cases.iter().for_each(|case| assert!(case.name().starts_with("fuzz"))),
        Err(wrong) => assert!(!wrong.render(false).is_empty()),
    }
    if let Err(wrong) = load::ledger("claims.yaml", bytes) {
        assert!(!wrong.render(false).is_empty());
    }
});
