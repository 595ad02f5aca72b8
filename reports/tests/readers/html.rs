//! index.html before a browser: what it shows, its keys, and that it neither complains nor asks for anything.

use std::path::PathBuf;

use libtest_mimic::{Completion, Failed};
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::trace::Trace;
use tcpconform_reports::Report;
use tcpconform_reports::html::{Run, write};

use super::browser::Browser;
use super::{Done, made_up};

/// How soon the first paint is to come, milliseconds.
const FIRST_PAINT: f64 = 300.0;
/// The quickest of so many loads counts: a busy machine makes any of them slower, and none quicker.
const LOADS: usize = 10;

/// The page of a run with every verdict, one with a trace that fails, and one whose texts are hostile.
fn page() -> Result<(PathBuf, tempfile::TempDir), Failed> {
    let (broken, judgement) = made_up::broken();
    let [crafted, two_kernels] = made_up::traces();
    let played = made_up::run(vec![judgement, judge(&two_kernels)]);
    let mut other = made_up::run(vec![judge(&crafted), judge(&two_kernels)]);
    other.target.release = "7.2.13".into();
    let traces = [broken, crafted, two_kernels];
    let find = |judgement: &Judgement| -> Result<Trace, String> {
        let is_it = |trace: &&Trace| judge(trace) == *judgement;
        traces.iter().find(is_it).cloned().ok_or_else(|| made_up::HOSTILE.to_string())
    };
    let reports: [Report; 4] = [made_up::report(), made_up::hostile(), played, other];
    let runs: Vec<Run<'_>> = reports.iter().map(|report| Run { report, traces: &find }).collect();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("index.html");
    write(&runs, &mut std::fs::File::create(&path)?)?;
    Ok((path, folder))
}

/// Opens the page, and goes through it by its keys.
pub fn html() -> Done {
    let (path, _folder) = page()?;
    let Some(mut browser) = Browser::start()? else {
        return Ok(Completion::ignored_with("no chromium; apt-get install chromium"));
    };
    let drawn = "document.querySelectorAll('#rows tr').length > 0";
    let mut quickest = f64::INFINITY;
    for _ in 0..LOADS {
        browser.open(&path, "")?;
        browser.wait_for(drawn)?;
        browser.wait_for("performance.getEntriesByType('paint').length > 0")?;
        let paint = browser.value("performance.getEntriesByType('paint')[0].startTime")?;
        quickest = quickest.min(paint.as_f64().unwrap_or(f64::INFINITY));
        if quickest < FIRST_PAINT {
            break;
        }
    }
    if quickest >= FIRST_PAINT {
        return Err(format!("the first paint came after {quickest} ms in the quickest of {LOADS} loads").into());
    }
    browser.wait_for("document.querySelectorAll('#claims tbody tr').length > 4")?;
    browser.wait_for("document.querySelectorAll('#coverage tbody tr').length > 100")?;

    // Search, go down to what is found, open it, step to its neighbour, and come back.
    browser.press("/")?;
    browser.wait_for("document.activeElement.id === 'search'")?;
    for key in "first-fin".chars() {
        browser.press(&key.to_string())?;
    }
    browser.wait_for("location.hash === '#q=first-fin' && document.querySelectorAll('#rows tr').length === 4")?;
    for key in ["ArrowDown", "ArrowDown", "ArrowDown"] {
        browser.press(key)?;
    }
    browser.press("Enter")?;
    browser.wait_for("document.querySelector('#case h1')?.textContent === 'loss/first-fin@crafted,ipv4'")?;
    browser.press("4")?;
    browser.wait_for("document.querySelectorAll('.ladder').length === 1")?;
    browser.wait_for("document.querySelectorAll('.ladder .finding').length === 0")?;
    browser.press("3")?;
    browser.wait_for("document.querySelectorAll('.ladder .finding').length === 1")?;
    browser.wait_for("document.querySelectorAll('.ladder .window').length > 0")?;
    browser.press("ArrowRight")?;
    browser.wait_for("document.querySelector('.ladder .cross') !== null")?;
    browser.press("Escape")?;
    browser.wait_for("document.getElementById('case').hidden && location.hash === '#q=first-fin'")?;
    browser.wait_for("document.activeElement.dataset.key === '@loss/first-fin@two-kernels,ipv4'")?;

    // Markup in names is shown.
    browser.open(&path, "#verdict=error")?;
    browser.wait_for("document.querySelectorAll('#rows tr').length > 3")?;
    browser.wait_for("document.getElementById('all').innerText.includes(']]>&<b>')")?;
    browser.value("location.hash = document.querySelector('#rows .level3 a[href*=\"%3E\"]').getAttribute('href')")?;
    browser.wait_for("document.querySelector('#case h1')?.textContent.includes(']]>&<b>')")?;
    browser.wait_for("document.querySelectorAll('#case .notice').length === 1")?;
    browser.wait_for("document.querySelectorAll('b, #case script').length === 0")?;
    browser.wait_for("!/[\\u0000-\\u0008\\u000b-\\u001f\\u202e]/.test(document.body.innerText)")?;
    if browser.complaints.is_empty() {
        Ok(Completion::Completed)
    } else {
        Err(format!("the page complains, or asks for something: {:?}", browser.complaints).into())
    }
}
