//! Log lines: `tracing` with the feature of that name, nothing at all without.

macro_rules! line {
    ($level:ident, $($what:tt)+) => {{
        #[cfg(feature = "tracing")]
        tracing::$level!($($what)+);
        #[cfg(not(feature = "tracing"))]
        if false {
            let _ = format_args!($($what)+);
        }
    }};
}

macro_rules! warn_ {
    ($($what:tt)+) => { $crate::log::line!(warn, $($what)+) };
}

macro_rules! info {
    ($($what:tt)+) => { $crate::log::line!(info, $($what)+) };
}

macro_rules! debug {
    ($($what:tt)+) => { $crate::log::line!(debug, $($what)+) };
}

macro_rules! trace {
    ($($what:tt)+) => { $crate::log::line!(trace, $($what)+) };
}

// `warn` alone would be an attribute of the language.
pub(crate) use {debug, info, line, trace, warn_ as warn};
