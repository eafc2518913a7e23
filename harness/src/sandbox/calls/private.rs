//! What programs make in /dev: it stays in the sandbox.
//!
//! The host's /dev is seen, but never changed. An entry that a program makes
//! there really lies in the sandbox's temporary folder, behind a redirect of its
//! own; one that it removes is only taken out of its sight.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, PathArgument, Performed, Trapped};
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, is_host_flash, is_private_place, split};
use crate::sandbox::view::resolve::{ends_in_dots, last_part};

/// A file, as opposed to a node.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct File {
    /// What the program calls it.
    pub seen: Bytes,
    /// Where it really is.
    pub real: Bytes,
    pub kind: Kind,
    /// The kernel finds the same by itself.
    pub is_plain: bool,
}

impl File {
    /// Whether something stands there.
    pub fn exists(&self) -> bool {
        sys::stat(&c_string(&self.real), false).is_ok()
    }

    /// Whether it is an entry of the host's /dev.
    pub fn is_hosts_device(&self) -> bool {
        self.kind == Kind::Host && is_private_place(&self.seen)
    }
}

impl State {
    /// What a path that may be made is. A free place in /dev is claimed: what is
    /// made there comes to lie in the sandbox. [`State::settle`] has to follow.
    pub fn target_to_make(
        &mut self,
        trapped: &Trapped,
        path: PathArgument,
        follow: bool,
    ) -> Result<Target, Errno> {
        let target = self.target(trapped, path, follow)?;
        let (seen, real) = match &target {
            Target::Host(path) => (path, path),
            Target::Elsewhere {
                seen,
                real,
                kind: Kind::Host,
            } => (seen, real),
            Target::Hidden(path) => {
                let real = self.claim(path)?;
                return Ok(private(path.clone(), real));
            }
            _ => return Ok(target),
        };
        if !is_private_place(seen) || sys::stat(&c_string(real), false).is_ok() {
            return Ok(target);
        }
        let seen = seen.clone();
        let mut real = self.claim(&seen)?;
        if self.ends_in_dots(trapped, path) {
            real.extend_from_slice(b"/.");
        } else if self.ends_in_slash(trapped, path) {
            real.push(b'/');
        }
        Ok(private(seen, real))
    }

    /// Gives a free place in /dev to the program; answers where it really is.
    pub fn claim(&mut self, seen: &[u8]) -> Result<Bytes, Errno> {
        let folder = self.namespace.real(split(seen).0);
        let about = sys::stat(&c_string(&folder), true)?;
        if about.st_mode & libc::S_IFMT != libc::S_IFDIR {
            return Err(Errno::NOTDIR);
        }
        sys::umask(0o022);
        let real = self.shadow.made(seen).map_err(|_| Errno::IO)?;
        let kind = Some(libc::DT_UNKNOWN);
        self.namespace.redirect(seen, &real, Kind::Private, kind);
        Ok(real)
    }

    /// Makes the view agree with what is really at a place that was claimed.
    pub fn settle(&mut self, seen: &[u8]) {
        if self.namespace.redirect_at(seen) != Some(Kind::Private) {
            return;
        }
        let real = self.namespace.real(seen);
        self.resolver.forget();
        match sys::stat(&c_string(&real), false) {
            Ok(about) => {
                let kind = (about.st_mode & libc::S_IFMT) >> 12;
                let kind = Some(kind as u8);
                self.namespace.redirect(seen, &real, Kind::Private, kind);
                if about.st_mode & libc::S_IFMT == libc::S_IFREG && is_host_flash(seen) {
                    let path = String::from_utf8_lossy(seen).into_owned();
                    self.warn(&format!(
                        "{path} is a plain file that the program made: no node was there"
                    ));
                }
            }
            Err(_) => self.namespace.remove_redirect(seen),
        }
    }

    /// Does something that may make or remove a file: in /dev at once, because
    /// the view has to follow; elsewhere outside the lock.
    pub fn perform<P: Into<Performed>>(
        &mut self,
        seen: &[u8],
        kind: Kind,
        deed: impl FnOnce() -> Result<P, Errno> + Send + 'static,
    ) -> Decision {
        if kind != Kind::Private {
            return Answer::perform(deed);
        }
        let result = deed();
        self.settle(seen);
        Ok(Answer::from(result?.into()))
    }

    /// Whether a path argument ends in a slash.
    pub fn ends_in_slash(&self, trapped: &Trapped, path: PathArgument) -> bool {
        let written = trapped.process().path(path.address);
        written.is_ok_and(|written| written.last() == Some(&b'/'))
    }

    /// Whether the last part of a path argument is `.` or `..`.
    pub fn ends_in_dots(&self, trapped: &Trapped, path: PathArgument) -> bool {
        let written = trapped.process().path(path.address);
        written.is_ok_and(|written| ends_in_dots(&written))
    }

    /// Whether the last part of a path argument is `..`.
    pub fn climbs_in_the_end(&self, trapped: &Trapped, path: PathArgument) -> bool {
        let written = trapped.process().path(path.address);
        written.is_ok_and(|written| last_part(&written) == b"..")
    }

    /// Whether a path argument is a node's with slashes behind it.
    pub fn is_slashed_node(&mut self, trapped: &Trapped, path: PathArgument) -> bool {
        let Ok(mut written) = trapped.process().path(path.address) else {
            return false;
        };
        if written.last() != Some(&b'/') {
            return false;
        }
        while written.last() == Some(&b'/') {
            written.pop();
        }
        let target = self.target_at(trapped, path.folder, written, false);
        matches!(target, Ok(Target::Node(..)))
    }

    /// Whether a symbolic link is on the way to what a path argument names.
    pub fn follows_links(&mut self, trapped: &Trapped, path: PathArgument) -> bool {
        let process = trapped.process();
        let Ok(written) = process.path(path.address) else {
            return false;
        };
        let found = self
            .resolver
            .resolve(&self.namespace, process, path.folder, &written, false);
        found.is_ok_and(|found| found.followed)
    }

    /// Refuses to change an entry of the host's /dev; by name, because Linux
    /// would let root do it.
    pub fn refuse_on_hosts_device(&mut self, seen: &[u8]) -> Errno {
        let path = String::from_utf8_lossy(seen).into_owned();
        self.warn(&format!(
            "{path} is the host's own: nothing in a sandbox changes it"
        ));
        Errno::PERM
    }

    /// What a target is if it is a file; the target itself if it is none.
    pub fn file(&self, target: Target) -> Result<File, Target> {
        match target {
            Target::Host(path) => Ok(File {
                seen: path.clone(),
                real: path,
                kind: Kind::Host,
                is_plain: true,
            }),
            Target::Elsewhere { seen, real, kind } => Ok(File {
                seen,
                real,
                kind,
                is_plain: false,
            }),
            other => Err(other),
        }
    }
}

fn private(seen: Bytes, real: Bytes) -> Target {
    Target::Elsewhere {
        seen,
        real,
        kind: Kind::Private,
    }
}
