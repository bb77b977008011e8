//! The names of the commands.

macro_rules! verbs {
    ($($verb:ident $name:literal,)*) => {
        /// What a line begins with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Verb {
            $($verb,)*
            Unknown,
        }

        impl Verb {
            /// The command of this name.
            #[inline]
            pub(super) fn named(name: &[u8]) -> Self {
                $(if name == $name {
                    return Self::$verb;
                })*
                Self::Unknown
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$verb => const {
                        match std::str::from_utf8($name) {
                            Ok(name) => name,
                            Err(_) => panic!(),
                        }
                    },)*
                    Self::Unknown => "?",
                }
            }
        }
    };
}

// The frequent ones first.
verbs! {
    Get b"get",
    Mg b"mg",
    Set b"set",
    Ms b"ms",
    Gets b"gets",
    Mn b"mn",
    Md b"md",
    Ma b"ma",
    Incr b"incr",
    Decr b"decr",
    Delete b"delete",
    Add b"add",
    Replace b"replace",
    Append b"append",
    Prepend b"prepend",
    Cas b"cas",
    Touch b"touch",
    Gat b"gat",
    Gats b"gats",
    Version b"version",
    Quit b"quit",
    FlushAll b"flush_all",
    Verbosity b"verbosity",
    Stats b"stats",
    Me b"me",
    Bget b"bget",
    LruCrawler b"lru_crawler",
    CacheMemlimit b"cache_memlimit",
    Shutdown b"shutdown",
    Slabs b"slabs",
    Lru b"lru",
    Watch b"watch",
}

impl Verb {
    /// Whether a data block follows the line.
    #[inline]
    pub(super) fn has_data(self) -> bool {
        matches!(
            self,
            Self::Set
                | Self::Ms
                | Self::Add
                | Self::Replace
                | Self::Append
                | Self::Prepend
                | Self::Cas
        )
    }

    pub(super) fn is_meta(self) -> bool {
        matches!(self, Self::Mg | Self::Ms | Self::Md | Self::Ma | Self::Mn | Self::Me)
    }
}
