//! `pillarbox serve`: opens everything, serves until it is told to stop.

use super::args::Serve;
use super::carry::carry;
use super::found::Found;
use super::pages::{Browsers, First};
use super::running::{self, Waits};
use super::welcome::{self, Chosen, deliver};
use super::{Failed, quotas, terminal};
use pillarbox::admin::socket::{self, Place};
use pillarbox::admin::{Gate, Served, Settings, remember};
use pillarbox::courier::{Connector, Names, mirror};
use pillarbox::dns::{Lookup, Resolver, Servers};
use pillarbox::net::{Doors, Errand, Identity, LocalSocket, OwnersFiles, Serving, probe, serve};
use pillarbox::session::pop3::{self, Maildrops};
use pillarbox::session::smtp::{self, Rules};
use pillarbox::store::{Fault, Options, Store};
use pillarbox::sys;
use pillarbox::web::{self, Site};
use smol::Timer;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

/// How often memory is given back.
const GIVEN_BACK: Duration = Duration::from_secs(30);

/// Serves the data of a folder, which is made if there is none.
pub fn run(wish: &Serve) -> Result<ExitCode, Failed> {
    let Serve { data, bind, port_offset, read_only, runtime } = wish;
    let (bind, port_offset, read_only) = (*bind, *port_offset, *read_only);
    log_to_stderr()?;
    settle_heap();
    let (makes_first, code) = match First::from_environment() {
        First::Start => (true, None),
        First::Claim(code) => (false, code?),
    };
    let settings = Settings::read(data)?;
    let name = settings.name();
    let doors = Doors {
        mx: settings.smtp.mx,
        submission: settings.smtp.submission,
        lmtp: settings.smtp.lmtp,
        lmtp_socket: lmtp_socket(&settings, data, read_only),
    };
    if !read_only {
        if !data.join("mail.redb").exists() {
            // A start that must fail leaves no half-made folder behind.
            probe(bind, port_offset, &doors)?;
        }
        super::make_folder(data)?;
    }
    let found = Arc::new(Found::new(&settings, bind, port_offset, data.to_owned()));
    let store = Arc::new(open(data, read_only, Options { cache: settings.cache() })?);
    let owners = settings.tls.certificate.clone().zip(settings.tls.key.clone());
    let owners = owners.map(|(certificate, key)| OwnersFiles { certificate, key });
    let identity = Arc::new(if read_only || store.is_read_only() {
        Identity::open_read_only(data, &name, bind, owners)?
    } else {
        Identity::open(data, &name, bind, owners)?
    });
    let socket = if read_only { in_runtime(runtime.clone(), data) } else { Some(Place::in_data(data)) };
    let gate = Arc::new(Gate::new(Arc::clone(&store), &settings)?);
    let is_claimed_by_code = code.is_some();
    let site = site(&store, &gate, &identity, &found, code);
    let lookup: Arc<dyn Lookup> = Arc::new(Resolver::new(servers(&settings)));
    let serving = Serving {
        store: Arc::clone(&store),
        gate: Arc::clone(&gate),
        identity: Arc::clone(&identity),
        maildrops: Arc::new(Maildrops::new(pop3::Terms {
            exclusive: settings.pop3.exclusive,
            login_delay: settings.pop3.login_delay,
        })),
        terms: Arc::new(terms(&settings, data, read_only)),
        lookup: Arc::clone(&lookup),
        doors,
        trash_days: settings.pop3.trash_days,
        pages: Some(Arc::new(Browsers(Arc::new(site)))),
        bind,
        port_offset,
        socket: socket.as_ref(),
        name,
        errands: errands(&store, &settings, &lookup, read_only),
    };
    // Only once all ports are ours, so that a start that fails does not use up what is told once.
    let served = serve(serving, |pages| {
        if read_only {
            log::warn!("nothing is written to {}: mail can only be read", data.display());
        } else if store.is_read_only() {
            log::error!(
                "nothing can be written to {}: mail can only be read until there is room; that is tried by itself",
                data.display()
            );
        }
        let makes_first = makes_first && !read_only;
        greet(&store, &gate, &identity, &found, pages, makes_first, is_claimed_by_code);
    });
    if let Some(socket) = &socket {
        socket.unbind();
    }
    served?;
    Ok(ExitCode::SUCCESS)
}

/// Where another mail server of this machine reaches us.
fn lmtp_socket(settings: &Settings, data: &Path, read_only: bool) -> Option<LocalSocket> {
    let smtp = &settings.smtp;
    let path = match &smtp.lmtp_socket {
        Some(path) => data.join(path),
        None if read_only => return None,
        None => data.join("lmtp.sock"),
    };
    Some(LocalSocket { path, group: smtp.lmtp_socket_group.clone(), mode: smtp.lmtp_socket_mode() })
}

/// All pages.
fn site(
    store: &Arc<Store>,
    gate: &Gate,
    identity: &Arc<Identity>,
    found: &Arc<Found>,
    code: Option<web::Code>,
) -> Site {
    let welcome = {
        let (store, found) = (Arc::clone(store), Arc::clone(found));
        move |address: &str| deliver(&store, address, &found, Chosen::ByOwner)
    };
    let fingerprints = {
        let identity = Arc::clone(identity);
        move || (identity.fingerprint(), identity.authority_fingerprint())
    };
    let found = web::Found {
        name: found.name.clone(),
        names: found.all_names(),
        mail: found.ports(),
        submission: found.submission(),
        http: found.http(),
        https: found.https(),
        authority: identity.ca_file(),
        fingerprints: Box::new(fingerprints),
    };
    Site::new(Arc::clone(store), gate.strength(), found, code, Box::new(welcome))
}

