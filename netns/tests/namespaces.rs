//! Real namespaces on the running kernel; skipped, with the reason, where they are not allowed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use tcpconform_netns::{LinkSetup, Mac, Namespace, NetnsError, VethEnd, enter_user_namespace, probe_user_namespace};

const MACS: [Mac; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

fn main() {
    let arguments = Arguments::from_args();
    let allowed = enter_user_namespace();
    if let Err(error) = &allowed {
        println!("skipped: {error}");
    }
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(name, test).with_ignored_flag(allowed.is_err());
    let trials = vec![
        trial("link_carries_both_ip_versions", link_carries_both_ip_versions),
        trial("a_router_forwards_and_tells_of_what_dies", a_router_forwards_and_tells_of_what_dies),
        trial("sysctls_are_written_and_compared", sysctls_are_written_and_compared),
        trial("run_comes_back_home", run_comes_back_home),
        trial("probe_leaves_the_caller_alone", probe_leaves_the_caller_alone),
        trial("set_up_time", set_up_time),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn pair() -> Result<[Namespace; 2], NetnsError> {
    let ends = [Namespace::new()?, Namespace::new()?];
    let end = |n: usize| VethEnd { namespace: &ends[n], name: "link0", index: 10 + n as u32, mac: MACS[n], up: false };
    Namespace::create_veth(&end(0), &end(1), 1500)?;
    for n in 0..2 {
        let v4 = |host| Ipv4Addr::new(192, 0, 2, host).into();
        let v6 = |host| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host).into();
        let (own, other) = (n as u8 + 1, 2 - n as u8);
        ends[n].set_up_link(&LinkSetup {
            index: 10 + n as u32,
            addresses: vec![(v4(own), 24), (v6(own.into()), 64)],
            neighbours: vec![(v4(other), MACS[1 - n]), (v6(other.into()), MACS[1 - n])],
            hosts: Vec::new(),
        })?;
        ends[n].disable_checksum_offload("link0")?;
    }
    Ok(ends)
}

fn link_carries_both_ip_versions() -> Result<(), Failed> {
    let ends = pair()?;
    for [one, two] in [["192.0.2.1:1000", "192.0.2.2:1000"], ["[fd00::1]:1000", "[fd00::2]:1000"]] {
        let (one, two): (SocketAddr, SocketAddr) = (one.parse()?, two.parse()?);
        let first = ends[0].run(|| UdpSocket::bind(one))??;
        let last = ends[1].run(|| UdpSocket::bind(two))??;
        let mut buffer = [0; 16];
        // The end set up first sends once linkwatch has told it of its carrier; the last one is ready at once.
        last.set_read_timeout(Some(Duration::from_millis(20)))?;
        let heard = (0..100).find_map(|_| first.send_to(b"hello", two).and_then(|_| last.recv_from(&mut buffer)).ok());
        assert_eq!(heard, Some((5, one)));
        last.send_to(b"hello", one)?;
        first.set_read_timeout(Some(Duration::from_secs(1)))?;
        assert_eq!(first.recv_from(&mut buffer)?, (5, two));
    }
    Ok(())
}

/// Two hosts that take the router for each other.
fn a_router_forwards_and_tells_of_what_dies() -> Result<(), Failed> {
    const ROUTER_MACS: [Mac; 2] = [[2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]];
    let addresses = |host: u8| -> [IpAddr; 2] {
        [Ipv4Addr::new(192, 0, 2, host).into(), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host.into()).into()]
    };
    let router = Namespace::new()?;
    router.forward()?;
    let hosts = [Namespace::new()?, Namespace::new()?];
    for n in 0..2 {
        let (port, index) = (format!("port{n}"), 20 + n as u32);
        let near = VethEnd { namespace: &router, name: &port, index, mac: ROUTER_MACS[n], up: false };
        Namespace::create_veth(
            &near,
            &VethEnd { namespace: &hosts[n], name: "link0", index: 10, mac: MACS[n], up: false },
            1500,
        )?;
        let (own, other) = (addresses(n as u8 + 1), addresses(2 - n as u8));
        hosts[n].set_up_link(&LinkSetup {
            index: 10,
            addresses: vec![(own[0], 24), (own[1], 64)],
            neighbours: other.map(|address| (address, ROUTER_MACS[n])).into(),
            hosts: Vec::new(),
        })?;
        router.set_up_link(&LinkSetup {
            index,
            addresses: addresses(n as u8 + 3).map(|address| (address, if address.is_ipv4() { 32 } else { 128 })).into(),
            neighbours: own.map(|address| (address, MACS[n])).into(),
            hosts: own.into(),
        })?;
    }
    for version in 0..2 {
        let [one, two] = [1, 2].map(|host| SocketAddr::new(addresses(host)[version], 1000));
        let first = hosts[0].run(|| UdpSocket::bind(one))??;
        let last = hosts[1].run(|| UdpSocket::bind(two))??;
        first.connect(two)?;
        last.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut buffer = [0; 16];
        let heard = (0..100).find_map(|_| first.send(b"hello").and_then(|_| last.recv_from(&mut buffer)).ok());
        assert_eq!(heard, Some((5, one)));
        if one.is_ipv4() {
            setsockopt(&first, sockopt::Ipv4RecvErr, &true)?;
            setsockopt(&first, sockopt::Ipv4Ttl, &1)?;
        } else {
            setsockopt(&first, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(&first, sockopt::Ipv6Ttl, &1)?;
        }
        first.set_read_timeout(Some(Duration::from_secs(1)))?;
        first.send(b"short")?;
        let died = first.recv(&mut buffer).unwrap_err().raw_os_error().map(Errno::from_raw);
        assert_eq!(died, Some(Errno::EHOSTUNREACH), "time exceeded, {one}");
    }
    Ok(())
}

fn sysctls_are_written_and_compared() -> Result<(), Failed> {
    let namespace = Namespace::new()?;
    let map = |name: &str, value: &str| BTreeMap::from([(name.to_string(), value.to_string())]);
    namespace.write_sysctls(&map("net.ipv4.tcp_fin_timeout", "5"))?;
    namespace.write_sysctls(&map("net.ipv4.tcp_rmem", "4096 131072 6291456"))?;
    let read = namespace.read_sysctls(["net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_no_such", "net.ipv4.tcp_rmem"])?;
    assert_eq!(read.into_values().collect::<Vec<_>>(), ["5", "4096 131072 6291456"]);
    assert!(matches!(
        namespace.write_sysctls(&map("net.ipv4.tcp_no_such", "1")),
        Err(NetnsError::UnknownSysctl { .. })
    ));
    assert!(matches!(
        namespace.write_sysctls(&map("net.ipv4.tcp_fin_timeout", "often")),
        Err(NetnsError::SysctlRefused { .. })
    ));
    let fresh = Namespace::new()?.read_sysctls(["net.ipv4.tcp_fin_timeout"])?;
    assert_eq!(fresh["net.ipv4.tcp_fin_timeout"], "60");
    Ok(())
}

fn run_comes_back_home() -> Result<(), Failed> {
    let own = || std::fs::read_link("/proc/thread-self/ns/net");
    let home = own()?;
    let namespace = Namespace::new()?;
    assert_eq!(own()?, home);
    assert_ne!(namespace.run(own)??, home);
    assert_eq!(own()?, home);
    let panicked = std::panic::catch_unwind(|| namespace.run(|| panic!("inside")));
    assert!(panicked.is_err());
    assert_eq!(own()?, home);
    Ok(())
}

fn probe_leaves_the_caller_alone() -> Result<(), Failed> {
    let own = || std::fs::read_link("/proc/self/ns/user");
    let before = own()?;
    if let Err(error) = probe_user_namespace() {
        println!("no user namespaces here: {error}");
    }
    assert_eq!(own()?, before);
    Ok(())
}

fn set_up_time() -> Result<(), Failed> {
    let mut times: Vec<_> = (0..50)
        .map(|_| {
            let start = Instant::now();
            pair().map(|ends| (start.elapsed(), ends).0)
        })
        .collect::<Result<_, _>>()?;
    times.sort();
    println!("two namespaces with a configured veth: median {:?}, worst {:?}", times[25], times[49]);
    Ok(())
}
