//! How much memory this machine has for us.

use std::fs;
use std::path::Path;

/// Octets of memory, or of what the control group of this process may have of it.
/// `None` where the system does not say.
pub fn octets() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo").ok();
    let total = total.as_deref().and_then(total_octets);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|file| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?;
        // `max` where there is none.
        text.trim().parse().ok()
    });
    total.into_iter().chain(limits).min()
}

/// `MemTotal:  16316412 kB`
fn total_octets(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

/// The files below /sys/fs/cgroup that may hold a limit: of the group and of all
/// that it is in, by version 2 (`0::/a/b`) and 1 (`4:memory:/a/b`).
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (root, name) = if controllers.is_empty() {
            ("", "memory.max")
        } else if controllers.split(',').any(|one| one == "memory") {
            ("memory/", "memory.limit_in_bytes")
        } else {
            continue;
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let group = group.display().to_string();
            let slash = if group.is_empty() { "" } else { "/" };
            files.push(format!("{root}{group}{slash}{name}"));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_found() {
        assert_eq!(
            total_octets("MemTotal:       24684084 kB\nMemFree: 1 kB\n"),
            Some(24_684_084 * 1_024)
        );
        assert_eq!(total_octets("nothing"), None);
        assert_eq!(
            limit_files("1:cpu:/\n4:cpuset,memory:/x\n0::/a/b.service\nnonsense"),
            [
                "memory/x/memory.limit_in_bytes",
                "memory/memory.limit_in_bytes",
                "a/b.service/memory.max",
                "a/memory.max",
                "memory.max",
            ]
        );
        assert!(octets().is_none_or(|octets| octets > 1 << 20));
    }
}
