//! The words that people see, in English, Spanish, French and Portuguese.

#[expect(missing_docs, reason = "generated from locales/, whose keys say what each is")]
mod words {
    include!(concat!(env!("OUT_DIR"), "/words.rs"));
}
pub use words::*;
