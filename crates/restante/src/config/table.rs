//! The one source of a setting: its name, its type, its default and its manual
//! entry stand together, and the parser, the check for unknown keys and the
//! example file are all made of them.

/// What the example file and the check for unknown keys know of one key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written in the file.
    pub name: &'static str,
    /// The manual entry: the lines of the field's doc comment.
    pub manual: &'static [&'static str],
    /// A value, as it is written in the file. Of a key that is [`Shown::Default`]
    /// it is the default itself.
    pub example: &'static str,
    /// How the example file shows it.
    pub shown: Shown,
}

/// How the example file shows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As a line that counts.
    Set,
    /// Commented out, with a value that one might choose.
    Example,
    /// Commented out, with the value that holds where there is none.
    Default,
}

/// A table of the configuration file.
pub trait Table {
    /// What the table is for: the lines of the type's doc comment.
    const ABOUT: &'static [&'static str];
    /// Its keys, in the order of the manual.
    const KEYS: &'static [Key];
}

/// Declares a table: `shown field "key": Type = default, "example";`.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $(
                $(#[doc = $manual:literal])+
                $shown:ident $field:ident $key:literal: $type:ty = $default:expr, $example:literal;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $manual])+
                #[serde(rename = $key)]
                pub $field: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $crate::config::table::Table for $name {
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const KEYS: &'static [$crate::config::table::Key] = &[
                $($crate::config::table::Key {
                    name: $key,
                    manual: &[$($manual),+],
                    example: $example,
                    shown: $crate::config::table::Shown::$shown,
                },)+
            ];
        }
    };
}

pub(crate) use table;
