//! Log lines, where the feature `tracing` is on; else nothing is formatted.

macro_rules! log {
    ($level:ident, $($line:tt)+) => {{
        #[cfg(feature = "tracing")]
        tracing::$level!($($line)+);
        #[cfg(not(feature = "tracing"))]
        if false {
            let _ = format_args!($($line)+);
        }
    }};
}

pub(crate) use log;
