//! What every index must do, and what the ordered one does beyond.

use super::{Batch, FjallIndex, Index, IndexError, OrderedIndex, Space, after_prefix};
use bytes::Bytes;
use std::ops::ControlFlow;

fn put(index: &dyn Index, space: Space, key: &str, value: &str) {
    let mut batch = Batch::new();
    batch.put(space, key.as_bytes().to_vec(), value.as_bytes().to_vec());
    index.apply(batch).unwrap();
}

fn get(index: &dyn Index, space: Space, key: &str) -> Option<String> {
    let value = index.get(space, key.as_bytes()).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

fn keys(index: &dyn Index, from: &str, to: Option<&str>, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    index
        .scan(
            Space::Places,
            from.as_bytes(),
            to.map(str::as_bytes),
            &mut |key, _| {
                found.push(String::from_utf8(key.to_vec()).unwrap());
                if found.len() < limit {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
        )
        .unwrap();
    found
}

fn every_index(check: impl Fn(&dyn Index)) {
    check(&OrderedIndex::new());
    let directory = tempfile::tempdir().unwrap();
    check(&FjallIndex::open(directory.path()).unwrap());
}

#[test]
fn keys_say_what_was_put() {
    every_index(|index| {
        put(index, Space::Places, "a", "1");
        put(index, Space::Derived, "a", "2");
        assert_eq!(get(index, Space::Places, "a").as_deref(), Some("1"));
        assert_eq!(get(index, Space::Derived, "a").as_deref(), Some("2"));
        assert_eq!(get(index, Space::Places, "b"), None);

        let mut batch = Batch::new();
        batch.put(Space::Places, "b", "3");
        batch.remove(Space::Places, "a");
        batch.put(Space::Places, "b", "4");
        index.apply(batch).unwrap();
        assert_eq!(get(index, Space::Places, "a"), None);
        assert_eq!(get(index, Space::Places, "b").as_deref(), Some("4"));
        assert_eq!(get(index, Space::Derived, "a").as_deref(), Some("2"));

        index.clear().unwrap();
        assert_eq!(get(index, Space::Places, "b"), None);
        assert_eq!(get(index, Space::Derived, "a"), None);
    });
}

#[test]
fn scans_ascend_within_their_bounds() {
    every_index(|index| {
        for key in ["ab", "a", "b", "ba", "c", "aa"] {
            put(index, Space::Places, key, key);
        }
        put(index, Space::Derived, "aaa", "of the other space");
        let all = ["a", "aa", "ab", "b", "ba", "c"];
        assert_eq!(keys(index, "", None, 99), all);
        assert_eq!(keys(index, "", None, 2), all[..2]);
        assert_eq!(keys(index, "aa", Some("ba"), 99), ["aa", "ab", "b"]);
        assert_eq!(keys(index, "b", Some("b"), 99), [""; 0]);
        assert_eq!(keys(index, "c", Some("b"), 99), [""; 0]);

        let mut found = Vec::new();
        index
            .scan_prefix(Space::Places, b"a", &mut |key, value| {
                assert_eq!(key, value);
                found.push(key.to_vec());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(found, [b"a".to_vec(), b"aa".to_vec(), b"ab".to_vec()]);
    });
}

#[test]
fn prefixes_end_where_the_next_begins() {
    assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
    assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
    assert_eq!(after_prefix(b"\xff"), None);
    assert_eq!(after_prefix(b""), None);
}

#[test]
fn fjall_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let index = FjallIndex::open(directory.path()).unwrap();
    put(&index, Space::Places, "a", "1");
    index.persist().unwrap();
    drop(index);
    let (index, renewed) = FjallIndex::open_or_renew(directory.path()).unwrap();
    assert_eq!(renewed, None);
    assert_eq!(get(&index, Space::Places, "a").as_deref(), Some("1"));
}

#[test]
fn a_damaged_fjall_is_an_error_or_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    drop(FjallIndex::open(&path).unwrap());
    for entry in std::fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::write(entry.path(), b"not what was here").unwrap();
        } else {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let (index, renewed) = FjallIndex::open_or_renew(&path).unwrap();
    assert!(renewed.is_some());
    put(&index, Space::Places, "a", "1");
    assert_eq!(get(&index, Space::Places, "a").as_deref(), Some("1"));
}

#[test]
fn the_ordered_index_loses_whole_batches_from_the_end() {
    let index = OrderedIndex::new();
    put(&index, Space::Places, "a", "1");
    index.persist().unwrap();
    put(&index, Space::Places, "a", "2");
    put(&index, Space::Places, "a", "3");
    put(&index, Space::Places, "b", "4");
    assert_eq!(index.unpersisted(), 3);
    let older = index.copied();
    let dead = index;
    let index = dead.survivor(1);
    let mut batch = Batch::new();
    batch.put(Space::Places, "a", "from the dead");
    assert!(dead.apply(batch).is_err());
    assert_eq!(get(&index, Space::Places, "a").as_deref(), Some("2"));
    assert_eq!(get(&index, Space::Places, "b"), None);
    assert_eq!(get(&older, Space::Places, "b").as_deref(), Some("4"));

    index.set_failing(true);
    assert_eq!(
        index.get(Space::Places, b"a"),
        Err(IndexError("told to fail".into()))
    );
    index.set_failing(false);
    index.scramble(|_, _, _| Some(Bytes::from_static(b"?")));
    assert_eq!(get(&index, Space::Places, "a").as_deref(), Some("?"));
}

#[test]
fn a_makeshift_keeps_nothing_that_may_be_lost() {
    let index = OrderedIndex::makeshift();
    put(&index, Space::Derived, "a", "1");
    put(&index, Space::Places, "a", "2");
    assert_eq!(get(&index, Space::Derived, "a"), None);
    assert_eq!(get(&index, Space::Places, "a").as_deref(), Some("2"));
}

/// What is in the way is not the index: nothing is removed for it.
#[test]
fn an_index_that_another_has_open_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let index = FjallIndex::open(directory.path()).unwrap();
    put(&index, Space::Places, "a", "1");
    index.persist().unwrap();
    assert!(FjallIndex::open_or_renew(directory.path()).is_err());
    drop(index);
    let (index, lost) = FjallIndex::open_or_renew(directory.path()).unwrap();
    assert_eq!(lost, None);
    assert_eq!(get(&index, Space::Places, "a").as_deref(), Some("1"));
}

#[test]
fn nobody_else_gets_into_an_index() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(FjallIndex::open(&path).unwrap());
    assert_eq!(mode(), 0o700);
    let open_to_all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, open_to_all).unwrap();
    drop(FjallIndex::open(&path).unwrap());
    assert_eq!(mode(), 0o700);
}
