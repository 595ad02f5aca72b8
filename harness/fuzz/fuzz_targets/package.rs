//! A Debian package with a kernel in it, or with anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpconform_machines::Kernel;

fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::Builder::new().suffix(".deb").tempfile_in("/dev/shm").expect("room for one file");
    std::fs::write(file.path(), bytes).expect("room for one file");
    let path = file.path().to_str().expect("a plain name");
    if let Err(error) = Kernel::find(path) {
        assert!(!error.to_string().is_empty());
    }
});
