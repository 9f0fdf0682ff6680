//! The engine under the suite, and what only it has: recovery, room, damage.

use super::*;
use crate::conformance::{self, Engine};
use crate::fault::Machine;
use crate::index::OrderedIndex;
use crate::{Answer, Store};
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

/// A store on a simulated machine, worked by the caller.
struct Simulated {
    machine: Machine,
    index: OrderedIndex,
    options: Options,
}

impl Simulated {
    fn new(options: Options) -> Self {
        Self {
            machine: Machine::new(7),
            index: OrderedIndex::new(),
            options,
        }
    }

    fn start(&self) -> std::io::Result<DiskStore> {
        let index = Arc::new(self.index.clone());
        DiskStore::open(self.options.clone(), self.machine.process(), index)
    }
}

impl Engine for Simulated {
    fn open(&self) -> Answer<'_, Result<[Arc<dyn Store>; 2], String>> {
        let opened = self.start().map_err(|error| error.to_string());
        Box::pin(ready(opened.map(|store| {
            let store: Arc<dyn Store> = Arc::new(store);
            [Arc::clone(&store), store]
        })))
    }
}

/// A store in a real directory, with threads and fjall.
struct Real {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Real {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            path: directory.path().join("data"),
            _directory: directory,
        }
    }
}

impl Engine for Real {
    fn open(&self) -> Answer<'_, Result<[Arc<dyn Store>; 2], String>> {
        let opened = DiskStore::open_dir(&self.path, Options::default());
        Box::pin(ready(opened.map_err(|error| error.to_string()).map(
            |store| {
                let store: Arc<dyn Store> = Arc::new(store);
                [Arc::clone(&store), store]
            },
        )))
    }
}

#[tokio::test]
async fn the_engine_conforms_in_small_segments() {
    conformance::run(|| Simulated::new(Options::small()))
        .await
        .unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_conforms_on_real_files() {
    conformance::run(Real::new)
        .await
        .unwrap_or_else(|failures| panic!("{failures}"));
}
