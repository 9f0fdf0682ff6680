//! All numbers, written down.

use super::text::{Page, seconds};
use crate::tls::Certificates;
use proto::sasl::Mechanism;
use serve::metrics::{Counter, Delivery, LoginResult, Service, Traffic};
use serve::{Directory, Node, auth};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::DiskStore;

/// What is watched.
pub struct Watched {
    /// What all sessions share.
    pub node: Arc<Node>,
    /// The store.
    pub store: Arc<DiskStore>,
    /// Who has an account.
    pub directory: Directory,
    /// What TLS offers.
    pub certificates: Option<Certificates>,
}

/// Of the protocols that people log in by.
const PROTOCOLS: [(auth::Protocol, &str); 2] = [
    (auth::Protocol::Imap, "imap"),
    (auth::Protocol::Pop3, "pop3"),
];

impl Watched {
    /// The page as it is now.
    pub fn page(&self) -> String {
        let mut page = Page::default();
        self.process(&mut page);
        self.connections(&mut page);
        self.logins(&mut page);
        self.deliveries(&mut page);
        self.accounts(&mut page);
        self.store(&mut page);
        self.hold(&mut page);
        page.into_text()
    }

    fn process(&self, page: &mut Page) {
        let version = env!("CARGO_PKG_VERSION");
        let _ = page
            .gauge("restante_build_info", "Always 1; the version is a label.")
            .with(&[("version", version)], 1);
        let uptime = self.node.env.monotonic().as_secs();
        page.gauge("restante_uptime_seconds", "Since the server began.")
            .is(uptime);
        let expires = page.gauge(
            "restante_tls_certificate_expiry_seconds",
            "When the certificate on offer ends, in seconds since 1970.",
        );
        if let Some(end) = self.certificates.as_ref().and_then(Certificates::end) {
            expires.is(end);
        }
        let limits = &self.node.limits;
        page.gauge(
            "restante_octets_in_flight",
            "Octets read or waiting, of all sessions.",
        )
        .is(self.node.octets.max() - self.node.octets.free());
        page.gauge(
            "restante_octets_in_flight_max",
            "How many there may be: then sessions wait.",
        )
        .is(self.node.octets.max());
        page.gauge(
            "restante_connections_max",
            "How many connections there may be.",
        )
        .is(limits.connections_max);
    }

    fn connections(&self, page: &mut Page) {
        let metrics = &self.node.metrics;
        let mut of = |name, help, value: fn(&Traffic) -> u64, grows: bool| {
            let mut family = if grows {
                page.counter(name, help)
            } else {
                page.gauge(name, help)
            };
            for service in Service::ALL {
                let value = value(metrics.of(service));
                family = family.with(&[("protocol", service.name())], value);
            }
        };
        of(
            "restante_connections",
            "Connections that are open.",
            |traffic| traffic.begun.get().saturating_sub(traffic.ended.get()),
            false,
        );
        of(
            "restante_connections_total",
            "Connections that have begun.",
            |traffic| traffic.begun.get(),
            true,
        );
        of(
            "restante_received_octets_total",
            "Octets that came, inside TLS.",
            |traffic| traffic.octets_in.get(),
            true,
        );
        of(
            "restante_sent_octets_total",
            "Octets that went, inside TLS.",
            |traffic| traffic.octets_out.get(),
            true,
        );
        let mut refused = page.counter(
            "restante_connections_refused_total",
            "Connections refused since there were too many.",
        );
        for (cause, counter) in [
            ("connections", &metrics.refused_total),
            ("connections-per-address", &metrics.refused_network),
        ] {
            refused = refused.with(&[("limit", cause)], counter.get());
        }
        let mut commands = page.histogram(
            "restante_command_seconds",
            "How long commands took after login; of LMTP, storing a message.",
        );
        for service in Service::ALL {
            let histogram = &metrics.of(service).commands;
            commands = commands.classes(&[("protocol", service.name())], histogram);
        }
    }

    fn logins(&self, page: &mut Page) {
        let node = &self.node;
        let mut sessions = page.gauge("restante_sessions", "Sessions that have logged in.");
        for (protocol, name) in PROTOCOLS {
            sessions = sessions.with(&[("protocol", name)], node.sessions.count(protocol));
        }
        let mut logins = page.counter(
            "restante_logins_total",
            "Attempts to log in, by what came of them.",
        );
        let mechanisms = Mechanism::ALL.map(Some);
        for (protocol, protocol_name) in PROTOCOLS {
            for mechanism in mechanisms.into_iter().chain([None]) {
                let name = mechanism.map_or("password", |mechanism| mechanism.name());
                for result in LoginResult::ALL {
                    let count = node.metrics.logins.of(protocol, mechanism, result).get();
                    let labels = [
                        ("protocol", protocol_name),
                        ("mechanism", name),
                        ("result", result.name()),
                    ];
                    logins = logins.with(&labels, count);
                }
            }
        }
        let auth = self.directory.auth();
        page.counter(
            "restante_login_blocks_total",
            "Times that a network was blocked for wrong passwords.",
        )
        .is(auth.counters().blocks.load(Ordering::Relaxed));
        page.gauge(
            "restante_login_networks",
            "Networks that are remembered for wrong passwords.",
        )
        .is(auth.networks_remembered());
        page.gauge(
            "restante_passwords_waiting",
            "Passwords that wait for a thread to check them.",
        )
        .is(auth.passwords_waiting());
    }

