//! Being PID 1 of an appliance: what `host` asks of the other rooms.

use pillarbox::admin::{Door, Quota, Reply, Request, Secret, Settings, Status, check_password};
use pillarbox::host::{RUNTIME, Seed, Store, Wiring, run};
use pillarbox::store::{FORMAT, Health};
use std::path::Path;
use std::time::Duration;

/// How long the server may take to answer. A small machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Is PID 1, for ever.
pub fn be_pid1() -> ! {
    run(Rooms)
}

/// The other rooms, through the running server.
struct Rooms;

impl Wiring for Rooms {
    fn answers(&self, folder: &Path) -> Result<Store, String> {
        match status(folder)?.state {
            // Another version would find the same damage.
            Health::Good | Health::Damaged => Ok(Store::Good),
            Health::Full => Ok(Store::Full),
            Health::ReadOnly => Ok(Store::ReadOnly),
            Health::Failing => Err("it cannot read its file".to_owned()),
        }
    }

    fn add_account(&self, folder: &Path, seed: &Seed) -> Result<(), String> {
        let settings = Settings::read(folder).map_err(|error| error.to_string())?;
        let address = settings.address_of(&seed.user);
        if let Some(password) = &seed.password {
            check_password(password, &address).map_err(|weak| weak.to_string())?;
        }
        let hash = Secret(seed.hash.clone());
        let request = Request::AddHashedAccount { address, hash, quota: Quota::default(), unless_there: true };
        ask(folder, request).map(drop)
    }

    fn has_accounts(&self, folder: &Path) -> Result<bool, String> {
        Ok(status(folder)?.accounts > 0)
    }

    fn accepts(&self, settings: &str) -> Result<(), String> {
        Settings::check(settings)
    }

    fn format(&self) -> u32 {
        FORMAT
    }
}

fn status(folder: &Path) -> Result<Status, String> {
    match ask(folder, Request::Status)? {
        Reply::Status(status) => Ok(status),
        _ => Err("the server gave an answer that was not expected".to_owned()),
    }
}

fn ask(folder: &Path, request: Request) -> Result<Reply, String> {
    let mut door = Door::of_server(folder, Path::new(RUNTIME), PATIENCE).map_err(|error| error.to_string())?;
    door.ask(request).map_err(|failure| failure.to_string())
}
