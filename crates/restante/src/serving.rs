//! `restante serve`

use crate::cli::Common;
use crate::config::{Address, Config};
use crate::descriptors;
use crate::error::{Failure, Outcome, While as _};
use crate::listen::{Bound, Inherited, Socket, bind};
use crate::log;
use crate::metrics;
use crate::place::Place;
use crate::privileges::{Servant, make_data_directory};
use crate::running::Prepared;
use crate::tls::Certificates;

/// Runs the server.
///
/// # Errors
/// Says why it cannot begin, or why it has ended.
pub fn serve(common: &Common) -> Outcome {
    let place = Place::find(common)?;
    if place.file.is_none() {
        return Err(Failure::new(
            "serve needs --config FILE; `restante config example` writes one to begin with, \
             `restante demo` needs none",
        ));
    }
    log::begin(&place.config.log);
    descriptors::raise(&place.config);
    let prepared = prepare(place)?;
    crate::commands::runtime()?.block_on(prepared.run(async |_| Ok(())))
}

/// What root may do and the server may not: sockets, the key, the directory.
fn prepare(place: Place) -> Outcome<Prepared> {
    let config = &place.config;
    let sockets = open(&place)?;
    let metrics = metrics::open(config.metrics.address.as_ref())?;
    let certificates = config.tls.as_ref().map(Certificates::load).transpose()?;
    let servant = Servant::find(config.user.as_deref(), config.group.as_deref())?;
    make_data_directory(&place.data, servant.as_ref())?;
    if let Some(servant) = servant {
        for bound in &sockets {
            if let (Socket::Unix(_), Address::Unix(path)) = (&bound.socket, &bound.address) {
                servant.give(path)?;
            }
        }
        servant.become_it()?;
    }
    Ok(Prepared {
        place,
        sockets,
        certificates,
        metrics,
    })
}

fn open(place: &Place) -> Outcome<Vec<Bound>> {
    let mut inherited = Inherited::from_environment().when("sockets from systemd")?;
    let mut sockets = Vec::new();
    for (at, listen) in place.config.listen.iter().enumerate() {
        let bound = bind(listen, &mut inherited).map_err(|error| {
            let line = place
                .file
                .as_ref()
                .map(|file| Config::address_place(file, at));
            let line = line.map(|line| line + ": ").unwrap_or_default();
            let right = if error.taken {
                "; stop it, or write another address"
            } else {
                ""
            };
            Failure::new(format!("{line}{error}{right}"))
        })?;
        sockets.extend(bound);
    }
    if let Some(left) = inherited.left().next() {
        return Err(Failure::new(format!(
            "systemd has opened {left}, but no [[listen]] has that address; add one, so that \
             it is known what is spoken there"
        )));
    }
    Ok(sockets)
}
