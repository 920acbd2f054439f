//! Updates from a server that is as servers are: it sends elsewhere, breaks off, forgets how to go on.

use super::error::UpdateError;
use super::fetch::Remote;
use super::machine_tests::{Folder, Loader, Machine};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::{fs, io, thread};

/// What the server does with a request.
#[derive(Clone)]
enum Page {
    Octets(Vec<u8>),
    /// Breaks off after so many octets each time, and goes on from there, if it can.
    Halting {
        octets: Vec<u8>,
        step: usize,
        goes_on: bool,
    },
    Elsewhere(String),
    /// Says that it has so many octets.
    Boasts(u64),
    Fails,
}

/// A server that lives as long as the test.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(pages: &[(&str, Page)]) -> Server {
        let pages: HashMap<String, Page> =
            pages.iter().map(|(path, page)| ((*path).to_owned(), page.clone())).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever hangs up hears no answer.
                let _ = stream.and_then(|stream| answer(stream, &pages, &told));
            }
        });
        Server { port, heard }
    }

    fn url(&self, path: &str) -> String {
        format!("http://updates.example:{}{path}", self.port)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn fetch(&self, path: &str, most: u64) -> Result<Vec<u8>, UpdateError> {
        let folder = Folder::new(&format!("fetch-{}", self.port));
        let file = folder.0.join("update");
        Remote::new(&self.url(path), Arc::new(at_home)).fetch(&file, most, &mut |_| {})?;
        Ok(fs::read(file).unwrap())
    }
}

fn at_home(name: &str) -> io::Result<Vec<IpAddr>> {
    if name == "updates.example" { Ok(vec![IpAddr::from([127, 0, 0, 1])]) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn answer(stream: std::net::TcpStream, pages: &HashMap<String, Page>, heard: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let mut output = stream;
    let mut request = String::new();
    input.read_line(&mut request)?;
    let mut from = None;
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    heard.lock().unwrap().push(from.map_or_else(|| path.clone(), |from| format!("{path} from {from}")));
    let end = "Connection: close\r\n\r\n";
    match pages.get(&path) {
        None => write!(output, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n{end}"),
        Some(Page::Octets(octets)) => {
            write!(output, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{end}", octets.len())?;
            output.write_all(octets)
        }
        Some(Page::Halting { octets, step, goes_on }) => {
            let from = from.filter(|_| *goes_on).unwrap_or(0);
            let rest = &octets[from..];
            if from == 0 {
                write!(output, "HTTP/1.1 200 OK\r\n")?;
            } else {
                let last = octets.len() - 1;
                write!(
                    output,
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{}\r\n",
                    octets.len()
                )?;
            }
            write!(output, "ETag: \"one\"\r\nContent-Length: {}\r\n{end}", rest.len())?;
            output.write_all(&rest[..rest.len().min(*step)])
        }
        Some(Page::Elsewhere(location)) => {
            write!(output, "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n{end}")
        }
        Some(Page::Boasts(length)) => write!(output, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{end}"),
        Some(Page::Fails) => write!(output, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n{end}"),
    }
}

#[test]
fn an_update_comes_from_a_server_by_its_name() {
    let machine = Machine::new("http", Loader::UBoot);
    let source = machine.update("2");
    let octets = |path: &str| Page::Octets(fs::read(path).unwrap());
    let server = Server::start(&[
        ("/2.update?from=here", octets(&source)),
        ("/2.update.minisig?from=here", octets(&format!("{source}.minisig"))),
        ("/unsigned.update", octets(&source)),
    ]);
    let first = machine.start().unwrap();
    let updates = machine.updates(&first, 1);
    let mut told = Vec::new();
    let mut install = |path: &str| updates.install(&server.url(path), &mut |text| told.push(text));
    assert!(matches!(install("/unsigned.update"), Err(UpdateError::NoSignature(why)) if why.contains("404")));
    assert_eq!(server.heard(), ["/unsigned.update.minisig"], "without a signature, nothing else is wanted");
    assert_eq!(install("/2.update?from=here").unwrap(), "2");
    assert_eq!(machine.start().unwrap().version, "2");
    assert_eq!(told, ["fetching the update", "verifying the signature", "writing vmlinuz", "writing initramfs"]);
    assert_eq!(fs::read_dir(machine.folder.0.join("incoming")).unwrap().count(), 0, "what was fetched is gone");
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let octets: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let halting = Page::Halting { octets: octets.clone(), step: 30_000, goes_on: true };
    let server = Server::start(&[("/x", halting)]);
    assert_eq!(server.fetch("/x", 1 << 20).unwrap(), octets);
    assert_eq!(server.heard(), ["/x", "/x from 30000", "/x from 60000", "/x from 90000"]);
}

#[test]
fn one_that_always_breaks_off_is_given_up() {
    let halting = Page::Halting { octets: vec![7; 100_000], step: 30_000, goes_on: false };
    let server = Server::start(&[("/x", halting), ("/y", Page::Fails)]);
    assert!(matches!(server.fetch("/x", 1 << 20), Err(UpdateError::Fetch(_))));
    assert!(matches!(server.fetch("/y", 1 << 20), Err(UpdateError::Fetch(why)) if why.contains("503")));
    assert!(server.heard().len() < 20);
}

#[test]
fn the_server_may_send_elsewhere_but_not_for_ever() {
    let server = Server::start(&[
        ("/x", Page::Elsewhere("/y".to_owned())),
        ("/y", Page::Octets(b"here".to_vec())),
        ("/round", Page::Elsewhere("/round".to_owned())),
    ]);
    assert_eq!(server.fetch("/x", 1 << 20).unwrap(), b"here");
    assert!(matches!(server.fetch("/round", 1 << 20), Err(UpdateError::Fetch(_))));
    assert!(server.heard().len() < 12);
}

#[test]
fn what_is_too_large_is_not_fetched() {
    let server = Server::start(&[("/says", Page::Boasts(1 << 40)), ("/is", Page::Octets(vec![0; 100_001]))]);
    for path in ["/says", "/is"] {
        assert!(matches!(server.fetch(path, 100_000), Err(UpdateError::TooLarge)), "{path}");
    }
    assert!(matches!(server.fetch("/nowhere", 100_000), Err(UpdateError::Fetch(why)) if why.contains("404")));
}

#[test]
fn a_name_that_nobody_knows_is_said() {
    let folder = Folder::new("fetch-nobody");
    let fetched = Remote::new("http://nobody.example/x", Arc::new(at_home)).fetch(&folder.0.join("x"), 1, &mut |_| {});
    assert!(matches!(fetched, Err(UpdateError::Fetch(_))));
}
