//! Kernels in folders and packages that are made here.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use lzma_rust2::{XzOptions, XzWriter};
use tempfile::TempDir;

use super::image::tests::image;
use super::module::tests::module;
use super::*;

const RELEASE: &str = "6.12.95-test";
const BUILT_IN: &str = "kernel/net/packet/af_packet.ko\nkernel/net/ipv6/ipv6.ko\n";

type Files = Vec<(String, Vec<u8>)>;

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn built_for(release: &str, depends: &str) -> Vec<u8> {
    module(&[&format!("depends={depends}"), &format!("vermagic={release} SMP mod_unload ")])
}

fn modules(root: &str) -> Files {
    let below = |path: &str| format!("{root}/{RELEASE}/{path}");
    vec![
        (below("kernel/drivers/net/veth.ko.xz"), xz(&built_for(RELEASE, ""))),
        (below("kernel/net/ipv4/tcp_diag.ko.gz"), gzip(&built_for(RELEASE, "inet_diag"))),
        (below("kernel/net/ipv4/inet_diag.ko.zst"), zstd(&built_for(RELEASE, ""))),
        (below("modules.builtin"), BUILT_IN.into()),
    ]
}

/// As Debian's packages have it since 6.18.
fn installed() -> Files {
    let mut files = modules("usr/lib/modules");
    files.push((format!("boot/vmlinuz-{RELEASE}"), image(RELEASE)));
    files.push(("usr/share/doc/linux/vmlinuz.txt".to_owned(), b"no image".to_vec()));
    files
}

fn tar(files: &Files) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        // `Builder::append_data` would refuse what climbs out.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

fn package(folder: &TempDir, name: &str, members: &[(&str, Vec<u8>)]) -> PathBuf {
    let mut bytes = ar::Builder::new(Vec::new());
    for (member, content) in members {
        bytes.append(&ar::Header::new(member.as_bytes().to_vec(), content.len() as u64), &content[..]).unwrap();
    }
    let path = folder.path().join(name);
    fs::write(&path, bytes.into_inner().unwrap()).unwrap();
    path
}

fn deb(folder: &TempDir, name: &str, files: &Files) -> PathBuf {
    let members = [("debian-binary", b"2.0\n".to_vec()), ("control.tar.xz", xz(b"")), ("data.tar.xz", xz(&tar(files)))];
    package(folder, name, &members)
}

fn lay_out(files: &Files) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn find(path: impl AsRef<Path>) -> Kernel {
    Kernel::find(path.as_ref().to_str().unwrap()).unwrap()
}

/// What is said, with the folder's own name taken out.
fn refusal(folder: &TempDir, what: impl AsRef<Path>) -> String {
    let said = Kernel::find(what.as_ref().to_str().unwrap()).unwrap_err().to_string();
    said.replace(&format!("{}/", folder.path().display()), "").replace(folder.path().to_str().unwrap(), "FOLDER")
}

fn names(kernel: &Kernel) -> Vec<&str> {
    kernel.modules.iter().map(|module| module.name.as_str()).collect()
}

fn assert_whole(kernel: &Kernel) {
    assert_eq!(kernel.release, RELEASE);
    assert_eq!(kernel.image, image(RELEASE));
    assert_eq!(names(kernel), ["veth", "inet_diag", "tcp_diag"]);
    assert_eq!(kernel.unsure, []);
    assert!(kernel.modules.iter().all(|module| module.bytes.starts_with(b"\x7fELF")));
}

#[test]
fn one_package_or_two_hold_the_same_kernel() {
    let folder = TempDir::new().unwrap();
    assert_whole(&find(deb(&folder, "linux-image.deb", &installed())));
    let binary = vec![(format!("./usr/lib/modules/{RELEASE}/vmlinuz"), image(RELEASE))];
    let binary = deb(&folder, "linux-binary.deb", &binary);
    let modules = deb(&folder, "linux-modules.deb", &modules("./usr/lib/modules"));
    assert_whole(&find(format!("{},{}", binary.display(), modules.display())));
}

#[test]
fn a_folder_holds_a_kernel_in_any_layout() {
    assert_whole(&find(lay_out(&installed()).path()));
    let mut fedora = modules("lib/modules");
    fedora.push((format!("lib/modules/{RELEASE}/vmlinuz"), image(RELEASE)));
    fedora.push((format!("boot/vmlinuz-{RELEASE}"), image(RELEASE)));
    let fedora = lay_out(&fedora);
    assert_whole(&find(fedora.path()));
    assert_whole(&find(fedora.path().join("lib/modules").join(RELEASE)));
    assert_whole(&find(fedora.path().join("boot").join(format!("vmlinuz-{RELEASE}"))));
}

