//! rename and link: a further or another name for a node or a file.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, PathArgument, Reply, Trapped};
use crate::sandbox::calls::changes::may_create;
use crate::sandbox::calls::private::File;
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, Node, Place, is_private_place};

fn rename_hosts(old: &[u8], new: &[u8], flags: u32) -> Result<Reply, Errno> {
    hosts::rename(&c_string(old), &c_string(new), flags).map(Reply::Value)
}

/// /dev is a file system of its own.
fn same_file_system(old: &[u8], new: &[u8]) -> Result<(), Errno> {
    match is_private_place(old) == is_private_place(new) {
        true => Ok(()),
        false => Err(Errno::XDEV),
    }
}

/// Answers rename and its relatives.
pub(in crate::sandbox) fn rename(
    state: &mut State,
    trapped: &Trapped,
    from: PathArgument,
    to: PathArgument,
    flags: u32,
) -> Decision {
    const NOT_EXCHANGED: u32 = libc::RENAME_NOREPLACE | libc::RENAME_WHITEOUT;
    let is_exchange = flags & libc::RENAME_EXCHANGE != 0;
    if flags & !(NOT_EXCHANGED | libc::RENAME_EXCHANGE) != 0
        || is_exchange && flags & NOT_EXCHANGED != 0
    {
        return Err(Errno::INVAL);
    }
    let slashed = state.ends_in_slash(trapped, from) || state.ends_in_slash(trapped, to);
    let dotted = [from, to].map(|path| state.ends_in_dots(trapped, path));
    let old = state.target(trapped, from, false)?;
    let new = state.target(trapped, to, false)?;
    state.links_change(&old);
    state.links_change(&new);
    if flags & libc::RENAME_WHITEOUT != 0 {
        return match (old, new) {
            (Target::Host(_), Target::Host(_)) => Ok(Answer::THROUGH),
            _ => Err(Errno::INVAL),
        };
    }
    let rename = Rename {
        process: trapped.process(),
        keeps: flags & libc::RENAME_NOREPLACE != 0,
        exchanges: is_exchange,
        slashed,
        dotted,
    };
    match (state.file(old), state.file(new)) {
        (Err(Target::Hidden(_)), _) => Err(Errno::NOENT),
        (Err(Target::Node(old, node)), Err(Target::Node(new, other))) => {
            rename.node_over_node(state, (old, node), (new, other))
        }
        (Err(Target::Node(old, node)), Err(Target::Hidden(new))) => {
            rename.node_to_free_place(state, &old, &node, &new)
        }
        (Err(Target::Node(old, node)), Ok(new)) => rename.node_over_file(state, &old, &node, &new),
        (Ok(old), Err(Target::Node(new, node))) => rename.file_over_node(state, &old, &new, &node),
        (Ok(old), Err(Target::Hidden(new))) => {
            let real = Bytes::new();
            let kind = Kind::Host;
            let new = File {
                seen: new,
                real,
                kind,
                is_plain: false,
            };
            rename.file(state, &old, &new)
        }
        (Ok(old), Ok(new)) => rename.file(state, &old, &new),
        _ => Ok(Answer::THROUGH),
    }
}

/// How one rename is to be done.
struct Rename {
    process: Process,
    /// RENAME_NOREPLACE.
    keeps: bool,
    /// RENAME_EXCHANGE.
    exchanges: bool,
    /// One of the paths ends in a slash: only folders are renamed.
    slashed: bool,
    /// The old, the new path ends in `.` or `..`.
    dotted: [bool; 2],
}

impl Rename {
    fn node_over_node(
        &self,
        state: &mut State,
        (old, node): (Bytes, Node),
        (new, other): (Bytes, Node),
    ) -> Decision {
        same_file_system(&old, &new)?;
        if self.keeps {
            return Err(Errno::EXIST);
        }
        if node.inode == other.inode {
            return Answer::value(0);
        }
        state.namespace.remove_node(&old);
        state.namespace.link_node(&new, node.inode);
        if self.exchanges {
            state.namespace.link_node(&old, other.inode);
        }
        Answer::value(0)
    }

    fn node_to_free_place(
        &self,
        state: &mut State,
        old: &[u8],
        node: &Node,
        new: &[u8],
    ) -> Decision {
        same_file_system(old, new)?;
        if self.exchanges {
            return Err(Errno::NOENT);
        }
        state.resolver.forget();
        state.namespace.remove_node(old);
        state.namespace.link_node(new, node.inode);
        Answer::value(0)
    }

