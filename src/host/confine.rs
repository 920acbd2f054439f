//! The fence around the mail server: what speaks to the world may touch the mail, and nothing else.
//!
//! A process of root's becomes one of a user's that sees a root folder of its own, holds no capability and can get none,
//! and whose files the kernel's Landlock guards once more. Then it becomes the server.

use super::server::RUNTIME;
use super::{data, ioctl};
use crate::sys;
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use rustix::fs::{Gid, Uid};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_move, mount_remount};
use rustix::process::{chdir, chroot};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the server's root folder is put together.
const VIEW: &str = "/run/view";
/// The program, in the server's view.
const PROGRAM: &str = "/pillarbox";
const DEVICES: [&str; 3] = ["dev/null", "dev/random", "dev/urandom"];
const QUIET: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Becomes the server, which is called with these words. Comes back only with what went wrong.
#[must_use]
pub fn confine(words: &[OsString]) -> io::Error {
    match fence() {
        Ok(()) => Command::new(PROGRAM).args(words).exec(),
        Err(error) => error,
    }
}

fn fence() -> io::Result<()> {
    step("its mounts", ioctl::own_mounts())?;
    step("its root folder", view())?;
    step("its user", become_user())?;
    step("its files", guard_files())
}

fn step(what: &str, done: io::Result<()>) -> io::Result<()> {
    done.map_err(|error| {
        io::Error::new(error.kind(), format!("the mail server could not be confined ({what}): {error}"))
    })
}

/// A root folder with the mail, the program, and what every program reads.
fn view() -> io::Result<()> {
    let view = Path::new(VIEW);
    // What is mounted from here on is nobody else's.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let program = fs::read_link("/proc/self/exe")?;
    fs::create_dir_all(view)?;
    mount("tmpfs", view, "tmpfs", MountFlags::NOSUID, c"mode=0755,size=64k,nr_inodes=64")?;
    for folder in ["dev", "etc", "proc", "data", "data/mail", "run", "run/mail"] {
        let folder = view.join(folder);
        fs::create_dir(&folder)?;
        // The server goes through them, whatever the umask is.
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
    }
    for name in DEVICES {
        bind_file(&Path::new("/").join(name), &view.join(name), MountFlags::NOSUID | MountFlags::NOEXEC)?;
    }
    bind_file(&program, &view.join("pillarbox"), MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY)?;
    bind(Path::new("/etc"), &view.join("etc"), QUIET | MountFlags::RDONLY)?;
    bind(Path::new(data::MAIL), &view.join("data/mail"), QUIET | MountFlags::NOATIME)?;
    bind(Path::new(RUNTIME), &view.join("run/mail"), QUIET)?;
    // Of other processes it sees none.
    mount("proc", view.join("proc"), "proc", QUIET, c"hidepid=invisible")?;
    mount_remount(view, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY | MountFlags::BIND, c"")?;
    // The kernel's first file system cannot be left by pivot_root.
    chdir(view)?;
    mount_move(".", "/")?;
    chroot(".")?;
    Ok(chdir("/")?)
}

fn bind_file(from: &Path, to: &Path, flags: MountFlags) -> io::Result<()> {
    File::create(to)?.set_permissions(Permissions::from_mode(0o444))?;
    bind(from, to, flags)
}

/// Flags count only when a bind mount is mounted again.
fn bind(from: &Path, to: &Path, flags: MountFlags) -> io::Result<()> {
    mount_bind(from, to)?;
    Ok(mount_remount(to, flags | MountFlags::BIND, c"")?)
}

/// From root to a user who can do nothing that needs a right.
fn become_user() -> io::Result<()> {
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // A kernel knows as many as it knows.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (user, group) = (Uid::from_raw(data::SERVER), Gid::from_raw(data::SERVER));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    clear_ambient_capability_set()?;
    Ok(set_no_new_privs(true)?)
}

/// The same by Landlock, which holds even where a mount would not.
fn guard_files() -> io::Result<()> {
    // The last whose rights are all looked at here; older kernels take what they know of it.
    let abi = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mail = AccessFs::from_all(abi) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    let mut wanted = vec![
        (PathBuf::from(data::MAIL), mail),
        (PathBuf::from(RUNTIME), mail),
        (PathBuf::from("/etc"), read),
        (PathBuf::from("/proc"), read),
        (PathBuf::from(PROGRAM), AccessFs::ReadFile | AccessFs::Execute),
    ];
    wanted.extend(DEVICES.iter().map(|name| (Path::new("/").join(name), AccessFs::ReadFile | AccessFs::WriteFile)));
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .map_err(io::Error::other)?;
    for (path, access) in wanted {
        let folder = PathFd::new(&path).map_err(io::Error::other)?;
        rules = rules.add_rule(PathBeneath::new(folder, access)).map_err(io::Error::other)?;
    }
    let status = rules.restrict_self().map_err(io::Error::other)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        sys::log::say("this kernel has no Landlock: the mail server is confined without it\n");
    }
    Ok(())
}