#[test]
fn the_tree_of_a_build_holds_its_kernel() {
    for order in [
        "kernel/drivers/net/veth.ko\nkernel/net/ipv4/inet_diag.ko\nkernel/net/ipv4/tcp_diag.ko\n",
        "drivers/net/veth.o\nnet/ipv4/inet_diag.o\nnet/ipv4/tcp_diag.o\n",
    ] {
        let tree = lay_out(&vec![
            ("arch/x86/boot/bzImage".to_owned(), image(RELEASE)),
            ("modules.order".to_owned(), order.into()),
            ("modules.builtin".to_owned(), BUILT_IN.into()),
            ("drivers/net/veth.ko".to_owned(), built_for(RELEASE, "")),
            ("net/ipv4/tcp_diag.ko".to_owned(), built_for(RELEASE, "inet_diag")),
            ("net/ipv4/inet_diag.ko".to_owned(), built_for(RELEASE, "")),
        ]);
        assert_whole(&find(tree.path()));
        assert_whole(&find(tree.path().join("arch/x86/boot/bzImage")));
    }
}

#[test]
fn an_image_alone_may_have_everything_built_in() {
    let folder = lay_out(&vec![("bzImage".to_owned(), image(RELEASE))]);
    let kernel = find(folder.path().join("bzImage"));
    assert_eq!(names(&kernel), [""; 0]);
    let unsure: Vec<String> = kernel.unsure.iter().map(ToString::to_string).collect();
    assert_eq!(unsure, ["veth, af_packet, inet_diag, tcp_diag (costs every case)", "ipv6 (costs the cases over IPv6)"]);
}

#[test]
fn modules_that_others_depend_on_are_found_too() {
    let mut files = installed();
    files[0] = (format!("lib/modules/{RELEASE}/kernel/veth.ko"), built_for(RELEASE, "page_pool"));
    files.retain(|(path, _)| !path.starts_with("usr"));
    files.extend(modules("lib/modules").split_off(1));
    files.push((format!("lib/modules/{RELEASE}/kernel/page-pool.ko"), built_for(RELEASE, "")));
    let expected = ["page_pool", "veth", "inet_diag", "tcp_diag"];
    assert_eq!(names(&find(lay_out(&files).path())), expected);
    let folder = TempDir::new().unwrap();
    assert_eq!(names(&find(deb(&folder, "a.deb", &files))), expected);
}

#[test]
fn what_is_no_package_is_told() {
    let folder = TempDir::new().unwrap();
    let no = |name: &str, members: &[(&str, Vec<u8>)]| refusal(&folder, package(&folder, name, members));
    assert_eq!(
        no("a.deb", &[("hello", Vec::new())]),
        "a.deb is no Debian package: its first member is not debian-binary"
    );
    assert_eq!(no("a.deb", &[("debian-binary", Vec::new())]), "a.deb is no Debian package: it has no data.tar");
    fs::write(folder.path().join("b.deb"), "hello").unwrap();
    let said = refusal(&folder, folder.path().join("b.deb"));
    assert_eq!(said, "b.deb is no Debian package: it does not begin with !<arch>");
    let missing = refusal(&folder, folder.path().join("c.deb"));
    assert_eq!(missing, "cannot read c.deb: No such file or directory (os error 2)");
}

#[test]
fn a_cut_off_package_is_told_wherever_it_ends() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(deb(&folder, "whole.deb", &installed())).unwrap();
    let cut = folder.path().join("cut.deb");
    for length in [9, 60, 70, 140, whole.len() / 2, whole.len() - 3] {
        fs::write(&cut, &whole[..length]).unwrap();
        let said = refusal(&folder, &cut);
        assert!(said.starts_with("cut.deb is cut off: ") || said.ends_with("it has no data.tar"), "{length}: {said}");
    }
    // Each layer on its own: the compressed stream, the archive in it.
    let packed = xz(&tar(&installed()));
    let members = |data: Vec<u8>| [("debian-binary", Vec::new()), ("data.tar.xz", data)];
    let of_stream = package(&folder, "stream.deb", &members(packed[..packed.len() - 40].to_vec()));
    assert_eq!(refusal(&folder, of_stream), "stream.deb is cut off: data.tar.xz ends too early");
    let archive = tar(&installed());
    for length in [700, 1000, 5000] {
        let of_archive = package(&folder, "archive.deb", &members(xz(&archive[..length])));
        assert_eq!(refusal(&folder, of_archive), "archive.deb is cut off: data.tar.xz ends too early", "{length}");
    }
}

#[test]
fn a_damaged_package_is_told() {
    let folder = TempDir::new().unwrap();
    let mut packed = xz(&tar(&installed()));
    let middle = packed.len() / 2;
    packed[middle] ^= 0x55;
    let damaged = package(&folder, "a.deb", &[("debian-binary", Vec::new()), ("data.tar.xz", packed)]);
    assert!(refusal(&folder, damaged).starts_with("a.deb is damaged: data.tar.xz: "));
}

