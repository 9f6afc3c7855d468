#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relevo_tests::fuzzing::backup::backup(bytes));
