//! Questions to the issuer, over HTTP.

use crate::env::Env;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Longest answer, in octets.
pub(super) const ANSWER_OCTETS_MAX: u64 = 256 << 10;

/// Questions at one time; each takes a thread as long as it lasts.
const QUESTIONS_MAX: usize = 16;

/// Asks. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http {
    agent: Agent,
    running: Arc<Semaphore>,
    timeout: Duration,
}

/// A question whose answer is a JSON object.
pub(super) struct Question {
    pub(super) url: String,
    /// `Authorization` and what a POST says; without them it is a GET.
    pub(super) post: Option<(String, Vec<(&'static str, String)>)>,
}

impl Question {
    /// A GET.
    pub(super) fn get(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            post: None,
        }
    }
}

impl Http {
    /// `ca` in PEM.
    pub(super) fn new(ca: Option<&[u8]>, timeout: Duration) -> Result<Self, String> {
        let roots = match ca {
            None => RootCerts::WebPki,
            Some(pem) => {
                let certificates = CertificateDer::pem_slice_iter(pem)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| format!("the certificates for the issuer: no PEM: {error}"))?;
                if certificates.is_empty() {
                    let what = "there is no certificate for the issuer; write BEGIN CERTIFICATE";
                    return Err(what.to_owned());
                }
                let certificates: Vec<Certificate<'static>> = certificates
                    .iter()
                    .map(|certificate| Certificate::from_der(certificate).to_owned())
                    .collect();
                RootCerts::new_with_certs(&certificates)
            }
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            // Nobody's environment sends tokens elsewhere.
            .proxy(None)
            .max_response_header_size(16 << 10)
            .user_agent("restante")
            .accept("application/json")
            .build();
        Ok(Self {
            agent: config.into(),
            running: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            timeout,
        })
    }

    /// Asks, and says what is wrong with the answer where it is none.
    pub(super) async fn ask(
        &self,
        env: &Env,
        question: Question,
    ) -> Result<Map<String, Value>, String> {
        let turn = Arc::clone(&self.running).acquire_owned();
        let turn = env.timeout(self.timeout, turn).await;
        let Ok(Ok(turn)) = turn else {
            return Err("too many questions are on their way".to_owned());
        };
        let agent = self.agent.clone();
        let work = move || {
            let answer = exchange(&agent, &question);
            // Kept until the thread is free, whoever has gone meanwhile.
            drop(turn);
            answer.map_err(|why| format!("{}: {why}", question.url))
        };
        let answer = env.compute(work).await;
        answer.unwrap_or_else(|| Err("the question has failed".to_owned()))
    }
}

fn exchange(agent: &Agent, question: &Question) -> Result<Map<String, Value>, String> {
    check_url(&question.url)?;
    let sent = match &question.post {
        None => agent.get(&question.url).call(),
        Some((authorization, form)) => agent
            .post(&question.url)
            .header("Authorization", authorization)
            .send_form(form.iter().map(|(key, value)| (*key, value))),
    };
    let mut answer = sent.map_err(|error| error.to_string())?;
    let status = answer.status();
    if status != 200 {
        return Err(format!("the answer is {status}"));
    }
    let body = answer.body_mut().with_config().limit(ANSWER_OCTETS_MAX);
    let octets = body.read_to_vec().map_err(|error| error.to_string())?;
    serde_json::from_slice(&octets).map_err(|_| "the answer is no JSON object".to_owned())
}

/// Whether a token or a key may travel there: HTTPS, or HTTP that stays on this
/// machine.
///
/// # Errors
/// Says what is wrong with it and what would be right.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    const RIGHT: &str = "is no address of HTTP; write \"https://id.example.org/…\"";
    let uri: Uri = url.parse().map_err(|_| RIGHT)?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(RIGHT)?;
    if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
        return Err("has a user name in it; take it away");
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_here(host) => Ok(()),
        Some("http") => Err("can be read and changed on its way; write https://"),
        _ => Err(RIGHT),
    }
}

/// Whether it is this machine. RFC 6761 §6.3 has `localhost` be that too.
fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_travel_safely() {
        for (url, right) in [
            ("https://id.example.org", true),
            ("https://id.example.org/realms/x?y=z", true),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]/jwks", true),
            ("http://localhost:1/", true),
            ("http://id.example.org/", false),
            ("http://127.0.0.1.example.org/", false),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1@id.example.org/", false),
            ("https://u:p@id.example.org/", false),
            ("ftp://127.0.0.1/", false),
            ("id.example.org", false),
            ("/jwks", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(check_url(url).is_ok(), right, "{url}");
        }
    }
}