    fn node_over_file(&self, state: &mut State, old: &[u8], node: &Node, new: &File) -> Decision {
        same_file_system(old, &new.seen)?;
        state.may_move(new)?;
        let Ok(about) = sys::stat(&c_string(&new.real), false) else {
            caller::act(self.process, || may_create(&new.seen, &new.real))?;
            return self.node_to_free_place(state, old, node, &new.seen);
        };
        if self.keeps {
            return Err(Errno::EXIST);
        }
        if self.dotted[1] {
            return Err(Errno::BUSY);
        }
        if self.exchanges {
            return self.exchange_file_and_node(state, new, old, node);
        }
        if about.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return Err(Errno::ISDIR);
        }
        if new.is_hosts_device() {
            state.namespace.hide(&new.seen);
        } else {
            let real = c_string(&new.real);
            caller::act(self.process, || hosts::unlink(&real, 0))?;
            state.settle(&new.seen);
        }
        self.node_to_free_place(state, old, node, &new.seen)
    }

    fn file_over_node(&self, state: &mut State, old: &File, new: &[u8], node: &Node) -> Decision {
        same_file_system(&old.seen, new)?;
        state.may_move(old)?;
        let real = old.real.strip_suffix(b"/").unwrap_or(&old.real);
        let about = sys::stat(&c_string(real), false)?;
        let is_folder = about.st_mode & libc::S_IFMT == libc::S_IFDIR;
        if self.dotted[0] {
            // Before anything else of it is looked at (fs/namei.c, do_renameat2).
            return Err(if is_folder {
                Errno::BUSY
            } else {
                Errno::NOTDIR
            });
        }
        if self.keeps {
            return Err(Errno::EXIST);
        }
        if self.slashed && !is_folder {
            return Err(Errno::NOTDIR);
        }
        if self.exchanges {
            return self.exchange_file_and_node(state, old, new, node);
        }
        if is_folder {
            return Err(Errno::NOTDIR);
        }
        self.file_into_nodes_place(state, old, new)?;
        Answer::value(0)
    }

    /// Gives a file the path of a node, which loses it.
    fn file_into_nodes_place(
        &self,
        state: &mut State,
        old: &File,
        new: &[u8],
    ) -> Result<(), Errno> {
        if old.is_hosts_device() {
            return Err(state.refuse_on_hosts_device(&old.seen));
        }
        let real = match state.namespace.place_below(new) {
            Place::Elsewhere(real, _) => real,
            _ if is_private_place(new) => state.claim(new)?,
            _ => new.to_vec(),
        };
        let renamed = caller::act(self.process, || rename_hosts(&old.real, &real, 0));
        if renamed.is_ok() {
            state.namespace.remove_node(new);
            state.resolver.forget();
            state.namespace.move_below(&old.seen, new, false);
        }
        state.settle(new);
        state.settle(&old.seen);
        renamed.map(drop)
    }

    fn exchange_file_and_node(
        &self,
        state: &mut State,
        file: &File,
        path: &[u8],
        node: &Node,
    ) -> Decision {
        self.file_into_nodes_place(state, file, path)?;
        state.namespace.link_node(&file.seen, node.inode);
        Answer::value(0)
    }

    fn file(&self, state: &mut State, old: &File, new: &File) -> Decision {
        let flags = if self.keeps {
            libc::RENAME_NOREPLACE
        } else if self.exchanges {
            libc::RENAME_EXCHANGE
        } else {
            0
        };
        state.may_move(old)?;
        state.may_move(new)?;
        let private = is_private_place(&old.seen) || is_private_place(&new.seen);
        let holds = |state: &State, path: &[u8]| state.namespace.has_anything_below(path);
        let (holds_old, holds_new) = (holds(state, &old.seen), holds(state, &new.seen));
        if !private && !holds_old && !holds_new {
            if old.is_plain && new.is_plain {
                return Ok(Answer::THROUGH);
            }
            let (old, new) = (old.real.clone(), new.real.clone());
            return Answer::perform(move || rename_hosts(&old, &new, flags));
        }
        if !old.exists() {
            return Err(Errno::NOENT);
        }
        same_file_system(&old.seen, &new.seen)?;
        if holds_new && !self.exchanges {
            return Err(if self.keeps {
                Errno::EXIST
            } else {
                Errno::NOTEMPTY
            });
        }
        for file in [old, new] {
            if file.is_hosts_device() && !file.real.is_empty() && file.exists() {
                return Err(state.refuse_on_hosts_device(&file.seen));
            }
        }
        let claims = is_private_place(&new.seen) && new.kind == Kind::Host;
        let real = match claims {
            true => state.claim(&new.seen)?,
            false => new.real.clone(),
        };
        let result = caller::act(self.process, || rename_hosts(&old.real, &real, flags));
        if result.is_ok() {
            state.resolver.forget();
            let exchanges = self.exchanges;
            state.namespace.move_below(&old.seen, &new.seen, exchanges);
        }
        state.settle(&new.seen);
        state.settle(&old.seen);
        Ok(Answer::Reply(result?))
    }
}

