//! `tcpconform compare` and `tcpconform baseline`: what changed between two runs, and what is kept of one to be compared with.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tcpconform_reports::Palette;
use tcpconform_reports::baseline::Baseline;
use tcpconform_reports::comparison::{Comparison, Html, Markdown, Text};

use crate::arguments::{CompareArguments, CompareFormat};
use crate::exit::{Exit, Refusal};
use crate::{show_on_stdout, stored};

/// Compares two runs; `Findings` when the second is worse.
pub fn compare(arguments: &CompareArguments) -> Result<Exit, Refusal> {
    let (base, new) = (stored::run(&arguments.base)?, stored::run(&arguments.new)?);
    let comparison = Comparison::of(&base, &new);
    show_on_stdout(|out| match arguments.format {
        CompareFormat::Text => Text { palette: Palette::coloured() }.write(&comparison, out),
        CompareFormat::Markdown => Markdown.write(&comparison, out),
        CompareFormat::Html => Html.write(&comparison, out),
        CompareFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &comparison)?;
            writeln!(out)
        }
    })?;
    Ok(if comparison.regresses() { Exit::Findings } else { Exit::AllPass })
}

/// Writes the baselines of these reports into a folder, each named after its kernel.
pub fn baseline(reports: &[PathBuf], folder: &Path) -> Result<Exit, Refusal> {
    for path in reports {
        let baseline = Baseline::from(stored::report(path)?);
        let file = folder.join(format!("{}.json.gz", baseline.target.release));
        write(&baseline, &file)
            .map_err(|error| Refusal::could_not_run(format!("writing {}: {error}", file.display()), None))?;
        show_on_stdout(|out| writeln!(out, "{}", file.display()))?;
    }
    Ok(Exit::AllPass)
}

fn write(baseline: &Baseline, file: &Path) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let mut out = BufWriter::new(File::create(file)?);
    baseline.write(&mut out)?;
    out.flush()
}
