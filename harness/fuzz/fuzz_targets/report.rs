//! A report.json or a baseline of an earlier run; what is one can be reported again in every format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpconform_reports::baseline::Baseline;
use tcpconform_reports::{FILES, json};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = json::read(bytes) {
        for (_, reporter) in FILES {
            reporter.write(&report, &mut Vec::new()).expect("a buffer takes everything");
        }
    }
    let _ = Baseline::read(bytes);
});
