//! What a fuzzer throws at the reader of requests.

use super::range::{Wanted, wanted};
use super::request::{HEAD_BYTES_MAX, Parsed, parse};
use super::route::{Route, is_address, route};

/// A request, whole or not: understood from exactly its own bytes, and leading nowhere
/// but into the table of names.
pub(crate) fn a_request(bytes: &[u8]) {
    let Parsed::Request(request) = parse(bytes) else {
        return;
    };
    let length = request.length;
    assert!(length <= bytes.len() && length <= HEAD_BYTES_MAX);
    assert_eq!(parse(&bytes[..length]), Parsed::Request(request.clone()));
    assert_eq!(parse(&bytes[..length - 1]), Parsed::More);
    for token in [None, Some("letmein")] {
        let led = route(request.target, token);
        if token.is_some() && led != Route::Nowhere {
            assert!(request.target.contains("/letmein"));
        }
    }
    request.host.map(is_address);
    if let Some(range) = request.range {
        for size in [0, 1, 131_072, u64::MAX] {
            if let Wanted::Part(part) = wanted(range, size) {
                assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