    fn deliveries(&self, page: &mut Page) {
        let mut family = page.counter(
            "restante_deliveries_total",
            "Recipients of LMTP, by what they were answered.",
        );
        for delivery in Delivery::ALL {
            let count = self.node.metrics.deliveries.of(delivery).get();
            family = family.with(&[("result", delivery.name())], count);
        }
    }

    fn accounts(&self, page: &mut Page) {
        let accounts = self.directory.accounts();
        page.gauge("restante_accounts_live", "Accounts in memory.")
            .is(accounts.live_count());
        page.gauge(
            "restante_tables_octets",
            "Octets of mailboxes' tables in memory.",
        )
        .is(accounts.tables_octets());
        let metrics = &self.node.metrics;
        let _ = page
            .histogram(
                "restante_commit_seconds",
                "How long an account waited for its commit to be durable.",
            )
            .classes(&[], &metrics.commits);
        let counts: [(_, _, &Counter); 2] = [
            (
                "restante_commit_commands_total",
                "Commands that went out in commits.",
                &metrics.commit_commands,
            ),
            (
                "restante_commits_unknown_total",
                "Commits of which it was unknown at first whether they are durable.",
                &metrics.commits_unknown,
            ),
        ];
        for (name, help, counter) in counts {
            page.counter(name, help).is(counter.get());
        }
    }

    fn store(&self, page: &mut Page) {
        let stats = self.store.stats();
        for (name, help, count) in [
            (
                "restante_store_commits_total",
                "Commits that became durable.",
                stats.commits,
            ),
            (
                "restante_store_groups_total",
                "Groups that they were written in.",
                stats.groups,
            ),
            (
                "restante_store_syncs_total",
                "Syncs of the journal.",
                stats.syncs,
            ),
        ] {
            page.counter(name, help).is(count);
        }
        let micros = u64::try_from(stats.sync_time.as_micros()).unwrap_or(u64::MAX);
        page.counter(
            "restante_store_sync_seconds_total",
            "How long they took, all together.",
        )
        .is(seconds(micros));
        for (name, help, value) in [
            (
                "restante_store_journal_octets",
                "Octets of the journal.",
                stats.journal_octets,
            ),
            (
                "restante_store_journal_segments",
                "Segments of the journal.",
                stats.segments,
            ),
            (
                "restante_store_index_lag_octets",
                "Octets that the index is behind.",
                stats.index_lag_octets,
            ),
            (
                "restante_store_room_low",
                "1 while so little room is left that no message is taken.",
                u64::from(stats.room_is_low),
            ),
            (
                "restante_store_failed",
                "1 when the store takes nothing more.",
                u64::from(stats.is_failed),
            ),
            (
                "restante_store_damaged_accounts",
                "Accounts that were found damaged and are read-only.",
                stats.damaged_accounts,
            ),
        ] {
            page.gauge(name, help).is(value);
        }
        let free = page.gauge(
            "restante_store_free_octets",
            "Octets that are free where the journal lies.",
        );
        if let Some(octets) = stats.free_octets {
            free.is(octets);
        }
    }

    fn hold(&self, page: &mut Page) {
        let totals = self.node.sweeps.totals();
        for (name, help, count) in [
            ("restante_sweeps_total", "Runs of the hold.", totals.runs),
            (
                "restante_sweep_accounts_total",
                "Accounts that they woke.",
                totals.accounts,
            ),
            (
                "restante_sweep_failures_total",
                "Accounts that they could not do.",
                totals.failed,
            ),
            (
                "restante_hold_expunged_total",
                "Messages that a hold has expunged.",
                totals.expunged,
            ),
            (
                "restante_hold_expunged_octets_total",
                "Octets of accounts that went with them.",
                totals.expunged_octets,
            ),
            (
                "restante_undo_purged_total",
                "Messages that cannot be brought back any more.",
                totals.purged,
            ),
        ] {
            page.counter(name, help).is(count);
        }
        for (name, help, value) in [
            (
                "restante_sweep_last_seconds",
                "When the last run began, in seconds since 1970; 0: none yet.",
                totals.last,
            ),
            (
                "restante_hold_waiting",
                "Messages that wait a day since they are much of their account.",
                totals.waiting,
            ),
            (
                "restante_clock_doubted",
                "1 while the wall clock is not believed and the hold has stopped.",
                u64::from(self.node.clock.doubt().is_some()),
            ),
        ] {
            page.gauge(name, help).is(value);
        }
    }
}