/// Names that are elsewhere: in a table that there is none of, or in as many bytes as one likes.
#[test]
fn a_package_with_names_that_lead_nowhere_is_damaged() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(deb(&folder, "whole.deb", &installed())).unwrap();
    for name in ["/20000000", "#1/999999999"] {
        let mut bytes = whole.clone();
        bytes[8..24].copy_from_slice(format!("{name:16}").as_bytes());
        let path = folder.path().join("a.deb");
        fs::write(&path, bytes).unwrap();
        assert!(
            refusal(&folder, path).starts_with("a.deb is damaged: the package: Invalid archive extended name"),
            "{name}"
        );
    }
}

/// A name that unpacks to as much as one likes, and a file that says it does.
#[test]
fn a_package_that_swells_is_refused() {
    let folder = TempDir::new().unwrap();
    let entry = |kind: tar::EntryType, size: u64, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path("boot/vmlinuz-6.1.0").unwrap();
        header.set_size(size);
        header.set_cksum();
        [header.as_bytes(), bytes].concat()
    };
    let members = |archive: Vec<u8>| [("debian-binary", Vec::new()), ("data.tar.xz", xz(&archive))];
    for archive in [
        entry(tar::EntryType::GNULongName, 4 << 20, &vec![b'a'; 5 << 20]),
        entry(tar::EntryType::XHeader, 4 << 20, &vec![b'a'; 5 << 20]),
        entry(tar::EntryType::Regular, 3 << 30, &[0; 1024]),
        entry(tar::EntryType::Regular, 600 << 20, &[0; 1024]),
    ] {
        let swollen = package(&folder, "a.deb", &members(archive));
        let said = refusal(&folder, swollen);
        assert_eq!(said, "a.deb is damaged: data.tar.xz: more than can be in a kernel's package");
    }
}

#[test]
fn paths_that_climb_out_are_refused() {
    let folder = TempDir::new().unwrap();
    for path in ["../etc/passwd", "/etc/passwd", "boot/../../vmlinuz", "./../boot/vmlinuz"] {
        let package = deb(&folder, "a.deb", &vec![(path.to_owned(), Vec::new())]);
        assert_eq!(
            refusal(&folder, package),
            format!("a.deb has an entry that climbs out of the archive: {path}; not a package to trust")
        );
    }
}

#[test]
fn a_place_without_a_kernel_is_told() {
    let folder = TempDir::new().unwrap();
    let only_modules = deb(&folder, "linux-modules.deb", &modules("usr/lib/modules"));
    let looked_for = "looked for boot/vmlinuz* and usr/lib/modules/*/vmlinuz (since 6.19 Debian's packages are two: \
                      linux-binary-RELEASE and linux-modules-RELEASE)";
    assert_eq!(refusal(&folder, only_modules), format!("no kernel in linux-modules.deb: {looked_for}"));
    assert_eq!(refusal(&folder, folder.path()), format!("no kernel in FOLDER: {looked_for}"));
}

#[test]
fn of_several_kernels_one_must_be_named() {
    let folder = lay_out(&vec![
        ("boot/vmlinuz-6.1.0".to_owned(), image("6.1.0")),
        ("boot/vmlinuz-6.2.0".to_owned(), image("6.2.0")),
    ]);
    assert_eq!(
        refusal(&folder, folder.path()),
        "several kernels in FOLDER: boot/vmlinuz-6.1.0, boot/vmlinuz-6.2.0; name one of them"
    );
}

#[test]
fn an_image_package_without_its_modules_is_told_with_what_that_costs() {
    let folder = TempDir::new().unwrap();
    let package = deb(&folder, "a.deb", &vec![(format!("usr/lib/modules/{RELEASE}/vmlinuz"), image(RELEASE))]);
    assert_eq!(
        refusal(&folder, package),
        "kernel 6.12.95-test comes without modules that are needed: veth, af_packet, inet_diag, tcp_diag (costs every case); \
         ipv6 (costs the cases over IPv6)"
    );
}

#[test]
fn modules_of_another_version_are_told() {
    let mut files = modules("lib/modules");
    files.push(("boot/vmlinuz-6.13.0".to_owned(), image("6.13.0")));
    let others = "for 6.12.95-test, the kernel is 6.13.0; give its modules with it";
    let folder = lay_out(&files);
    assert_eq!(refusal(&folder, folder.path()), format!("the modules in FOLDER are {others}"));
    assert_eq!(refusal(&folder, deb(&folder, "a.deb", &files)), format!("the modules in a.deb are {others}"));

    let mut files = installed();
    files[0].1 = built_for("6.12.94-test", "");
    let folder = lay_out(&files);
    assert_eq!(
        refusal(&folder, folder.path()),
        format!(
            "module usr/lib/modules/{RELEASE}/kernel/drivers/net/veth.ko.xz is for 6.12.94-test, the kernel is {RELEASE}"
        )
    );
}

#[test]
fn a_module_that_does_not_unpack_is_told() {
    let mut files = installed();
    files[0].1.truncate(60);
    let folder = lay_out(&files);
    let said = refusal(&folder, folder.path());
    assert!(said.contains("veth.ko.xz is no kernel module: "), "{said}");
}