/// Answers link and linkat.
pub(in crate::sandbox) fn link(
    state: &mut State,
    trapped: &Trapped,
    from: PathArgument,
    to: PathArgument,
    flags: i32,
) -> Decision {
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::INVAL);
    }
    let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
    let slashed = state.ends_in_slash(trapped, from) || state.ends_in_dots(trapped, from);
    let mut old = state.target(trapped, from, follow)?;
    if let Target::Descriptor(fd) = old {
        old = match state.node_behind(trapped.process(), fd) {
            Some(node) if flags & libc::AT_EMPTY_PATH != 0 => {
                let path = state.namespace.path_of(node.inode).cloned();
                Target::Node(path.ok_or(Errno::NOENT)?, node)
            }
            _ if flags & libc::AT_EMPTY_PATH != 0 => {
                return link_descriptor(state, trapped, fd, to);
            }
            _ => Target::Descriptor(fd),
        };
    }
    let new = match &old {
        Target::Node(..) => state.target(trapped, to, false)?,
        _ => state.target_to_make(trapped, to, false)?,
    };
    match (state.file(old), state.file(new)) {
        (Err(Target::Unknown), _) | (_, Err(Target::Unknown)) => Ok(Answer::THROUGH),
        (Err(Target::Hidden(_)), _) => Err(Errno::NOENT),
        (Ok(mut old), Err(Target::Node(..))) => {
            if slashed {
                old.real.push(b'/');
            }
            caller::act(trapped.process(), || sys::stat(&c_string(&old.real), false))?;
            Err(Errno::EXIST)
        }
        (_, Err(Target::Node(..))) => Err(Errno::EXIST),
        (Err(Target::Node(old, node)), Ok(new)) => {
            caller::act(trapped.process(), || may_create(&new.seen, &new.real))?;
            same_file_system(&old, &new.seen)?;
            state.resolver.forget();
            state.namespace.link_node(&new.seen, node.inode);
            Answer::value(0)
        }
        (Err(Target::Node(old, node)), Err(Target::Hidden(new))) => {
            same_file_system(&old, &new)?;
            state.resolver.forget();
            state.namespace.link_node(&new, node.inode);
            Answer::value(0)
        }
        (Ok(old), Ok(new)) if old.is_plain && new.is_plain => Ok(Answer::THROUGH),
        (Ok(old), Ok(new)) => {
            if let Err(errno) = same_file_system(&old.seen, &new.seen) {
                state.settle(&new.seen);
                return Err(errno);
            }
            let flags = (flags & libc::AT_SYMLINK_FOLLOW) as u32;
            state.perform(&new.seen, new.kind, move || {
                let (old, new) = (c_string(&old.real), c_string(&new.real));
                hosts::link(&old, &new, flags).map(Reply::Value)
            })
        }
        _ => Ok(Answer::THROUGH),
    }
}

/// linkat with AT_EMPTY_PATH of what is no node: a file without a name gets one.
fn link_descriptor(state: &mut State, trapped: &Trapped, fd: i32, to: PathArgument) -> Decision {
    let process = trapped.process();
    let new = state.target_to_make(trapped, to, false)?;
    match state.file(new) {
        Err(Target::Node(..)) => Err(Errno::EXIST),
        Ok(new) if !new.is_plain => {
            let old = process.proc(&format!("fd/{fd}"));
            state.perform(&new.seen, new.kind, move || {
                process.fd_path(fd).map_err(|_| Errno::BADF)?;
                let follow = libc::AT_SYMLINK_FOLLOW as u32;
                hosts::link(&old, &c_string(&new.real), follow).map(Reply::Value)
            })
        }
        _ => Ok(Answer::THROUGH),
    }
}
