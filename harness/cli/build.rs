//! Rebuilds the program when a case file changes: the catalogue is compiled in, and the macro that reads it says nothing of
//! it to cargo.

fn main() {
    println!("cargo::rerun-if-changed=../../cases");
}
