//! Making the file as small as what is in it. Room that mail left is used again by mail that comes, but the file keeps its
//! size.

use super::error::{Fault, StoreError};
use super::guard::contained;
use super::medium::Medium;
use super::store::{Options, Store};
use super::write::{Outcome, Write};
use redb::CompactionError;
use std::path::Path;

impl Store {
    /// Makes the file of the store in a folder as small as it can be; its octets before and after. Nobody else may have
    /// the store open. The power may go at any time: what is moved is committed before its old place is given up.
    pub fn compact(folder: &Path, options: Options) -> Result<(u64, u64), Fault> {
        let path = folder.join("mail.redb");
        let before = path.metadata()?.len();
        let store = Store::open(folder, options)?;
        // What no message shows any more would be moved along.
        loop {
            match store.write_blocking(Write::Sweep) {
                Ok(Outcome::Swept { more: true, .. }) => {}
                Err(StoreError::Fault(fault)) => return Err(fault),
                _ => break,
            }
        }
        drop(store);
        contained(|| {
            let mut database = Medium::file(path.clone(), options).open()?;
            while database.compact().map_err(fault)? {}
            Ok(())
        })?;
        Ok((before, path.metadata()?.len()))
    }
}

fn fault(error: CompactionError) -> Fault {
    match error {
        CompactionError::PersistentSavepointExists => Fault::Io(
            "how the data was before its format became newer is still kept: `pillarbox update keep` lets go of it"
                .to_owned(),
        ),
        other => Fault::Io(other.to_string()),
    }
}
