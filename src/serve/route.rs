//! What a request's target names: a closed table. No path is ever made of it.

use super::token;
use crate::backup::contents::script_image;
use crate::backup::digest::is_hex;
use crate::backup::{INDEX, MANIFEST, SUMS};

/// The whole chip.
pub(crate) const FLASH: &str = "flash.bin";
/// All files in one.
pub(crate) const TAR: &str = "backup.tar";
/// Before the digest of a manifest whose backup a client has proven.
const VERIFIED: &str = "verified/";

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    Page,
    /// The page as a backup's folder has it.
    Index,
    /// The image of mtdN.
    Image(u32),
    Flash,
    Tar,
    Manifest,
    Sums,
    /// A client has proven the backup with this digest of its manifest.
    Verified(&'a str),
}

/// Where a target leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    To(Name<'a>),
    /// To the page, by its address without the last slash.
    ToPage,
    Nowhere,
}

/// Looks a target up. With a token, nothing is told to whoever does not have it.
pub(crate) fn route<'a>(target: &'a str, token: Option<&str>) -> Route<'a> {
    // What is sent to a proxy has scheme and host before it.
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    let Some(path) = path.strip_prefix('/') else {
        return Route::Nowhere;
    };
    let path = match token {
        None => path,
        Some(token) => {
            let (first, rest) = match path.split_once('/') {
                Some((first, rest)) => (first, Some(rest)),
                None => (path, None),
            };
            match (token::is_same(first, token), rest) {
                (true, Some(rest)) => rest,
                (true, None) => return Route::ToPage,
                (false, _) => return Route::Nowhere,
            }
        }
    };
    let name = match path {
        "" => Name::Page,
        INDEX => Name::Index,
        MANIFEST => Name::Manifest,
        SUMS => Name::Sums,
        FLASH => Name::Flash,
        TAR => Name::Tar,
        other => match (script_image(other), other.strip_prefix(VERIFIED)) {
            (Some(mtd), _) => Name::Image(mtd),
            (None, Some(digest)) if is_hex(digest, 64) => Name::Verified(digest),
            _ => return Route::Nowhere,
        },
    };
    Route::To(name)
}

/// Whether a `Host:` is an address and no name: without a token, a page from elsewhere
/// whose name was made to lead here must get nothing.
pub(crate) fn is_address(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_hexdigit() || b".:[]".contains(&byte);
    let name = host.split(':').next().unwrap_or_default();
    let is_number = name
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    name == "localhost" || (host.bytes().all(plain) && (is_number || host.starts_with('[')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/", Route::To(Name::Page))]
    #[case("/index.html", Route::To(Name::Index))]
    #[case("/mtd0.bin", Route::To(Name::Image(0)))]
    #[case("/mtd10.bin", Route::To(Name::Image(10)))]
    #[case("http://192.168.1.1:80/mtd1.bin", Route::To(Name::Image(1)))]
    #[case("http://192.168.1.1", Route::To(Name::Page))]
    #[case("/flash.bin", Route::To(Name::Flash))]
    #[case("/backup.tar", Route::To(Name::Tar))]
    #[case("/manifest.json", Route::To(Name::Manifest))]
    #[case("/SHA256SUMS", Route::To(Name::Sums))]
    #[case("/mtd00.bin", Route::Nowhere)]
    #[case("/mtd0.bin/", Route::Nowhere)]
    #[case("//mtd0.bin", Route::Nowhere)]
    #[case("/./mtd0.bin", Route::Nowhere)]
    #[case("/../mtd0.bin", Route::Nowhere)]
    #[case("/%6dtd0.bin", Route::Nowhere)]
    #[case("/mtd0.bin?x", Route::Nowhere)]
    #[case("/MTD0.BIN", Route::Nowhere)]
    #[case("/etc/passwd", Route::Nowhere)]
    #[case("mtd0.bin", Route::Nowhere)]
    #[case("*", Route::Nowhere)]
    #[case("/verified/x", Route::Nowhere)]
    fn targets(#[case] target: &str, #[case] expected: Route<'_>) {
        assert_eq!(route(target, None), expected);
    }

    #[rstest]
    #[case("/abc/", Route::To(Name::Page))]
    #[case("/abc/mtd0.bin", Route::To(Name::Image(0)))]
    #[case("/abc", Route::ToPage)]
    #[case("/abd/mtd0.bin", Route::Nowhere)]
    #[case("/ab/mtd0.bin", Route::Nowhere)]
    #[case("/abcd/mtd0.bin", Route::Nowhere)]
    #[case("/abd", Route::Nowhere)]
    #[case("/mtd0.bin", Route::Nowhere)]
    #[case("/", Route::Nowhere)]
    #[case("//mtd0.bin", Route::Nowhere)]
    fn targets_with_a_token(#[case] target: &str, #[case] expected: Route<'_>) {
        assert_eq!(route(target, Some("abc")), expected);
    }

    #[test]
    fn a_verified_backup_is_named_by_its_digest() {
        let digest = "0123456789abcdef".repeat(4);
        let target = format!("/t/verified/{digest}");
        let expected = Route::To(Name::Verified(&digest));
        assert_eq!(route(&target, Some("t")), expected);
    }

    #[rstest]
    #[case("192.168.1.1:8080", true)]
    #[case("127.0.0.1", true)]
    #[case("[::1]:80", true)]
    #[case("localhost:8080", true)]
    #[case("evil.example", false)]
    #[case("abc:80", false)]
    #[case("1.2.3.4.evil.example", false)]
    #[case("cafe", false)]
    fn hosts(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_address(host), expected);
    }
}
