//! The `tcpconform` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    tcpconform::main()
}
