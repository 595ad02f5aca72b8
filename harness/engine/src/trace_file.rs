//! Trace files: JSON Lines, the header on the first line, then one record a line, the `end` record last.
//!
//! Owns writing, reading and the refusal of files that are not whole traces, by line number. Refuses to know where the
//! files lie and what is in a trace.

use std::io::{self, BufRead, Write};

use serde::Deserialize;
use thiserror::Error;

use crate::case::Endpoint;
use crate::trace::{Header, Record, Trace, VERSION, VERSION_MIN, What};

/// The longest line that is read, bytes: a header with a thousand steps, or a segment of 64 KiB in hexadecimal.
const LINE_MAX: usize = 4 << 20;
/// The most records that are read.
const RECORDS_MAX: usize = 10_000_000;

/// Why a file is not a trace that this program can read.
#[derive(Debug, Error)]
pub enum TraceFileError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is something wrong with the text.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
}

/// Writes a trace.
pub fn write(trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &trace.header)?;
    out.write_all(b"\n")?;
    for record in &trace.records {
        serde_json::to_writer(&mut *out, record)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads a whole trace, and checks that it is one: version, order, the `end` record, steps and endpoints that the header
/// names.
pub fn read(mut input: impl BufRead) -> Result<Trace, TraceFileError> {
    let mut lines = Lines { text: Vec::new(), number: 0 };
    if !lines.next(&mut input)? {
        return Err(lines.wrong("the file is empty; a trace begins with its header"));
    }
    let header = read_header(&lines)?;
    let mut records: Vec<Record> = Vec::new();
    let mut ended = false;
    while lines.next(&mut input)? {
        if ended {
            return Err(lines.wrong("there is more behind the `end` record"));
        }
        if records.len() == RECORDS_MAX {
            return Err(lines.wrong(format!("a trace has at most {RECORDS_MAX} records")));
        }
        let record: Record = lines.parse("a record")?;
        check_record(&record, records.last(), &header).map_err(|what| lines.wrong(what))?;
        ended = matches!(record.what, What::End { .. });
        records.push(record);
    }
    if !ended {
        return Err(lines.wrong("the file ends here without an `end` record: it was cut off"));
    }
    Ok(Trace { header, records })
}

fn read_header(lines: &Lines) -> Result<Header, TraceFileError> {
    #[derive(Deserialize)]
    struct Version {
        trace: u32,
    }

    let version: Version = serde_json::from_slice(&lines.text).map_err(|_| {
        lines.wrong(if lines.text.starts_with(b"{\"trace\":") {
            "cut off in the middle of the header of a trace"
        } else {
            "not the header of a trace, which begins with {\"trace\":"
        })
    })?;
    match version.trace {
        VERSION_MIN..=VERSION => lines.parse("the header of a trace"),
        newer if newer > VERSION => Err(lines.wrong(format!(
            "trace format {newer} is newer than {VERSION}, the newest that this tcpconform reads: use a newer tcpconform"
        ))),
        other => Err(lines.wrong(format!("there is no trace format {other}"))),
    }
}

fn check_record(record: &Record, previous: Option<&Record>, header: &Header) -> Result<(), String> {
    if let Some(previous) = previous.filter(|previous| previous.at > record.at) {
        return Err(format!("out of order: at {} ns, behind a record at {} ns", record.at, previous.at));
    }
    if !header.steps.is_empty() && record.step as usize >= header.steps.len() {
        return Err(format!("step {} of a case with {} steps, counted from 0", record.step, header.steps.len()));
    }
    match endpoint(&record.what) {
        Some(on) if header.endpoints.iter().all(|endpoint| endpoint.name != on) => {
            Err(format!("endpoint `{on}` is not in the header"))
        }
        Some(_) | None => Ok(()),
    }
}

fn endpoint(what: &What) -> Option<Endpoint> {
    match what {
        What::Segment(segment) => Some(segment.on),
        What::Icmp(error) => Some(error.on),
        What::Relay(relay) => Some(relay.from),
        What::Call(call) => Some(call.on),
        What::Sample(sample) => Some(sample.on),
        What::Transition(transition) => Some(transition.on),
        What::Counters(counters) => Some(counters.on),
        What::Ports(ports) => Some(ports.on),
        What::Waited(_) | What::Trouble(_) | What::End { .. } => None,
    }
}

/// The line that is being read.
struct Lines {
    text: Vec<u8>,
    number: usize,
}

impl Lines {
    /// Goes on to the next line; false at the end of the file.
    fn next(&mut self, input: &mut impl BufRead) -> Result<bool, TraceFileError> {
        self.text.clear();
        let read = io::Read::take(&mut *input, LINE_MAX as u64).read_until(b'\n', &mut self.text)?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.text.last() != Some(&b'\n') && read == LINE_MAX {
            return Err(self.wrong(format!("longer than {LINE_MAX} bytes")));
        }
        Ok(true)
    }

    fn parse<'de, T: Deserialize<'de>>(&'de self, expected: &str) -> Result<T, TraceFileError> {
        serde_json::from_slice(&self.text).map_err(|error| {
            if self.text.last() != Some(&b'\n') && error.is_eof() {
                self.wrong(format!("cut off in the middle of {expected}"))
            } else {
                // The position is within the line, whose number is ours.
                let text = error.to_string();
                let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
                self.wrong(format!("column {}: not {expected}: {text}", error.column()))
            }
        })
    }

    fn wrong(&self, what: impl Into<String>) -> TraceFileError {
        TraceFileError::Line { line: self.number.max(1), what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpconform_model::State;

    use crate::case::Topology;
    use crate::notation::parse_pattern;
    use crate::prediction::{Event, Predicted, Prediction, SegmentEvent};
    use crate::trace::{StepIdentity, TargetIdentity, TargetKind, Time, Trouble, Way};

    fn trace() -> Trace {
        let record = |at, what| Record { at, step: 0, what };
        Trace {
            header: Header {
                trace: VERSION,
                tool: "0.1.0".into(),
                case: "time-wait/rst".into(),
                variant: "ipv4".into(),
                purpose: "A RST at RCV.NXT ends TIME-WAIT.".into(),
                axes: vec!["ip".into()],
                claims: vec![prediction()],
                requirements: vec!["RFC 9293 3.10.7.4".into()],
                target: TargetIdentity {
                    kind: TargetKind::Model,
                    release: "0.1.0".into(),
                    hz: 250,
                    time: Time::Virtual,
                },
                topology: Topology::Crafted,
                endpoints: Vec::new(),
                steps: vec![StepIdentity { place: "a.yaml:3:5".into(), text: "establish".into() }],
                started_unix_ns: 0,
            },
            records: vec![
                record(0, What::Trouble(Trouble { text: "late".into(), in_doubt: false })),
                record(7, What::End { stalls: Vec::new() }),
            ],
        }
    }

    fn prediction() -> Prediction {
        let segment = SegmentEvent {
            way: Way::Out,
            on: Endpoint::A,
            pattern: parse_pattern("R 1:1(0)").unwrap(),
            header: Some(20),
            checksum: true,
            ttl: None,
        };
        let predicted = |event, forbidden| Predicted {
            place: "a.yaml:4:5".into(),
            event,
            forbidden,
            within: Some(1_000),
            after: None,
            ratio: None,
            times: None,
        };
        Prediction {
            claim: "T23".into(),
            place: "a.yaml:3:3".into(),
            given: Some("tcp_rfc1337 is 0".into()),
            predicts: vec![
                predicted(Event::Segment(segment), true),
                predicted(Event::State { of: Endpoint::A, state: State::Closed }, false),
            ],
        }
    }

    fn written() -> String {
        let mut text = Vec::new();
        write(&trace(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn refusal(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(read(written().as_bytes()).unwrap(), trace());
    }

    #[test]
    fn the_first_version_named_the_claims_alone() {
        let header = serde_json::to_value(&trace().header).unwrap();
        let mut header = header.as_object().unwrap().clone();
        header.insert("trace".into(), 1.into());
        header.insert("claims".into(), serde_json::json!(["T23", "T24"]));
        header.remove("axes");
        let text = written();
        let (_, records) = text.split_once('\n').unwrap();
        let old = read(format!("{}\n{records}", serde_json::Value::from(header)).as_bytes()).unwrap();
        let claims: Vec<&str> = old.header.claims.iter().map(|prediction| prediction.claim.as_str()).collect();
        assert_eq!(claims, ["T23", "T24"]);
        assert!(old.header.claims.iter().all(|prediction| prediction.predicts.is_empty()));
        assert_eq!(old.records, trace().records);
        assert_eq!(refusal(&text.replace("{\"trace\":3", "{\"trace\":0")), "line 1: there is no trace format 0");
    }

    #[test]
    fn what_is_no_trace_is_refused_by_line() {
        let text = written();
        assert_eq!(refusal(""), "line 1: the file is empty; a trace begins with its header");
        assert_eq!(refusal("{\"a\":1}\n"), "line 1: not the header of a trace, which begins with {\"trace\":");
        assert_eq!(refusal("\x7fELF\n"), "line 1: not the header of a trace, which begins with {\"trace\":");
        assert_eq!(
            refusal(&text.replace("{\"trace\":3", "{\"trace\":4")),
            "line 1: trace format 4 is newer than 3, the newest that this tcpconform reads: use a newer tcpconform"
        );
        assert_eq!(
            refusal(&text.replace("\"at\":7", "\"when\":7")),
            "line 3: column 37: not a record: missing field `at`"
        );
        assert_eq!(
            refusal(&text.replace("\"at\":0", "\"at\":9")),
            "line 3: out of order: at 7 ns, behind a record at 9 ns"
        );
        assert_eq!(
            refusal(&text.replace("\"step\":0", "\"step\":1")),
            "line 2: step 1 of a case with 1 steps, counted from 0"
        );
        assert_eq!(refusal(&format!("{text}{{}}\n")), "line 4: there is more behind the `end` record");
    }

    #[test]
    fn a_cut_off_file_is_refused() {
        let text = written();
        assert_eq!(refusal(&text[..99]), "line 1: cut off in the middle of the header of a trace");
        assert_eq!(refusal(&text[..text.len() - 9]), "line 3: cut off in the middle of a record");
        let two_lines = text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(refusal(&two_lines), "line 2: the file ends here without an `end` record: it was cut off");
    }
}