/// Says that the server runs, and what waits; makes the first account where this start is to.
fn greet(
    store: &Arc<Store>,
    gate: &Gate,
    identity: &Identity,
    found: &Found,
    pages: bool,
    makes_first: bool,
    is_claimed_by_code: bool,
) {
    let made = if makes_first { welcome::first(store, gate.strength(), found) } else { Ok(None) };
    let made = made.unwrap_or_else(|Failed(why)| {
        log::error!("the first account could not be made: {why}");
        None
    });
    let settled = store.snapshot().and_then(|snapshot| snapshot.accounts()).is_ok_and(|all| !all.is_empty());
    let waits = match &made {
        Some(_) => Waits::FirstAccount,
        None if is_claimed_by_code && !settled => Waits::Claim,
        None => Waits::Nothing,
    };
    if !store.is_read_only()
        && let Err(error) = remember(store, Served { bind: found.bind, port_offset: found.port_offset })
    {
        log::warn!("where the server is found could not be remembered: {error}");
    }
    let mut text = running::lines(store, gate.strength(), found, pages, waits);
    if let Some(made) = &made {
        text += &welcome::told(made, identity, found, pages);
    }
    terminal::tell("where the server is, and what waits,", text);
}

/// What holds for mail that comes in.
fn terms(settings: &Settings, data: &Path, read_only: bool) -> smtp::Terms {
    let rules = Rules {
        name: settings.name().into(),
        routing: settings.routing(),
        recipients: settings.smtp.recipients as usize,
        message: u64::from(settings.smtp.message_mib) << 20,
        trusted: settings.smtp.trusted.clone(),
    };
    smtp::Terms::new(rules, (!read_only).then_some(data))
}

/// Who is asked for names: whom the settings name, or whom the machine asks.
pub fn servers(settings: &Settings) -> Servers {
    match settings.dns.addresses() {
        none if none.is_empty() => Servers::system(),
        some => Servers::fixed(some),
    }
}

/// What goes on beside the sessions.
fn errands(store: &Arc<Store>, settings: &Settings, lookup: &Arc<dyn Lookup>, read_only: bool) -> Vec<Errand> {
    let memory = Errand::new("the return of memory", give_memory_back);
    // Each of the others writes.
    if read_only {
        return vec![memory];
    }
    let connector = Arc::new(Connector::new(Arc::new(Names(Arc::clone(lookup)))));
    let mirrors = {
        let store = Arc::clone(store);
        move || mirror::run(Arc::clone(&store), Arc::clone(&connector))
    };
    let quotas = {
        let (store, routing, warns) = (Arc::clone(store), settings.routing(), settings.delivery.quota_warnings);
        move || quotas::watch(Arc::clone(&store), routing.clone(), warns)
    };
    vec![
        Errand::new("the mirrors", mirrors),
        Errand::new("the watch over quotas", quotas),
        carry(store, settings, lookup),
        memory,
    ]
}

/// Gives back now and then what was needed for a while: measured after a crowd of 300 who read nothing of what they are
/// answered.
async fn give_memory_back() {
    loop {
        Timer::after(GIVEN_BACK).await;
        smol::unblock(pillarbox::host::give_heap_back).await;
    }
}

fn open(data: &Path, read_only: bool, options: Options) -> Result<Store, Failed> {
    let store = if read_only { Store::open_read_only(data, options) } else { Store::open(data, options) };
    store.map_err(|error| {
        let hint = match error {
            Fault::Io(_) if !read_only && data.join("mail.redb").exists() && !Store::can_be_written(data) => {
                "\nWhat is there can be served with --read-only, perhaps."
            }
            _ => "",
        };
        Failed::because(format!("{}: {error}{hint}", data.display()))
    })
}

/// Where the admin socket is when it cannot be in the data folder.
fn in_runtime(runtime: Option<PathBuf>, data: &Path) -> Option<Place> {
    let Some(runtime) = runtime.or_else(socket::runtime) else {
        log::warn!("there is no admin socket: --runtime would say where it can be");
        return None;
    };
    Place::in_runtime(&runtime, data).inspect_err(|error| log::warn!("there is no admin socket: {error}")).ok()
}

/// Begins again with the C library's heap as a small machine wants it.
///
/// glibc gives each thread a heap of its own, and what one thread takes from the store's cache another gives back to
/// it: measured over fetches, copies and an expunge of 100,000 messages, 88 MiB at the peak instead of 42. With two for all
/// threads deliveries are up to 1.27 times as fast, since they wait less for each other's, but the worst that can be asked
/// for at once takes 59 to 66 MiB, and with one 61: more than was promised. And once a
/// large block was freed, it puts the next ones among the small ones, where they leave holes: what argon2 filled, for
/// each account that logged in, measured up to 236 MiB. Blocks of 4 MiB and more are always given back at once instead.
/// The C library reads these settings only when a process begins; the process stays the same one, with its id and its
/// descriptors.
fn settle_heap() {
    const SETTINGS: [(&str, &str); 3] =
        [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "4194304"), ("MALLOC_TRIM_THRESHOLD_", "8388608")];
    if SETTINGS.iter().all(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "pillarbox".into());
    let error = Command::new("/proc/self/exe").arg0(name).args(arguments).envs(SETTINGS).exec();
    log::warn!("going on with a heap that takes more memory: {error}");
}

/// One line per session and what goes wrong, on stderr. `PILLARBOX_LOG`, or `RUST_LOG`, is a level, or levels of modules
/// as in `warn,pillarbox::net=debug`. Default: info.
fn log_to_stderr() -> Result<(), Failed> {
    let wanted = ["PILLARBOX_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    sys::log::begin(&wanted).map_err(Failed)?;
    sys::threads::tell_of_panics();
    Ok(())
}
