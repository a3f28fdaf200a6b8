//! Who may do what: from the kernel's word on who calls, and `access.toml`, to a role.
//!
//! Root and the daemon's own user may do everything: they can read its keys anyway. Without the file so may the members of
//! the group `c2b`; with it, who is not named may do nothing. A wrong file leaves the one before in force; one that is
//! wrong at the start leaves nobody but root and the daemon's user.

use crate::definition::access;
use crate::definition::text::BadFile;
use crate::peer::Peer;
use c2b_api::access::{AccessInfo, CallerInfo, Grant, Role};
use nix::unistd::{Group, User, geteuid};
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};

/// The file's name in the configuration folder.
const FILE: &str = "access.toml";

/// The group that may do everything where no file says otherwise.
const GROUP_DEFAULT: &str = "c2b";

/// Who may do what on this host.
pub struct Access {
    path: PathBuf,
    force: RwLock<Force>,
}

/// What is in force.
struct Force {
    grants: Vec<Known>,
    has_file: bool,
    bad: Option<BadFile>,
}

/// A grant whose names are looked up when they are first needed: the directory may come up after the daemon.
struct Known {
    role: Role,
    users: Vec<Principal>,
    groups: Vec<Principal>,
}

struct Principal {
    name: String,
    id: OnceLock<u32>,
}

impl Access {
    /// Reads the file in the configuration folder.
    pub fn open(config: &Path) -> Self {
        let access = Self { path: config.join(FILE), force: RwLock::new(Force { grants: Vec::new(), has_file: true, bad: None }) };
        access.reload();
        access
    }

    /// Reads the file again. A wrong one leaves what was in force.
    pub fn reload(&self) {
        let read = access::read(&self.path);
        let mut force = self.force.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(grants) => {
                let has_file = grants.is_some();
                let default = || vec![Grant { role: Role::Admin, users: Vec::new(), groups: vec![GROUP_DEFAULT.to_owned()] }];
                *force = Force { grants: grants.unwrap_or_else(default).into_iter().map(Known::new).collect(), has_file, bad: None };
            }
            Err(bad) => force.bad = Some(bad),
        }
    }

    /// Returns what a caller may do; none when that is nothing.
    pub fn role(&self, peer: &Peer) -> Option<Role> {
        let uid = peer.uid?;
        if uid == 0 || uid == geteuid().as_raw() {
            return Some(Role::Admin);
        }
        self.force().grants.iter().filter(|grant| grant.has(peer, uid)).map(|grant| grant.role).max()
    }

    /// Returns what is wrong with the file.
    pub fn bad(&self) -> Option<BadFile> {
        self.force().bad.clone()
    }

    /// Returns names in the file that this host does not know.
    pub fn warnings(&self) -> Vec<String> {
        let force = self.force();
        let mut warnings = Vec::new();
        for grant in force.grants.iter().filter(|_| force.has_file) {
            let users = grant.users.iter().filter(|user| user.uid().is_none()).map(|user| format!("user {}", user.name));
            let groups = grant.groups.iter().filter(|group| group.gid().is_none()).map(|group| format!("group {}", group.name));
            warnings.extend(users.chain(groups).map(|who| format!("{}: there is no {who} on this host ({})", self.path.display(), grant.role.word())));
        }
        warnings
    }

    /// Returns who may do what, as a caller is shown it.
    pub fn info(&self, peer: &Peer) -> AccessInfo {
        let role = self.role(peer);
        let mut warnings: Vec<String> = self.bad().iter().map(|bad| format!("{bad}; what was in force before stays so")).collect();
        warnings.extend(self.warnings());
        let force = self.force();
        AccessInfo {
            caller: CallerInfo { user: peer.user.clone(), uid: peer.uid, role, session: peer.session.to_string() },
            file: force.has_file.then(|| self.path.display().to_string()),
            grants: force.grants.iter().map(Known::shown).collect(),
            warnings,
        }
    }

    fn force(&self) -> RwLockReadGuard<'_, Force> {
        self.force.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn new(grant: Grant) -> Self {
        let of = |names: Vec<String>| names.into_iter().map(|name| Principal { name, id: OnceLock::new() }).collect();
        Self { role: grant.role, users: of(grant.users), groups: of(grant.groups) }
    }

    fn has(&self, peer: &Peer, uid: u32) -> bool {
        let is_member = |group: &Principal| group.gid().is_some_and(|gid| peer.groups.contains(&gid));
        self.users.iter().any(|user| user.uid() == Some(uid)) || self.groups.iter().any(is_member)
    }

    fn shown(&self) -> Grant {
        let names = |of: &[Principal]| of.iter().map(|principal| principal.name.clone()).collect();
        Grant { role: self.role, users: names(&self.users), groups: names(&self.groups) }
    }
}

impl Principal {
    fn uid(&self) -> Option<u32> {
        self.known(|name| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw()))
    }

    fn gid(&self) -> Option<u32> {
        self.known(|name| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw()))
    }

    /// What was found once holds until the file is read again.
    fn known(&self, look: impl FnOnce(&str) -> Option<u32>) -> Option<u32> {
        if let Some(id) = self.id.get() {
            return Some(*id);
        }
        let id = look(&self.name)?;
        Some(*self.id.get_or_init(|| id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;
    use crate::peer::Session;

    fn peer(uid: u32, groups: &[u32]) -> Peer {
        Peer { user: format!("uid {uid}"), uid: Some(uid), groups: groups.to_vec(), pid: None, session: Session::Unknown }
    }

    #[test]
    fn the_greatest_role_of_user_and_groups_counts_and_who_is_not_named_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let put = |text: &str| atomic::write(&dir.path().join(FILE), text.as_bytes(), 0o640).unwrap();
        put("[viewer]\ngroups = [\"nogroup\"]\n[operator]\nusers = [\"nobody\"]\n[admin]\ngroups = [\"no-such-group-here\"]\n");
        let access = Access::open(dir.path());
        let nogroup = Group::from_name("nogroup").unwrap().unwrap().gid.as_raw();
        let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        assert_eq!(access.role(&peer(54_321, &[1, nogroup])), Some(Role::Viewer));
        assert_eq!(access.role(&peer(nobody, &[nogroup])), Some(Role::Operator));
        assert_eq!(access.role(&peer(54_321, &[])), None);
        assert_eq!(access.role(&peer(0, &[])), Some(Role::Admin));
        assert_eq!(access.role(&Peer { uid: None, ..peer(0, &[]) }), None, "the kernel did not say who it is");
        assert!(access.warnings()[0].contains("no-such-group-here"), "{:?}", access.warnings());
        put("[viewr]\n");
        access.reload();
        assert!(access.bad().is_some() && access.role(&peer(nobody, &[])) == Some(Role::Operator), "the wrong file is in force");
        let started = Access::open(dir.path());
        assert_eq!(started.role(&peer(nobody, &[nogroup])), None, "a wrong file at the start lets somebody in");
    }
}
