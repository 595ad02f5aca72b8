//! A kernel image, packed or not, or anything; and the modules of one: ELF files, packed or not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpconform_machines::Kernel;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("room for two files");
    let image = folder.path().join("vmlinuz");
    std::fs::write(&image, bytes).expect("room for two files");
    if let Err(error) = Kernel::find(image.to_str().expect("a plain name")) {
        assert!(!error.to_string().is_empty());
    }
});
