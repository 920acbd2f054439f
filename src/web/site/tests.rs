//! The pages, asked as a browser does, on a store on disk.

use super::*;
use crate::store::Options;
use crate::web::{Code, connection};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::unix::UnixStream;
use std::net::IpAddr;
use std::sync::Mutex as Lock;

/// A site with its store, that goes when the test ends.
struct World {
    folder: PathBuf,
    site: Arc<Site>,
    welcomed: Arc<Lock<Vec<String>>>,
}

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const LAN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const GOOD: &str = "code=k3mf-W8TA&name=Anna&password=open+sesame%21&again=open+sesame%21&quota=5G";

impl World {
    fn new(name: &str, code: Option<&str>) -> World {
        let folder = std::env::temp_dir().join(format!("pillarbox-web-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Arc::new(Store::open(&folder, Options::default()).unwrap());
        World::on(folder, store, code)
    }

    fn on(folder: PathBuf, store: Arc<Store>, code: Option<&str>) -> World {
        std::fs::write(folder.join("ca.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        let found = found(0, Some(folder.join("ca.pem")));
        let welcomed: Arc<Lock<Vec<String>>> = Arc::default();
        let told = Arc::clone(&welcomed);
        let welcome = Box::new(move |address: &str| told.lock().unwrap().push(address.to_owned()));
        let strength = Strength { memory_kib: 64, passes: 1, lanes: 1 };
        let site = Arc::new(Site::new(store, strength, found, code.and_then(Code::new), welcome));
        World { folder, site, welcomed }
    }

    /// What a connection answers to these octets.
    fn say(&self, visit: Visit, octets: &str) -> String {
        let (here, mut there) = UnixStream::pair().unwrap();
        let answering = connection::answer(Arc::clone(&self.site), here, visit);
        let asking = async {
            there.write_all(octets.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let _ = there.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        smol::block_on(async { smol::future::zip(answering, asking).await.1 })
    }

    fn get(&self, from: IpAddr, tls: bool, path: &str) -> String {
        self.say(Visit { from, tls }, &format!("GET {path} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n"))
    }

    fn post(&self, from: IpAddr, tls: bool, form: &str) -> String {
        let head =
            format!("POST /claim HTTP/1.1\r\nHost: box\r\nConnection: close\r\nContent-Length: {}\r\n", form.len());
        self.say(Visit { from, tls }, &format!("{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"))
    }

    fn accounts(&self) -> Vec<crate::store::Account> {
        let accounts = self.site.store.snapshot().unwrap().accounts().unwrap();
        accounts.into_iter().map(|(_, account)| account).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn found(offset: u16, authority: Option<PathBuf>) -> Found {
    Found {
        name: "box.local".to_owned(),
        names: ["box.local", "192.0.2.9", "2001:db8::9"].map(str::to_owned).to_vec(),
        mail: [143, 993, 110, 995].map(|port: u16| port + offset),
        submission: Some([587 + offset, 465 + offset]),
        http: 80 + offset,
        https: 443 + offset,
        authority,
        fingerprints: Box::new(|| ("AA:BB:CC".to_owned(), Some("DD:EE:FF".to_owned()))),
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn who_knows_the_code_makes_the_first_account_and_nobody_makes_a_second() {
    let world = World::new("claim", Some("K3MF-W8TA"));
    assert!(world.get(LAN, true, "/").contains("<form method=\"post\" action=\"/claim\""));
    let answer = world.post(LAN, true, GOOD);
    assert_eq!(status(&answer), "303", "{answer}");
    let (_, page) = answer.split_once("location: ").unwrap();
    let page = page.split("\r\n").next().unwrap();
    // As often as it is loaded.
    for _ in 0..2 {
        let welcome = world.get(LAN, true, page);
        assert_eq!(status(&welcome), "200", "{welcome}");
        assert!(welcome.contains("anna@box.local") && welcome.contains("notice good"), "{welcome}");
        assert!(!welcome.contains("sesame"));
    }
    for other in [world.get(LAN, false, page), world.get(LAN, true, "/welcome/0"), world.get(LAN, true, "/welcome/")] {
        assert!(status(&other) == "303" && !other.contains("anna"), "{other}");
    }
    let accounts = world.accounts();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].limits.bytes, Some(5 << 30));
    assert_eq!(*world.welcomed.lock().unwrap(), ["anna@box.local"]);
    assert_eq!(status(&world.post(LAN, true, &GOOD.replace("Anna", "eve"))), "409");
    let front = world.get(LAN, true, "/");
    assert!(!front.contains("<form") && front.contains(">993<"), "{front}");
    assert!(front.contains("AA:BB:CC") && !world.get(LAN, false, "/").contains("AA:BB:CC"));
    // The users' names are nobody's business.
    assert!(!front.contains("anna"));
    assert_eq!(world.accounts().len(), 1);
}

#[test]
fn a_wrong_code_makes_nothing_and_too_many_are_not_looked_at_but_who_waits_has_a_turn() {
    let world = World::new("guesses", Some("K3MF-W8TA"));
    let bad = GOOD.replace("W8TA", "W8TB");
    for _ in 0..5 {
        let answer = world.post(LAN, true, &bad);
        assert_eq!(status(&answer), "403");
        assert!(answer.contains("value=\"Anna\"") && !answer.contains("sesame"), "what was entered comes back");
    }
    let line: Vec<_> = std::iter::from_fn(|| world.site.lines.enter(LAN)).collect();
    let answer = world.post(LAN, true, GOOD);
    assert_eq!(status(&answer), "429");
    assert!(answer.to_lowercase().contains("retry-after: 60"));
    assert!(world.accounts().is_empty());
    // Whoever comes from elsewhere has guesses of their own.
    assert_eq!(status(&world.post(HOME, true, &bad)), "403");
    drop(line);
    // Their neighbour guesses all the time: the one behind in the line is next nevertheless.
    let done = std::sync::atomic::AtomicBool::new(false);
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                world.post(LAN, true, &bad);
            }
        });
        std::thread::sleep(Duration::from_millis(500));
        let answer = world.post(LAN, true, GOOD);
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        answer
    });
    assert_eq!(status(&answer), "303");
}

#[test]
fn what_was_entered_wrongly_is_said_and_the_code_stays_good() {
    let world = World::new("entries", Some("K3MF-W8TA"));
    for (from, to, word) in [
        ("again=open", "again=Open", "two different"),
        ("quota=5G", "quota=lots", "no size"),
        ("name=Anna", "name=a+b", "cannot be"),
        ("name=Anna", "name=", "1 to 64"),
        ("open+sesame%21", "", "at least 8"),
        ("open+sesame%21", "abc", "at least 8"),
        ("open+sesame%21", "password1", "tried first"),
        ("open+sesame%21", "anna2026", "of the address"),
    ] {
        let answer = world.post(LAN, true, &GOOD.replace(from, to));
        assert_eq!(status(&answer), "400", "{to}");
        assert!(answer.contains(word), "{to}: {answer}");
        assert!(answer.contains("aria-invalid=\"true\"") && answer.contains("role=\"alert\""), "{answer}");
        assert!(answer.contains("<title>Not set up yet") && !answer.contains("no-store"), "{answer}");
    }
    let script = world.post(LAN, true, &GOOD.replace("Anna", "%3Cscript%3E"));
    assert!(!script.contains("<script") && script.contains("&lt;script&gt;"));
    assert!(world.accounts().is_empty());
    assert_eq!(status(&world.post(LAN, true, &GOOD.replace("Anna", "me@example.org").replace("5G", ""))), "303");
    assert_eq!(world.accounts()[0].address, "me@example.org");
}

#[test]
fn no_password_is_asked_for_where_others_could_read_it() {
    let world = World::new("plain", Some("K3MF-W8TA"));
    let page = world.get(LAN, false, "/");
    assert!(!page.contains("<form") && page.contains("href=\"https://box/\"") && !page.contains("AA:BB:CC"), "{page}");
    assert_eq!(status(&world.post(LAN, false, GOOD)), "403");
    assert!(world.accounts().is_empty());
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    assert!(world.get(mapped, false, "/").contains("<form"));
    assert_eq!(status(&world.post(HOME, false, GOOD)), "303");
}

#[test]
fn without_a_code_nobody_can_set_up() {
    let world = World::new("codeless", None);
    assert!(!world.get(LAN, true, "/").contains("<form"));
    assert_eq!(status(&world.post(LAN, true, GOOD)), "409");
    assert_eq!(status(&world.post(LAN, true, &GOOD.replace("k3mf-W8TA", ""))), "409");
    assert!(world.accounts().is_empty());
}

#[test]
fn health_and_the_authority_are_there_and_nothing_else_is() {
    let world = World::new("rest", Some("K3MF-W8TA"));
    let health = world.get(LAN, false, "/health");
    assert!(status(&health) == "200" && health.ends_with("\r\n\r\nok\n"));
    let authority = world.get(LAN, false, "/ca.pem");
    assert!(authority.contains("application/x-x509-ca-cert") && authority.ends_with("BEGIN CERTIFICATE-----\n"));
    for path in ["/favicon.ico", "/..", "/claim/", "//", "/ca.key", "/health?", "/?x"] {
        let expected = if path.contains('?') { "200" } else { "404" };
        assert_eq!(status(&world.get(LAN, false, path)), expected, "{path}");
    }
    let visit = Visit { from: LAN, tls: true };
    let head = world.say(visit, "HEAD / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n");
    assert!(status(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
    let delete = world.say(visit, "DELETE / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n");
    assert!(status(&delete) == "405" && delete.to_lowercase().contains("allow: get, head"));
    for page in [world.get(LAN, true, "/"), world.get(LAN, true, "/x")] {
        let page = page.to_lowercase();
        for header in
            ["content-security-policy: default-src 'none'", "x-frame-options: deny", "cache-control: no-store"]
        {
            assert!(page.contains(header), "{header}: {page}");
        }
    }
}

#[test]
fn what_is_too_much_or_no_http_is_refused() {
    let world = World::new("bad", Some("K3MF-W8TA"));
    let visit = Visit { from: LAN, tls: true };
    assert_eq!(status(&world.post(LAN, true, &"x".repeat(9_000))), "413");
    assert_eq!(status(&world.say(visit, "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n")), "400");
    assert_eq!(status(&world.say(visit, "\u{16}\u{3}\u{1}\r\n\r\n")), "400");
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(status(&world.say(visit, &long)), "431");
    assert!(world.accounts().is_empty());
}

#[test]
fn the_server_is_called_as_the_browser_calls_it_where_that_is_its_name() {
    let found = found(0, None);
    for (asked, server) in [
        (Some("box.local"), "box.local"),
        (Some("192.0.2.9:10443"), "192.0.2.9"),
        (Some("[2001:DB8::9]:443"), "2001:db8::9"),
        (Some("evil.example"), "box.local"),
        (Some(""), "box.local"),
        (None, "box.local"),
    ] {
        assert_eq!(found.server(asked), server, "{asked:?}");
    }
}

#[test]
fn a_page_may_show_its_own_icon() {
    let world = World::new("icon", None);
    let page = world.get(LAN, true, "/");
    assert!(page.contains("<link rel=\"icon\" href=\"data:") && page.contains("img-src data:"), "{page}");
}

#[test]
fn the_way_to_the_encrypted_page_is_made_of_a_host_only() {
    for (asked, offset, to) in [
        (Some("box"), 0, "box/"),
        (Some("box.lan:10080"), 10_000, "box.lan:10443/"),
        (Some("[fe80::1]:80"), 0, "[fe80::1]/"),
        (Some("[fe80::1]"), 10_000, "[fe80::1]:10443/"),
        // Forwarded.
        (Some("127.0.0.1:20080"), 0, "127.0.0.1:20443/"),
        (Some("box:65500"), 0, "box/"),
        (Some("box:1"), 10_000, "box:364/"),
        (Some("box:x"), 0, "box/"),
        (Some("a\"onclick=x"), 0, "box.local/"),
        (Some(":80"), 0, "box.local/"),
        (Some(""), 0, "box.local/"),
        (Some("[x"), 0, "box.local/"),
        (None, 10_000, "box.local:10443/"),
    ] {
        assert_eq!(encrypted(asked, &found(offset, None)), format!("https://{to}"));
    }
}

#[test]
fn a_box_that_cannot_write_says_so_and_makes_no_account() {
    let folder = std::env::temp_dir().join(format!("pillarbox-web-read-only-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    drop(Store::open(&folder, Options::default()).unwrap());
    let store = Arc::new(Store::open_read_only(&folder, Options::default()).unwrap());
    let world = World::on(folder, store, Some("K3MF-W8TA"));
    let health = world.get(LAN, false, "/health");
    assert!(status(&health) == "200" && health.contains("nothing can be written"), "{health}");
    let answer = world.post(LAN, true, GOOD);
    assert!(["400", "503"].contains(&status(&answer)), "{answer}");
    assert!(world.accounts().is_empty());
}
