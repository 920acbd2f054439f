//! `pillarbox serve`: opens everything, serves until it is told to stop.

use super::args::Serve;
use super::carry::carry;
use super::pages::{Browsers, First};
use super::welcome::{Chosen, Found, deliver, first};
use super::{Failed, quotas};
use pillarbox::admin::socket::{self, Place};
use pillarbox::admin::{Gate, Settings};
use pillarbox::courier::{Connector, Names, mirror};
use pillarbox::dns::{Lookup, Resolver, Servers};
use pillarbox::net::{Doors, Errand, Identity, OwnersFiles, Serving, serve};
use pillarbox::session::pop3::{self, Maildrops};
use pillarbox::session::smtp::{self, Rules};
use pillarbox::store::{Fault, Options, Store};
use pillarbox::sys;
use pillarbox::web::{self, Site};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

/// Serves the data of a folder, which is made if there is none.
pub fn run(wish: &Serve) -> Result<ExitCode, Failed> {
    let Serve { data, bind, port_offset, read_only, runtime } = wish;
    let (bind, port_offset, read_only) = (*bind, *port_offset, *read_only);
    log_to_stderr()?;
    settle_heap();
    if !read_only {
        super::make_folder(data)?;
    }
    let settings = Settings::read(data)?;
    let name = settings.name();
    let store = Arc::new(open(data, read_only, Options { cache: settings.cache() })?);
    let owners = settings.tls.certificate.clone().zip(settings.tls.key.clone());
    let owners = owners.map(|(certificate, key)| OwnersFiles { certificate, key });
    let identity = Arc::new(if read_only {
        Identity::open_read_only(data, &name, owners)?
    } else {
        Identity::open(data, &name, owners)?
    });
    let socket = if read_only { in_runtime(runtime.clone(), data) } else { Some(Place::in_data(data)) };
    let gate = Arc::new(Gate::new(Arc::clone(&store), &settings)?);
    let found = Arc::new(Found {
        name: name.clone(),
        bind,
        port_offset,
        data: data.to_owned(),
        submission: settings.smtp.submission,
    });
    let (makes_first, code) = match First::from_environment() {
        First::Start => (true, None),
        First::Claim(code) => (false, code),
    };
    let welcome = {
        let (store, found) = (Arc::clone(&store), Arc::clone(&found));
        move |address: &str| deliver(&store, address, &found, Chosen::ByOwner)
    };
    let site = Site::new(
        Arc::clone(&store),
        gate.strength(),
        web::Found {
            name: name.clone(),
            mail: found.ports(),
            submission: found.submission(),
            http: found.http(),
            https: found.https(),
            authority: identity.ca_file(),
            fingerprint: {
                let identity = Arc::clone(&identity);
                Box::new(move || identity.ca_fingerprint())
            },
        },
        code,
        Box::new(welcome),
    );
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
        doors: Doors {
            mx: settings.smtp.mx,
            submission: settings.smtp.submission,
            lmtp: settings.smtp.lmtp,
            lmtp_socket: (!read_only).then(|| data.join("lmtp.sock")),
        },
        trash_days: settings.pop3.trash_days,
        pages: Some(Arc::new(Browsers(Arc::new(site)))),
        bind,
        port_offset,
        socket: socket.as_ref(),
        name,
        errands: errands(&store, &settings, &lookup, read_only),
    };
    // Only once all ports are ours, so that a start that fails does not use up what is told once.
    let served = serve(serving, || {
        if read_only {
            log::warn!("nothing is written to {}: mail can only be read", data.display());
        } else if makes_first && let Err(Failed(why)) = first(&store, gate.strength(), &identity, &found) {
            log::error!("the first account could not be made: {why}");
        }
    });
    if let Some(socket) = &socket {
        socket.unbind();
    }
    served?;
    Ok(ExitCode::SUCCESS)
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
fn servers(settings: &Settings) -> Servers {
    match settings.dns.addresses() {
        none if none.is_empty() => Servers::system(),
        some => Servers::fixed(some),
    }
}

/// What goes on beside the sessions.
fn errands(store: &Arc<Store>, settings: &Settings, lookup: &Arc<dyn Lookup>, read_only: bool) -> Vec<Errand> {
    // Each of them writes.
    if read_only {
        return Vec::new();
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
    ]
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
/// it: measured over fetches, copies and an expunge of 100,000 messages, 88 MiB at the peak instead of 42. And once a
/// large block was freed, it puts the next ones among the small ones, where they leave holes: 19 MiB for each account
/// that logged in, measured up to 236 MiB. Blocks of 4 MiB and more are always given back at once instead. The C library
/// reads these settings only when a process begins; the process stays the same one, with its id and its descriptors.
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
