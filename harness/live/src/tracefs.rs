//! Where the tracepoint's number and the places of its fields come from: two small files of tracefs.
//!
//! Owns finding and reading them, also where tracefs is not mounted: then in a child process with a mount of its own, so that
//! the machine stays as it was. Refuses to know what the fields mean. Follows Documentation/trace/events.rst.
#![expect(unsafe_code, reason = "fork, for a mount that nobody else sees")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

const EVENT: &str = "events/sock/inet_sock_set_state";

/// The tracepoint's number and where its fields are in the raw data of an event, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) id: u64,
    pub(crate) oldstate: usize,
    pub(crate) newstate: usize,
    pub(crate) sport: usize,
    pub(crate) dport: usize,
    pub(crate) family: usize,
    pub(crate) protocol: usize,
    pub(crate) saddr: usize,
    pub(crate) daddr: usize,
    pub(crate) saddr_v6: usize,
    pub(crate) daddr_v6: usize,
}

impl Layout {
    /// Reads it, or says why it cannot. To be called while the process has one thread.
    pub(crate) fn find() -> Result<Layout, String> {
        let text = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
            .into_iter()
            .find_map(|root| read_files(Path::new(root)))
            .or_else(read_in_child)
            .ok_or("tracefs is not readable; as root: mount -t tracefs tracefs /sys/kernel/tracing")?;
        Layout::parse(&text).ok_or_else(|| "the tracepoint sock:inet_sock_set_state has an unknown form".to_string())
    }

    /// Takes the number, a line break, and the format file.
    fn parse(text: &str) -> Option<Layout> {
        let (id, format) = text.split_once('\n')?;
        let offset = |name: &str| -> Option<usize> {
            format
                .lines()
                .filter_map(|line| line.trim().strip_prefix("field:"))
                .find(|field| {
                    let declaration = field.split(';').next().unwrap_or_default();
                    let declared = declaration.rsplit(' ').next().unwrap_or_default();
                    declared.split('[').next() == Some(name)
                })
                .and_then(|field| field.split("offset:").nth(1)?.split(';').next()?.parse().ok())
        };
        Some(Layout {
            id: id.trim().parse().ok()?,
            oldstate: offset("oldstate")?,
            newstate: offset("newstate")?,
            sport: offset("sport")?,
            dport: offset("dport")?,
            family: offset("family")?,
            protocol: offset("protocol")?,
            saddr: offset("saddr")?,
            daddr: offset("daddr")?,
            saddr_v6: offset("saddr_v6")?,
            daddr_v6: offset("daddr_v6")?,
        })
    }
}

fn read_files(root: &Path) -> Option<String> {
    let id = fs::read_to_string(root.join(EVENT).join("id")).ok()?;
    let format = fs::read_to_string(root.join(EVENT).join("format")).ok()?;
    Some(format!("{}\n{format}", id.trim()))
}

fn read_in_child() -> Option<String> {
    let (mut reader, mut writer) = std::io::pipe().ok()?;
    // SAFETY: the process has one thread, so the child may do anything.
    match unsafe { fork() }.ok()? {
        ForkResult::Parent { child } => {
            drop(writer);
            let mut text = String::new();
            let read = reader.read_to_string(&mut text);
            let _ = waitpid(child, None);
            (read.is_ok() && !text.is_empty()).then_some(text)
        }
        ForkResult::Child => {
            if let Some(text) = mount_and_read() {
                let _ = writer.write_all(text.as_bytes());
            }
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
    }
}

fn mount_and_read() -> Option<String> {
    let (nothing, place) = (None::<&str>, "/sys/kernel/tracing");
    unshare(CloneFlags::CLONE_NEWNS).ok()?;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).ok()?;
    mount(Some("tracefs"), place, Some("tracefs"), MsFlags::empty(), nothing).ok()?;
    read_files(Path::new(place))
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn the_format_file_gives_the_offsets() {
        let text = "1234\nname: inet_sock_set_state\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
            \tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;\n\
            \tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;\n\
            \tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;\n\
            \tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;\n\
            \tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;\n\
            \tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;\n\
            \tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n\
            \tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;\n\
            \tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;\n\
            \tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;\n";
        let layout = Layout::parse(text).unwrap();
        assert_eq!((layout.id, layout.oldstate, layout.saddr, layout.daddr_v6), (1234, 16, 32, 56));
        assert_eq!(Layout::parse("1\nformat:\n"), None);
    }
}
