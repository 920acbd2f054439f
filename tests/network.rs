//! The network in namespaces of its own, with a real DHCP server (dnsmasq) at the other end of a real cable (veth).
//!
//! Needs root, `ip` and `dnsmasq`, and makes links: so it is asked for by name, as `tests/run` does:
//! `cargo test --test network -- --ignored`. The client is `examples/network.rs`.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long what is hoped for may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an address without a server may take: two verifications and two discoveries, and RFC 3927's questions.
const ALONE: Duration = Duration::from_secs(45);
/// The longest pause between two discoveries, and what follows.
const RETRY: Duration = Duration::from_secs(80);

/// A server's range, and T1 and T2 of its leases.
const HOME: &str = "10.9.0.50,10.9.0.59,255.255.255.0,120";
const MOVED: &str = "10.9.0.100,10.9.0.109,255.255.255.0,120";
const ELSEWHERE: &str = "10.8.0.50,10.8.0.59,255.255.255.0,120";

/// Two namespaces with a cable between them.
struct World {
    home: PathBuf,
    client: String,
    server: String,
    dnsmasq: RefCell<Option<Output>>,
}

/// A program, with what it says.
struct Output {
    child: Child,
    lines: Receiver<String>,
    seen: RefCell<Vec<String>>,
}

impl World {
    fn new() -> World {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let home = std::env::temp_dir().join(format!("pillarbox-network-{number}"));
        fs::create_dir_all(&home).expect("a folder can be made");
        let (client, server) = (format!("pbc-{number}"), format!("pbs-{number}"));
        let world = World { home, client, server, dnsmasq: RefCell::default() };
        run(&format!("ip netns add {}", world.client));
        run(&format!("ip netns add {}", world.server));
        world.at_server("ip link set lo up");
        world.link_comes();
        world
    }

    /// As a USB adapter that is put in, with its cable.
    fn link_comes(&self) {
        self.at_server(&format!("ip link add eth0 type veth peer name eth0 netns {}", self.client));
        self.at_server("ip addr add 10.9.0.1/24 dev eth0");
        self.cable_in();
    }

    fn link_goes(&self) {
        self.at_server("ip link del eth0");
    }

