//! A stored trace: refused by line, or judged and drawn whatever is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpconform_engine::judge::{explanations, judge};
use tcpconform_engine::trace_file;
use tcpconform_reports::{Palette, capture, page};

fuzz_target!(|bytes: &[u8]| {
    let Ok(trace) = trace_file::read(bytes) else { return };
    let judgement = judge(&trace);
    let _ = explanations(&trace);
    page::page(&trace, &judgement, &Palette::plain(), &mut Vec::new()).expect("a buffer takes everything");
    capture::write(&trace, &judgement, &mut Vec::new()).expect("a buffer takes everything");
    let mut again = Vec::new();
    trace_file::write(&trace, &mut again).expect("a buffer takes everything");
    assert_eq!(judge(&trace_file::read(&again[..]).expect("what was written")), judgement);
});
