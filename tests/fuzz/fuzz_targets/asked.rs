#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mtdkeep::fuzz::asked(bytes));
