use super::*;
use crate::backup::Folder;
use crate::backup::between::Between;
use rstest::rstest;
use std::fs;
use std::path::Path;

const DATA: &[u8] = b"of the flash";

/// Writes and syncs a file.
fn written(folder: &Folder, name: &str) -> (Box<dyn NewFile>, DigestValues) {
    let mut file = folder.create(name).unwrap();
    file.write_all(DATA).unwrap();
    file.sync().unwrap();
    let mut digests = Digests::new(DigestChoice::Both);
    digests.update(DATA);
    (file, digests.finish())
}

/// What another process does to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Nothing,
    /// Another file with the same bytes, as some file systems number one file twice.
    SameBytes,
    Changed,
    Shorter,
    Gone,
    Link,
}

impl Other {
    fn act(self, path: &Path) {
        let copy = path.with_file_name("copy");
        match self {
            Self::Nothing => return,
            Self::Link => {
                fs::write(&copy, DATA).unwrap();
                fs::remove_file(path).unwrap();
                return std::os::unix::fs::symlink(&copy, path).unwrap();
            }
            Self::Gone => return fs::remove_file(path).unwrap(),
            Self::SameBytes => fs::write(&copy, DATA).unwrap(),
            Self::Changed => fs::write(&copy, b"of somebody.").unwrap(),
            Self::Shorter => fs::write(&copy, &DATA[1..]).unwrap(),
        }
        fs::rename(&copy, path).unwrap();
    }

    fn is_harmless(self) -> bool {
        [Self::Nothing, Self::SameBytes].contains(&self)
    }
}

/// When it acts: before a file gets its name, behind that, before it gets another, behind.
#[rstest]
fn only_the_file_that_was_written_gets_the_name(
    #[values(0, 1, 2, 3)] when: u8,
    #[values(
        Other::Nothing,
        Other::SameBytes,
        Other::Changed,
        Other::Shorter,
        Other::Gone,
        Other::Link
    )]
    other: Other,
) {
    let outer = tempfile::tempdir().unwrap();
    let folder = Folder::open_or_create(outer.path()).unwrap();
    let act = |name: &str| other.act(&outer.path().join(name));
    let after_rename = |to: &str| {
        let is_then = (when == 1 && to == "first") || (when == 3 && to == "second");
        if is_then {
            act(to);
        }
    };
    let between = Between::new(&folder, &after_rename);
    let naming = Naming(&between);
    let (file, values) = written(&folder, "part");
    if when == 0 {
        act("part");
    }
    let first = naming.give(&*file, "part", "first", values);
    let placed = match (when, first) {
        (0 | 1, first) if !other.is_harmless() => {
            assert_eq!(between.asked().is_empty(), when == 0, "it kept its name");
            return assert_told(*first.unwrap_err(), other);
        }
        (_, first) => first.unwrap(),
    };
    assert_eq!(placed.name, "first");
    naming.confirm(&placed).unwrap();
    if when == 2 {
        act("first");
    }
    let second = naming.give_again(placed, "second");
    if other.is_harmless() || when < 2 {
        assert_eq!(second.unwrap().name, "second");
        assert_eq!(fs::read(outer.path().join("second")).unwrap(), DATA);
        return;
    }
    let asked = between.asked();
    let renamings = asked.iter().filter(|what| what.starts_with("rename"));
    assert_eq!(renamings.count(), usize::from(when) - 1, "{asked:?}");
    assert_told(*second.unwrap_err(), other);
}

#[track_caller]
fn assert_told(error: BackupError, other: Other) {
    let interfered = matches!(error, BackupError::Interfered { .. });
    // A link cannot be read at all, and that is said.
    assert!(interfered || other == Other::Link, "{error}");
}

/// One that is not as long as what was written into it is not the file.
#[test]
fn a_file_of_another_length_gets_no_name() {
    let outer = tempfile::tempdir().unwrap();
    let folder = Folder::open_or_create(outer.path()).unwrap();
    let (file, mut values) = written(&folder, "part");
    values.length_bytes += 1;
    let error = Naming(&folder).give(&*file, "part", "first", values);
    assert_told(*error.unwrap_err(), Other::Nothing);
    assert!(!outer.path().join("first").exists());
}

#[test]
fn only_the_own_file_is_thrown_away() {
    let outer = tempfile::tempdir().unwrap();
    let folder = Folder::open_or_create(outer.path()).unwrap();
    let (file, _) = written(&folder, "part");
    let path = outer.path().join("part");
    Other::SameBytes.act(&path);
    Naming(&folder).discard(&*file, "part");
    assert!(path.exists());
    let (file, _) = written(&folder, "part");
    Naming(&folder).discard(&*file, "part");
    assert!(!path.exists());
}
