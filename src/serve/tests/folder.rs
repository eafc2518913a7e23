//! A backup's folder, served.

use super::client::TOKEN;
use super::support::{Serving, ispot};
use crate::backup::{self, Access, Folder, Request, Work};
use crate::serve::{Content, Until};
use std::fs;

/// The tag is of the bytes: who was cut off goes on with another run of the server.
#[test]
fn a_file_that_changes_is_never_sent_whole() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let folder = Folder::open_or_create(&path).unwrap();
    backup::backup(&ispot(), &folder, &Request::default(), &Work::default()).unwrap();
    drop(folder);
    let served = path.clone();
    let serving = Serving::start(Until::Stopped, Some(TOKEN), move |_| {
        Content::of_folder(&Folder::open(&served, Access::Look).unwrap()).unwrap()
    });
    let image = path.join("mtd7.bin");
    let mut bytes = fs::read(&image).unwrap();
    serving.get("mtd7.bin");
    bytes[70_000] ^= 1;
    fs::write(&image, bytes).unwrap();
    let error = serving.client().get("mtd7.bin", "").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    let said = serving.said();
    assert!(
        said.iter().any(|line| line.contains("mtd7.bin")),
        "{said:?}"
    );
}
