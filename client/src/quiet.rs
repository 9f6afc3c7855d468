//! `Debug` for what people are called and say: logs and panics are no place for it.

/// Writes `Debug` for types that hold words of people: their name and these fields, and no others.
macro_rules! shows_only {
    ($($type:ident { $($field:ident),* }),* $(,)?) => {$(
        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($type))$(.field(stringify!($field), &self.$field))*.finish_non_exhaustive()
            }
        }
    )*};
}
pub(crate) use shows_only;

#[cfg(test)]
mod tests {
    use crate::account::What;

    struct Letter {
        number: u8,
        #[expect(dead_code, reason = "what must not show")]
        words: &'static str,
    }
    shows_only! { Letter { number } }

    #[test]
    fn what_people_say_does_not_show() {
        let letter = Letter { number: 7, words: "huelga" };
        let shown = format!("{letter:?} {:?} {:?}", What::Text("huelga".into()), What::Document("huelga".into()));
        assert_eq!(shown, "Letter { number: 7, .. } Text Document");
    }
}
