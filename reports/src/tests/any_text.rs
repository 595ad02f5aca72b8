//! Whatever names, reasons and findings say, each format stays what it is.

use proptest::prelude::*;
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};

use super::made_up;
use crate::terminal::Terminal;
use crate::{FILES, Palette, Report, Reporter, capture, github, json, page};

/// Letters that formats give a meaning, and any others.
fn any_text() -> impl Strategy<Value = String> {
    let meant = prop::sample::select(vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "]]>",
        "#",
        " # ",
        "\n",
        "\r",
        "\t",
        "\0",
        "\x1b[2J",
        "::",
        "%",
        "|",
        "`",
        "\u{fffe}",
        "\u{2028}",
        "\u{202e}",
        "not ok 1",
        "ok 1",
        "1..4",
        "KTAP version 1",
        "# Subtest: a",
        "/",
        "@",
        ".",
        "..",
        ":",
    ]);
    let piece = prop_oneof![meant.prop_map(str::to_owned), any::<char>().prop_map(String::from), "[a-z]{1,9}"];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A run of two cases, of which one fails, in these words.
fn run(words: &[String; 6]) -> Report {
    let [id, variant, reason, rule, expected, place] = words;
    let mut report = made_up::report();
    let of =
        |verdict| report.cases.iter().find(|case| case.verdict == verdict).expect("a case of each verdict").clone();
    let renamed = |case: Judgement| Judgement {
        id: id.clone(),
        variant: variant.clone(),
        reason: Some(reason.clone()),
        claims: vec![rule.clone()],
        ..case
    };
    let mut failed = renamed(of(Verdict::Fail));
    for finding in &mut failed.findings {
        (finding.rule, finding.expected, finding.place) = (rule.clone(), expected.clone(), place.clone());
    }
    let skipped = renamed(of(Verdict::Skip));
    report.target.release = rule.clone();
    Report::new(report.target, report.started, 1.0, vec![failed, skipped], 0, &made_up::ledger())
}

fn written(format: &dyn Reporter, report: &Report) -> String {
    let mut bytes = Vec::new();
    format.write(report, &mut bytes).expect("writing to memory");
    String::from_utf8(bytes).expect("text in UTF-8")
}

fn file(name: &str, report: &Report) -> String {
    written(FILES.iter().find(|(file, _)| *file == name).expect("a row of the table").1, report)
}

fn has_no_control(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
}

proptest! {
    #[test]
    fn xml_is_well_formed(words in prop::array::uniform6(any_text())) {
        let text = file("junit.xml", &run(&words));
        let document = roxmltree::Document::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
        prop_assert_eq!((count("testcase"), count("failure"), count("skipped")), (2, 1, 1), "{}", text);
    }

    #[test]
    fn ktap_has_a_line_for_each_result(words in prop::array::uniform6(any_text())) {
        let text = file("report.ktap", &run(&words));
        let starts = |mark: &str| text.lines().filter(|line| line.trim_start_matches(' ').starts_with(mark)).count();
        prop_assert_eq!((starts("ok "), starts("not ok "), starts("1.."), starts("KTAP version")), (1, 2, 2, 2), "{}", text);
        prop_assert!(has_no_control(&text), "{}", text);
    }

    #[test]
    fn json_is_read_back(words in prop::array::uniform6(any_text())) {
        let report = run(&words);
        prop_assert_eq!(&json::read(file("report.json", &report).as_bytes()).expect("a report"), &report);
        let submission: serde_json::Value = serde_json::from_str(&file("kcidb.json", &report)).expect("JSON");
        for test in submission["tests"].as_array().expect("a list") {
            let path = test["path"].as_str().expect("a path");
            let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
            prop_assert!(path.split('.').all(is_name), "{}", path);
        }
    }

    #[test]
    fn an_annotation_is_a_line(words in prop::array::uniform6(any_text())) {
        let text = written(&github::Annotations, &run(&words));
        prop_assert_eq!(text.lines().count(), 1, "{}", text);
        prop_assert!(text.starts_with("::error ") && has_no_control(&text), "{}", text);
    }

    #[test]
    fn a_terminal_gets_no_control_characters(words in prop::array::uniform6(any_text())) {
        let text = written(&Terminal { palette: Palette::plain(), ..Terminal::default() }, &run(&words));
        prop_assert!(has_no_control(&text), "{}", text);
    }

    #[test]
    fn the_page_and_the_capture_of_any_trace(words in prop::array::uniform6(any_text())) {
        let [case, variant, purpose, release, step, place] = words;
        let (mut trace, _) = made_up::broken();
        let header = &mut trace.header;
        (header.case, header.variant, header.purpose, header.target.release) = (case, variant, purpose, release);
        header.steps.iter_mut().for_each(|one| (one.text, one.place) = (step.clone(), place.clone()));
        let judgement = judge(&trace);
        let (mut text, mut blocks) = (Vec::new(), Vec::new());
        page::page(&trace, &judgement, &Palette::plain(), &mut text).expect("writing to memory");
        prop_assert!(has_no_control(&String::from_utf8(text).expect("text in UTF-8")));
        capture::write(&trace, &judgement, &mut blocks).expect("writing to memory");
        let word = |at: usize| blocks.get(at..at + 4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four")) as usize);
        let mut at = 0;
        while at < blocks.len() {
            let len = word(at + 4).expect("a whole block");
            prop_assert!(len >= 12 && len % 4 == 0 && word(at + len - 4) == Some(len), "at byte {}", at);
            at += len;
        }
    }
}
