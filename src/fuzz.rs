//! Readers of what strangers send, each as a fuzzer takes it: any bytes, and what must
//! hold of them. `tests/fuzz` gives them to libFuzzer, `tests/suite/fuzz.rs` seeded
//! mutations on a stable Rust.

use crate::backup::{Directory, TarFolder, sums};
use crate::{fetch, receive, serve};
use std::path::Path;

/// A request to `mtdkeep serve`.
pub fn request(bytes: &[u8]) {
    serve::anything::a_request(bytes);
}

/// A device's request to `mtdkeep receive`.
pub fn asked(bytes: &[u8]) {
    receive::anything(bytes);
}

/// A web server's answer to `mtdkeep fetch`.
pub fn answer(bytes: &[u8]) {
    fetch::http::anything::an_answer(bytes);
}

/// A page whose links `mtdkeep fetch` follows.
pub fn page(bytes: &[u8]) {
    fetch::http::anything::a_page(bytes);
}

/// The `SHA256SUMS` of a backup; how many lines it has, where it is one.
pub fn sums(text: &str) -> Option<usize> {
    sums::parse(text).ok().map(|lines| lines.len())
}

/// A tar for `verify` and `import`, stored in `folder` for as long as it is read.
pub fn tar(bytes: &[u8], folder: &Path) {
    let mut stream = bytes;
    let Ok(tar) = TarFolder::spool(&mut stream, "standard input", folder) else {
        return;
    };
    for entry in tar.list().unwrap_or_default() {
        assert!(
            !entry.name.contains('/') && entry.name != "..",
            "{}",
            entry.name
        );
        let size = entry.size_bytes.unwrap_or(0);
        assert!(size <= bytes.len() as u64, "{}: {size}", entry.name);
        let mut member = Directory::open(&tar, &entry.name).expect("it is listed");
        let read = std::io::copy(&mut member, &mut std::io::sink());
        assert_eq!(read.ok(), Some(size), "{}", entry.name);
    }
}
