//! What a fuzzer throws at the readers of what a web server sends.

use super::answer::{Body, answer};
use super::links;
use crate::backup::contents::script_image;
use std::io::Cursor;
use std::sync::atomic::AtomicBool;

/// An answer, whole or not: no more comes out than went in, and an end is told only
/// where the length is there.
pub(crate) fn an_answer(bytes: &[u8]) {
    static NO: AtomicBool = AtomicBool::new(false);
    let Ok(mut answer) = answer(Body::new(Cursor::new(bytes.to_vec()), &NO)) else {
        return;
    };
    let (mut all, mut piece) = (0, [0; 61]);
    while let Ok(count) = answer.read(&mut piece) {
        all += count;
        assert!(all <= bytes.len());
        if count == 0 {
            assert!(
                answer
                    .length_bytes
                    .is_none_or(|length| length == all as u64)
            );
            return;
        }
    }
}

/// A page: whatever it links to, only plain names are taken of it.
pub(crate) fn a_page(bytes: &[u8]) {
    for name in links::names(&String::from_utf8_lossy(bytes)) {
        assert!(script_image(&name).is_some() || links::TEXTS.contains(&name.as_str()));
        assert!(!name.contains(['/', '\\', '%', ':']) && !name.starts_with('.'));
    }
}
