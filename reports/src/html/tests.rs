//! The page of runs made up by hand: its data, and that its texts cannot become anything else.

use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::DeflateDecoder;
use serde_json::{Value, json};
use tcpconform_engine::judge::judge;

use super::*;
use crate::tests::made_up::{HOSTILE, broken, hostile, report, run, traces};
use crate::tests::unprivileged;

fn page(runs: &[Run<'_>]) -> String {
    let mut out = Vec::new();
    write(runs, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn none(_: &Judgement) -> Result<Trace, String> {
    Err("it was not kept".to_string())
}

/// What an element of the page holds packed.
fn unpacked(page: &str, id: &str) -> Value {
    let opening = format!("<script type=\"text/plain\" id=\"{id}\">");
    let (_, rest) = page.split_once(&opening).unwrap();
    let bytes = BASE64_STANDARD.decode(rest.split_once('<').unwrap().0).unwrap();
    let mut text = String::new();
    DeflateDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// JSON with the outer levels on lines of their own.
fn outline(value: &Value, levels: usize) -> String {
    let indented = |text: String| text.replace('\n', "\n  ");
    match value {
        Value::Array(items) if levels > 0 && !items.is_empty() => {
            let lines: String = items.iter().map(|item| indented(format!("\n{}", outline(item, levels - 1)))).collect();
            format!("[{lines}\n]")
        }
        Value::Object(members) if levels > 0 && !members.is_empty() => {
            let line = |(name, of): (&String, &Value)| indented(format!("\n{name}: {}", outline(of, levels - 1)));
            format!("{{{}\n}}", members.iter().map(line).collect::<String>())
        }
        inner @ (Value::Array(_) | Value::Object(_)) => inner.to_string(),
        inner @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => inner.to_string(),
    }
}

#[test]
fn a_claim_with_undecided_plays_says_so() {
    let page = page(&[Run { report: &unprivileged(), traces: &none }]);
    let claims = unpacked(&page, "index")["claims"].take();
    let caveats = |id: &str| {
        claims.as_array().unwrap().iter().find(|claim| claim["id"] == id).unwrap()["runs"][0]["caveat"].clone()
    };
    assert!(caveats("T03").as_str().unwrap().starts_with("1 play undecided: the tracepoint"), "{claims}");
    assert_eq!(caveats("P02"), Value::Null);
}

#[test]
fn the_data_of_a_case_on_two_kernels() {
    let (trace, judgement) = broken();
    let [mut crafted, mut two_kernels] = traces();
    let ends = crafted.header.endpoints.iter_mut().chain(&mut two_kernels.header.endpoints);
    for (end, value) in ends.zip(["60", "60", "30"]) {
        end.sysctls.insert("tcp_fin_timeout".into(), value.into());
    }
    let (one, mut other) = (run(vec![judgement]), run(vec![judge(&crafted), judge(&two_kernels)]));
    other.target.release = "7.2.13".into();
    let of_one = |_: &Judgement| Ok(trace.clone());
    let of_other = |judgement: &Judgement| {
        let is_it = |trace: &&Trace| trace.header.variant == judgement.variant;
        [&crafted, &two_kernels].into_iter().find(is_it).cloned().ok_or_else(|| "it was not kept".to_string())
    };
    let page = page(&[Run { report: &one, traces: &of_one }, Run { report: &other, traces: &of_other }]);
    insta::assert_snapshot!(outline(&unpacked(&page, "case-0"), 5));

    let mut index = unpacked(&page, "index");
    // Which rules there are, and fire, is the model's and the judge's; what they cover is the RFC's.
    let rules = index["rules"].take();
    index["cases"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .flat_map(|case| case["variants"].as_array_mut().unwrap())
        .for_each(|variant| {
            for broken in variant["runs"].as_array_mut().unwrap().iter_mut().filter_map(|run| run.get_mut("broken")) {
                for at in broken.as_array_mut().unwrap() {
                    *at = rules[at.as_u64().unwrap() as usize]["id"].clone();
                }
            }
        });
    index["rfc"] = json!(index["rfc"].as_array().unwrap().len() >= 119);
    index["sets"] = json!(index["sets"].as_array().unwrap().len());
    insta::assert_snapshot!(outline(&index, 3));
}

#[test]
fn the_table_at_the_top_needs_no_scripts() {
    let (one, other) = (report(), hostile());
    let runs = [Run { report: &one, traces: &none }, Run { report: &other, traces: &none }];
    insta::assert_snapshot!(summary(&runs));
}

#[test]
fn a_trace_of_another_play_is_not_drawn() {
    let [crafted, two_kernels] = traces();
    let report = run(vec![judge(&crafted)]);
    let mut longer = crafted.clone();
    longer.records.last_mut().unwrap().at += 1;
    for (trace, drawn) in [(crafted, true), (longer, false), (two_kernels, false)] {
        let find = |_: &Judgement| Ok(trace.clone());
        let play = &unpacked(&page(&[Run { report: &report, traces: &find }]), "case-0")[0][0];
        assert_eq!(play["trace"].is_object(), drawn);
        assert_eq!(play["lack"].as_str().is_some(), !drawn);
    }
}

/// The page without what is packed in it.
fn frame(page: &str) -> String {
    let mut parts = page.split("<script type=\"text/plain\"");
    let first = parts.next().unwrap().to_string();
    let packed = |part: &str| part.split_once("</script>").unwrap().1.to_string();
    parts.map(packed).fold(first, |frame, part| frame + &part)
}

#[test]
fn the_page_asks_for_nothing() {
    let report = report();
    let frame = frame(&page(&[Run { report: &report, traces: &none }]));
    assert!(frame.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"));
    let frame = frame.replace("'http://www.w3.org/2000/svg'", "");
    for reference in ["://", "src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "import "] {
        assert!(!frame.contains(reference), "{reference}");
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let report = hostile();
    let hostile_lack = |_: &Judgement| Err(HOSTILE.to_string());
    let page = page(&[Run { report: &report, traces: &hostile_lack }]);
    let frame = frame(&page);
    assert!(!frame.contains("<b>") && frame.contains("]]&gt;&amp;&lt;b&gt;&quot;"));
    assert!(frame.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control() && c != '\u{202e}'));
    assert_eq!(page.matches("<script").count(), 1 + 1 + report.cases.len());
    let index = unpacked(&page, "index");
    assert_eq!(index["cases"][0]["variants"][0]["name"], HOSTILE);
    assert_eq!(unpacked(&page, "case-0")[0][0]["lack"], HOSTILE);
}