    fn at_server(&self, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.server))
    }

    fn at_client(&self, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.client))
    }

    fn cable_in(&self) {
        self.at_server("ip link set eth0 up");
    }

    fn cable_out(&self) {
        self.at_server("ip link set eth0 down");
    }

    /// A server that lends from this range, and knows nothing of what another one lent.
    fn serve(&self, range: &str, more: &[&str]) {
        self.serve_no_more();
        let leases = self.home.join("leases");
        let _ = fs::remove_file(&leases);
        let leases = format!("--dhcp-leasefile={}", leases.display());
        let range = format!("--dhcp-range={range}");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"]);
        command.args(["--user=root", "--no-resolv", "--no-hosts", "--pid-file=", "--interface=eth0", "--bind-dynamic"]);
        command.args(["--no-ping", "--dhcp-authoritative", "--log-dhcp", "--log-facility=-", &leases, &range]);
        command.args(["--dhcp-option=option:T1,6", "--dhcp-option=option:T2,100", "--domain=home.example"]);
        command.args(["--address=/time.example/10.9.0.77", "--dhcp-option=option:ntp-server,10.9.0.1"]).args(more);
        let server = Output::of(&mut command);
        server.wait_for("dnsmasq begins", PATIENCE, |line| line.contains("DHCP, IP range") || line.contains("started"));
        *self.dnsmasq.borrow_mut() = Some(server);
    }

    fn serve_no_more(&self) {
        self.dnsmasq.borrow_mut().take();
    }

    /// Waits until the server says this, from now on.
    fn server_says(&self, what: &str) -> String {
        let server = self.dnsmasq.borrow();
        server.as_ref().expect("a server runs").wait_for(what, PATIENCE, |line| line.contains(what))
    }

    /// What the server said since the last time, without waiting.
    fn server_said(&self, what: &str) -> bool {
        let server = self.dnsmasq.borrow();
        let server = server.as_ref().expect("a server runs");
        server.drain();
        server.seen.borrow().iter().any(|line| line.contains(what))
    }

    fn start(&self, arguments: &[&str]) -> Output {
        self.start_in(&self.client, arguments)
    }

    fn start_in(&self, namespace: &str, arguments: &[&str]) -> Output {
        let program = std::env::current_exe().expect("this program has a path");
        let folder = program.parent().and_then(Path::parent).expect("it lies in deps");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(folder.join("examples/network"));
        Output::of(
            command.arg(if namespace == self.client { self.home.as_os_str() } else { "-".as_ref() }).args(arguments),
        )
    }

    /// The addresses that the kernel has.
    fn addresses(&self) -> Vec<String> {
        let text = self.at_client("ip -4 -o addr show dev eth0");
        text.lines()
            .filter_map(|line| Some(line.split_once("inet ")?.1.split_whitespace().next()?.to_owned()))
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.serve_no_more();
        for name in [&self.client, &self.server] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Output {
    fn of(command: &mut Command) -> Output {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (sender, lines) = channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] =
            [child.stdout.take().map(|out| Box::new(out) as _), child.stderr.take().map(|out| Box::new(out) as _)];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Output { child, lines, seen: RefCell::default() }
    }

    /// Waits for a line that was not there yet when it was last waited for.
    fn wait_for(&self, what: &str, patience: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + patience;
        self.seen.borrow_mut().push(format!("--- {what}"));
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.borrow_mut().push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no {what:?} in:\n{}", self.seen.borrow().join("\n"))
                }
            }
        }
    }

    /// Waits for a state that says all of these; the last one may already.
    fn state(&self, wanted: &[&str], patience: Duration) -> String {
        let says = |line: &str| line.starts_with("state ") && wanted.iter().all(|word| line.contains(word));
        let last = self.seen.borrow().iter().rfind(|line| line.starts_with("state ")).cloned();
        if let Some(last) = last.filter(|last| says(last)) {
            return last;
        }
        self.wait_for(&wanted.join(" & "), patience, says)
    }

    fn drain(&self) {
        self.seen.borrow_mut().extend(self.lines.try_iter());
    }

    fn say(&mut self, line: &str) {
        let stdin: &mut ChildStdin = self.child.stdin.as_mut().expect("it listens");
        writeln!(stdin, "{line}").expect("it listens");
    }

    /// As when the plug is pulled.
    fn kill(mut self) {
        let _ = self.child.kill();
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output().expect("it can be run");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The address of a state's line.
fn address(state: &str) -> String {
    let word = state.split_whitespace().find(|word| word.contains('/') && !word.starts_with("lease"));
    word.expect("it has an address").to_owned()
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn a_lease_is_got_and_renewed_and_given_back() {
    let world = World::new();
    world.at_server("ip addr add 2001:db8:9::1/64 dev eth0 nodad");
    world.serve(HOME, &["--enable-ra", "--dhcp-range=::,constructor:eth0,ra-only"]);
    let mut client = world.start(&[]);
    let state = client.state(&["cable lease(10.9.0.1) 10.9.0.", "via 10.9.0.1"], PATIENCE);
    assert!(state.contains("dns=[10.9.0.1] ntp=[10.9.0.1] domain=home.example"), "{state}");
    let had = address(&state);
    assert_eq!(world.addresses(), std::slice::from_ref(&had));
    assert!(world.at_client("ip -4 route").contains("default via 10.9.0.1 dev eth0 proto dhcp"));
    world.server_says("DHCPACK");
    // Half of the lease is 6 seconds here: it is asked for without a discovery, and stays.
    assert!(world.server_says("client provides name: pillarbox").contains("pillarbox"));
    world.server_says("DHCPACK");
    assert_eq!(world.addresses(), [had]);
    client.say("resolve time.example");
    client.wait_for("the address of a name", PATIENCE, |line| line == "resolved time.example [10.9.0.77]");
    client.say("resolve nobody.example");
    client.wait_for("no such name", PATIENCE, |line| line.starts_with("unresolved nobody.example"));
    client.state(&["2001:db8:9:"], PATIENCE);
    client.say("release");
    client.wait_for("released", PATIENCE, |line| line == "released");
    world.server_says("DHCPRELEASE");
    assert_eq!(world.addresses(), [""; 0]);
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn a_server_that_refuses_the_renewal_lends_another_address() {
    let world = World::new();
    world.serve(HOME, &[]);
    let client = world.start(&[]);
    client.state(&["lease(10.9.0.1) 10.9.0.5"], PATIENCE);
    world.serve(MOVED, &[]);
    world.server_says("DHCPNAK");
    let state = client.state(&["lease(10.9.0.1) 10.9.0.10"], PATIENCE);
    let addresses = world.addresses();
    assert!(addresses.len() == 1 && addresses.iter().all(|address| address.starts_with("10.9.0.10")), "{addresses:?}");
    assert!(world.at_client("ip -4 route").contains("default via 10.9.0.1"));
    let new: Ipv4Addr = address(&state).split('/').next().and_then(|new| new.parse().ok()).expect("it is an address");
    assert!(ask_mdns(&world, "pillarbox.local", &new.octets()), "the name follows the address");
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn without_a_server_there_is_an_address_of_the_link_until_a_server_comes() {
    let world = World::new();
    let client = world.start(&[]);
    let state = client.state(&["link-local 169.254."], ALONE);
    assert_eq!(world.addresses(), [address(&state)]);
    world.serve(HOME, &[]);
    client.state(&["lease(10.9.0.1) 10.9.0.5", "via"], RETRY);
    let addresses = world.addresses();
    assert!(addresses.len() == 1 && addresses.iter().all(|address| address.starts_with("10.9.0.5")), "{addresses:?}");
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn a_cable_that_comes_back_verifies_the_lease_or_gets_another() {
    let world = World::new();
    world.serve(HOME, &["--dhcp-option=option:T1,50"]);
    let client = world.start(&[]);
    let had = address(&client.state(&["lease(10.9.0.1) 10.9.0.5"], PATIENCE));
    world.server_says("DHCPACK");
    world.cable_out();
    client.state(&[" - lease(10.9.0.1)"], PATIENCE);
    assert_eq!(world.addresses(), std::slice::from_ref(&had), "the address stays while the cable is out");
    world.cable_in();
    client.state(&["cable lease(10.9.0.1)"], PATIENCE);
    world.server_says("DHCPREQUEST");
    world.server_says("DHCPACK");
    assert_eq!(world.addresses(), [had]);
    // The other end is in another network now.
    world.cable_out();
    client.state(&[" - lease(10.9.0.1)"], PATIENCE);
    world.at_server("ip addr flush dev eth0");
    world.at_server("ip addr add 10.8.0.1/24 dev eth0");
    world.cable_in();
    world.serve(ELSEWHERE, &[]);
    client.state(&["lease(10.8.0.1) 10.8.0.5", "via 10.8.0.1"], PATIENCE);
    let addresses = world.addresses();
    assert!(addresses.len() == 1 && addresses.iter().all(|address| address.starts_with("10.8.0.5")), "{addresses:?}");
    let routes = world.at_client("ip -4 route");
    assert!(routes.contains("default via 10.8.0.1") && !routes.contains("10.9.0"), "{routes}");
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn a_lease_is_taken_up_again_after_a_power_cut() {
    let world = World::new();
    world.serve(HOME, &["--dhcp-option=option:T1,50"]);
    let client = world.start(&[]);
    let had = address(&client.state(&["lease(10.9.0.1) 10.9.0.5"], PATIENCE));
    world.server_says("DHCPACK");
    client.kill();
    world.at_client("ip addr flush dev eth0");
    let client = world.start(&[]);
    assert_eq!(address(&client.state(&["lease(10.9.0.1) 10.9.0.5"], PATIENCE)), had);
    // All servers were asked once in all: the second time the lease was known.
    assert!(world.server_said("DHCPREQUEST"));
    let discoveries = world
        .dnsmasq
        .borrow()
        .as_ref()
        .map(|server| server.seen.borrow().iter().filter(|line| line.contains("DHCPDISCOVER")).count());
    assert_eq!(discoveries, Some(1));
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn a_link_that_goes_and_comes_again_is_used() {
    let world = World::new();
    world.serve(HOME, &[]);
    let client = world.start(&[]);
    client.state(&["eth0 cable lease(10.9.0.1) 10.9.0.5"], PATIENCE);
    world.link_goes();
    client.wait_for("a state without the link", PATIENCE, |line| line == "state pillarbox dns=[] ntp=[] domain=-");
    world.link_comes();
    client.state(&["eth0 cable lease(10.9.0.1) 10.9.0.5"], PATIENCE);
    assert_eq!(world.addresses().len(), 1);
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn an_address_that_somebody_has_is_declined() {
    let world = World::new();
    // The server wants to lend an address that a machine there has set by itself: its own second one.
    world.at_server("ip addr add 10.9.0.50/24 dev eth0");
    let mac = world.at_client("cat /sys/class/net/eth0/address").trim().to_owned();
    world.serve("10.9.0.50,10.9.0.51,255.255.255.0,120", &[&format!("--dhcp-host={mac},10.9.0.50")]);
    let client = world.start(&[]);
    world.server_says("DHCPDECLINE");
    client.state(&["lease(10.9.0.1) 10.9.0.51"], PATIENCE + PATIENCE);
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn an_address_that_the_owner_set_is_kept_and_told_as_a_name() {
    let world = World::new();
    let mut client = world.start(&["10.9.0.7/24", "10.9.0.1"]);
    client.state(&["cable fixed 10.9.0.7/24 via 10.9.0.1"], PATIENCE);
    assert_eq!(world.addresses(), ["10.9.0.7/24"]);
    let asks = |name: &str, answer: &[u8]| ask_mdns(&world, name, answer);
    assert!(asks("pillarbox.local", &[10, 9, 0, 7]), "the name has its address");
    assert!(asks("_imaps._tcp.local", b"pillarbox"), "the service has a name");
    client.say("release");
    client.wait_for("released", PATIENCE, |line| line == "released");
}

#[test]
#[ignore = "needs root and dnsmasq: tests/run asks for it"]
fn of_two_machines_with_one_name_the_second_takes_another() {
    let world = World::new();
    let first = world.start(&["10.9.0.7/24"]);
    first.state(&["cable fixed 10.9.0.7/24"], PATIENCE);
    assert!(ask_mdns(&world, "pillarbox.local", &[10, 9, 0, 7]), "the name has its address");
    let second = world.start_in(&world.server, &["10.9.0.1/24"]);
    second.state(&["state pillarbox-2 "], PATIENCE);
    assert!(!first.seen.borrow().iter().any(|line| line.starts_with("state pillarbox-2")));
}

/// Whether a name is told by the client to one who asks all.
fn ask_mdns(world: &World, name: &str, answer: &[u8]) -> bool {
    use hickory_proto::op::{Message, Query};
    use hickory_proto::rr::{Name, RecordType};
    let kind = if name.starts_with('_') { RecordType::PTR } else { RecordType::A };
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii(format!("{name}.")).expect("it is a name"), kind));
    let question = question.to_vec().expect("it fits");
    let namespace = fs::File::open(format!("/run/netns/{}", world.server)).expect("the namespace is there");
    let answer = answer.to_vec();
    let asks = move || {
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind).expect("it is ours");
        let socket = UdpSocket::bind("0.0.0.0:5353").expect("the port is free");
        socket2::SockRef::from(&socket).set_multicast_if_v4(&Ipv4Addr::new(10, 9, 0, 1)).expect("it is ours");
        socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &Ipv4Addr::new(10, 9, 0, 1)).expect("it is heard");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("it waits");
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            socket.send_to(&question, "224.0.0.251:5353").expect("it is sent");
            let mut octets = [0; 9000];
            while let Ok((length, from)) = socket.recv_from(&mut octets) {
                let octets = octets.get(..length).unwrap_or_default();
                if !from.ip().to_string().ends_with(".1") && octets.windows(answer.len()).any(|part| part == answer) {
                    return true;
                }
            }
        }
        false
    };
    std::thread::spawn(asks).join().expect("it ends")
}
