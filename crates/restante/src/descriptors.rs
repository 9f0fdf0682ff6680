//! How many files and connections the process may have open at one time.

use crate::config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What the process opens besides connections: the journal's segments, the index,
/// sockets, and what readers and commands have open for a moment.
const OTHERS: u64 = 400;

/// Allows as many open files as the system lets this process have, and says so where
/// the connections that are configured do not fit.
pub fn raise(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // An older kernel that refuses leaves what was.
    let allowed = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    if let Some(connections) = too_few(allowed, config.limits.connections) {
        warn!(
            open_files = allowed,
            connections = config.limits.connections,
            "the system allows too few open files (LimitNOFILE, ulimit -n) for `connections`: \
             about {connections} fit"
        );
    }
}

/// How many connections fit, where so many do not; `None` allows any number of files.
fn too_few(files: Option<u64>, connections: u32) -> Option<u64> {
    let fit = files?.saturating_sub(OTHERS);
    (fit < u64::from(connections)).then_some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_or_it_is_said() {
        assert_eq!(too_few(None, 10_000), None);
        assert_eq!(too_few(Some(524_288), 10_000), None);
        assert_eq!(too_few(Some(10_400), 10_000), None);
        assert_eq!(too_few(Some(10_399), 10_000), Some(9_999));
        assert_eq!(too_few(Some(100), 1), Some(0));
    }

    #[test]
    fn all_that_is_allowed_is_taken() {
        raise(&Config::default());
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
