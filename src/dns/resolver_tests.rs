use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a server answers a question with (its last octets: type and class): flags in its third and fourth octet,
/// records, and how many of them are answers and authorities.
type Told = fn(name: &str, kind: u8) -> (u8, u8, Vec<u8>, u8, u8);

struct Server {
    at: SocketAddr,
    heard: Arc<AtomicUsize>,
}

/// A server of its own for a test. Over TCP it is told apart by a flag: nothing is cut off there.
fn server(told: Told) -> Server {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(at).unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, client)) = udp.recv_from(&mut question) {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer(&question[..length], told);
            udp.send_to(&answer, client).unwrap();
        }
    });
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let mut answer = answer(&question, told);
            answer[2] &= !2;
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length[..], &answer].concat()).unwrap();
        }
    });
    Server { at, heard }
}

fn answer(question: &[u8], told: Told) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..=at + length].to_vec()).unwrap());
        at += length + 1;
    }
    let (two, three, records, answers, authorities) = told(&labels.join("."), question[at + 2]);
    let mut answer = question[..at + 5].to_vec();
    answer[2] |= 0x80 | two;
    answer[3] = three;
    (answer[7], answer[9], answer[11]) = (answers, authorities, 0);
    answer.extend(records);
    answer
}

/// One address of the name that was asked for, good for 300 seconds.
const ADDRESS: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 9, 9, 9];

fn resolver(servers: &[&Server]) -> Resolver {
    Resolver::new(Servers::fixed(servers.iter().map(|server| server.at).collect()))
}

fn is_found(answer: &Result<Vec<Ipv4Addr>, DnsError>) -> bool {
    answer.as_deref() == Ok(&[Ipv4Addr::new(127, 9, 9, 9)])
}

#[test]
fn an_answer_is_kept_and_so_is_that_there_is_none() {
    let server = server(|name, kind| match name {
        "a.example.org" if kind == 1 => (0, 0, ADDRESS.to_vec(), 1, 0),
        "a.example.org" => (0, 0, Vec::new(), 0, 0),
        _ => (0, 3, Vec::new(), 0, 0),
    });
    let resolver = resolver(&[&server]);
    smol::block_on(async {
        for name in ["a.example.org", "A.Example.ORG."] {
            assert!(is_found(&resolver.ipv4(name).await));
        }
        for _ in 0..3 {
            assert_eq!(resolver.ipv6("a.example.org").await, Err(DnsError::NoData));
            assert_eq!(resolver.addresses("b.example.org").await, Err(DnsError::NoSuchName));
        }
        assert_eq!(resolver.addresses("a.example.org").await.unwrap().len(), 1);
    });
    assert_eq!(server.heard.load(Ordering::SeqCst), 4);
}

#[test]
fn what_does_not_fit_is_asked_for_over_tcp() {
    let server = server(|_, _| (2, 0, ADDRESS.to_vec(), 1, 0));
    let resolver = resolver(&[&server]);
    assert!(is_found(&smol::block_on(resolver.ipv4("large.example.org"))));
}

#[test]
fn a_server_that_cannot_tell_leaves_it_to_the_next() {
    let fails = server(|_, _| (0, 2, Vec::new(), 0, 0));
    let tells = server(|_, _| (0, 0, ADDRESS.to_vec(), 1, 0));
    assert!(is_found(&smol::block_on(resolver(&[&fails, &tells]).ipv4("a.example.org"))));
    let alone = resolver(&[&fails]);
    let error = smol::block_on(alone.ipv4("a.example.org")).unwrap_err();
    assert!(!error.is_void(), "{error}");
    assert_eq!(fails.heard.load(Ordering::SeqCst), 3);
}

#[test]
fn an_alias_is_followed_over_several_answers_but_not_for_ever() {
    let server = server(|name, _| match name {
        // CNAME to `b` and the rest of the name that was asked for, good for 10 seconds.
        "aa.example.org" => (0, 0, vec![0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 10, 0, 5, 2, b'b', b'b', 0xc0, 15], 1, 0),
        "bb.example.org" => (0, 0, ADDRESS.to_vec(), 1, 0),
        // And one to itself.
        _ => (0, 0, vec![0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 10, 0, 2, 0xc0, 12], 1, 0),
    });
    let resolver = resolver(&[&server]);
    assert!(is_found(&smol::block_on(resolver.ipv4("aa.example.org"))));
    let error = smol::block_on(resolver.ipv4("circle.example.org")).unwrap_err();
    assert!(!error.is_void(), "{error}");
}

#[test]
fn without_a_server_it_is_known_that_nothing_is_known() {
    let error = smol::block_on(resolver(&[]).ipv4("a.example.org")).unwrap_err();
    assert!(!error.is_void(), "{error}");
    assert_eq!(smol::block_on(resolver(&[]).ipv4("a..b")), Err(DnsError::NoSuchName));
}
