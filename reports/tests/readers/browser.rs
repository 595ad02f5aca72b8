//! A headless Chromium, driven through the pipe of its DevTools protocol.
//!
//! Owns the process and what it complains of: exceptions, console messages, requests. Refuses to know the pages.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::{Value, json};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Longer than a page of ours takes on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
pub struct Browser {
    process: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    number: u64,
    session: Option<String>,
    /// What the page complained of, or asked for, since it was opened.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None` where this machine has none.
    pub fn start() -> Result<Option<Browser>, Failed> {
        let Some(name) = NAMES.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok()) else {
            return Ok(None);
        };
        let profile = tempfile::tempdir()?;
        // The protocol is spoken on descriptors 3 and 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", name])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (requests, output) = (process.stdin.take().ok_or("no pipe")?, process.stdout.take().ok_or("no pipe")?);
        let (sender, answers) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                if let Ok(message) = serde_json::from_slice(&message)
                    && sender.send(message).is_err()
                {
                    return;
                }
            }
        });
        let complaints = Vec::new();
        let mut browser =
            Browser { process, requests, answers, number: 0, session: None, complaints, _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach)?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(Some(browser))
    }

    /// Opens a file, at this hash.
    pub fn open(&mut self, path: &Path, hash: &str) -> Result<(), Failed> {
        // Only the hash of the same address would make no new page.
        self.call("Page.navigate", json!({"url": "about:blank"}))?;
        self.complaints.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}{hash}", path.display())}))?;
        Ok(())
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Result<Value, Failed> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked)?;
        match answer.get("exceptionDetails") {
            Some(exception) => Err(format!("{expression}: {exception}").into()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression in the page is true.
    pub fn wait_for(&mut self, expression: &str) -> Result<(), Failed> {
        let begun = Instant::now();
        while self.value(expression)? != Value::Bool(true) {
            if begun.elapsed() > PATIENCE {
                let page = self.value("document.body.innerText.slice(0, 2000)")?;
                return Err(format!("{expression} did not come true; {:?}; {page}", self.complaints).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) -> Result<(), Failed> {
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", json!({"type": kind, "key": key, "text": text}))?;
        }
        Ok(())
    }

    fn call(&mut self, method: &str, params: Value) -> Result<Value, Failed> {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{message}\0").as_bytes())?;
        loop {
            let message = self.answers.recv_timeout(PATIENCE).map_err(|_| format!("no answer to {method}"))?;
            self.note(&message);
            if message["id"] == json!(self.number) {
                return match message.get("error") {
                    Some(error) => Err(format!("{method}: {error}").into()),
                    None => Ok(message["result"].clone()),
                };
            }
        }
    }

    fn note(&mut self, message: &Value) {
        let params = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => params["exceptionDetails"]["exception"]["description"].to_string(),
            Some("Runtime.consoleAPICalled") => params["args"].to_string(),
            Some("Log.entryAdded") => params["entry"]["text"].to_string(),
            Some("Network.requestWillBeSent") if params["type"] != "Document" => params["request"]["url"].to_string(),
            Some(_) | None => return,
        };
        self.complaints.push(complaint);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself when its pipe is closed, too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
