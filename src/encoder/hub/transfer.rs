//! One file from the hub: what the hub says of it, and its bytes.
//!
//! Redirects are followed by hand, because the hub says what it knows of a file (commit, SHA-256, size) on
//! the first answer, and the file itself may come from another host, which must not see the token.

use crate::error::HubFault;

use super::Patience;
use crate::encoder::home::Home;
use crate::error::{Error, Result};
use crate::watch::Watch;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body};

/// What became of a request.
fn fault_of(error: ureq::Error) -> HubFault {
    use ureq::Error as E;
    match error {
        E::Io(_) | E::Timeout(_) | E::HostNotFound | E::ConnectionFailed | E::BodyStalled => HubFault::Broken(error.into()),
        _ => HubFault::Failed(error.into()),
    }
}

/// The hub answers with one or two; a loop is one without end.
const MOST_REDIRECTS: usize = 5;
/// A stop is noticed between two reads of this size, and within this time of a pause.
const CHUNK: usize = 256 * 1024;
const MOMENT: Duration = Duration::from_millis(50);

/// What the hub says of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DeclaredFile {
    /// The commit that its revision stands for (`X-Repo-Commit`).
    pub commit: Option<String>,
    /// SHA-256 of a large file (`X-Linked-Etag`); of small ones the hub tells only a git hash.
    pub sha256: Option<String>,
    /// Size of a large file in bytes (`X-Linked-Size`).
    pub size: Option<u64>,
}

/// Speaks to the hub.
pub(super) struct Client<'h> {
    home: &'h Home,
    patience: Patience,
    agent: Agent,
}

impl<'h> Client<'h> {
    pub fn new(home: &'h Home, patience: Patience) -> Client<'h> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(patience.silence))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .user_agent(concat!("msdata/", env!("CARGO_PKG_VERSION")))
            .build();
        Client { home, patience, agent: config.into() }
    }

    /// Asks the hub what it knows of a file.
    pub fn look(&self, url: &str, watch: &mut Watch) -> Result<DeclaredFile> {
        self.persist(watch, |_| {
            let mut declared = DeclaredFile::default();
            self.follow(url, true, None, |response| {
                let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
                let commit = header("x-repo-commit").map(str::to_owned);
                let digest =
                    header("x-linked-etag").map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase());
                declared.commit = declared.commit.take().or(commit);
                declared.sha256 = digest.filter(|d| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit()));
                declared.size = header("x-linked-size").and_then(|size| size.parse().ok());
                declared.sha256.is_some()
            })?;
            Ok(declared)
        })
    }

    /// Brings `part` to the whole length of the file, from where it stands. Its content is not checked here.
    /// Progress is the bytes that are there, of the bytes in all.
    pub fn fetch(&self, url: &str, size: Option<u64>, part: &Path, stage: &'static str, watch: &mut Watch) -> Result<()> {
        self.persist(watch, |watch| self.fetch_once(url, size, part, stage, watch))
    }

    fn fetch_once(&self, url: &str, size: Option<u64>, part: &Path, stage: &'static str, watch: &mut Watch) -> Result<()> {
        let fail = |fault| Error::Hub { what: url.to_owned(), fault };
        let mut have = fs::metadata(part).map_or(0, |meta| meta.len());
        if size == Some(have) {
            return Ok(());
        }
        if size.is_some_and(|size| have > size) {
            have = 0;
        }
        let response = self.follow(url, false, (have > 0).then_some(have), |_| false)?;
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(have) => have,
            StatusCode::OK => 0, // also where Range was asked for and ignored: start again
            _ => {
                // The server has no such range: what is here belongs to another file.
                fs::remove_file(part).map_err(Error::io("remove", part))?;
                return Err(fail(HubFault::OtherRange));
            }
        };
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        if header(CONTENT_TYPE).is_some_and(|kind| kind.trim_start().starts_with("text/html")) {
            return Err(fail(HubFault::WebPage));
        }
        let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let total = size.or(length.map(|length| start + length));

        let mut file = OpenOptions::new().create(true).append(true).open(part).map_err(Error::io("write", part))?;
        file.set_len(start).map_err(Error::io("write", part))?;
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let (mut done, mut chunk) = (start, vec![0; CHUNK]);
        loop {
            watch.report(stage, done, total);
            let read = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => 0,
                Err(e) => return Err(fail(HubFault::Broken(e.into()))),
            };
            done += read as u64;
            if total.is_some_and(|total| done > total) {
                drop(file);
                fs::remove_file(part).map_err(Error::io("remove", part))?;
                return Err(fail(HubFault::TooLong { expected: total.unwrap_or_default() }));
            }
            file.write_all(&chunk[..read]).map_err(Error::io("write", part))?;
            watch.check()?;
        }
        match total {
            Some(expected) if done < expected => Err(fail(HubFault::Short { expected, found: done })),
            _ => Ok(()),
        }
    }

    /// Sends a request and follows redirects until the answer is the file, or `enough` is.
    fn follow(
        &self,
        url: &str,
        head: bool,
        from: Option<u64>,
        mut enough: impl FnMut(&Response<Body>) -> bool,
    ) -> Result<Response<Body>> {
        let mut at = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let fail = |fault| Error::Hub { what: at.clone(), fault };
            let mut request = if head { self.agent.head(&at) } else { self.agent.get(&at) };
            request = request.header(ACCEPT_ENCODING, "identity");
            if let Some(from) = from {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let ours = same_origin(&at, &self.home.endpoint);
            if let Some(token) = self.home.token.as_ref().filter(|_| ours) {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            let response = request.call().map_err(|e| fail(fault_of(e)))?;
            if enough(&response) {
                return Ok(response);
            }
            let status = response.status();
            if !status.is_redirection() {
                return match status.as_u16() {
                    200 | 206 | 416 => Ok(response),
                    404 => Err(fail(HubFault::NotFound)),
                    status @ (401 | 403) => Err(fail(HubFault::Refused { status, token: self.home.token.is_some() })),
                    status => Err(fail(HubFault::Status(status))),
                };
            }
            let target = response.headers().get(LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
            at = join(&at, target).ok_or_else(|| fail(HubFault::BadRedirect(target.to_owned())))?;
        }
        Err(Error::Hub { what: url.to_owned(), fault: HubFault::Redirects })
    }

    /// Tries again what may pass, after longer and longer pauses.
    fn persist<T>(&self, watch: &mut Watch, mut attempt: impl FnMut(&mut Watch) -> Result<T>) -> Result<T> {
        let mut failures = 0;
        loop {
            watch.check()?;
            match attempt(watch) {
                Err(Error::Hub { fault, .. }) if fault.may_pass() && failures + 1 < self.patience.attempts => {
                    self.pause(failures, watch)?;
                    failures += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn pause(&self, failures: u32, watch: &Watch) -> Result<()> {
        let mut left = self.patience.first_pause * 2_u32.saturating_pow(failures.min(6));
        while !left.is_zero() {
            watch.check()?;
            let moment = left.min(MOMENT);
            sleep(moment);
            left -= moment;
        }
        watch.check()
    }
}

fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn same_origin(a: &str, b: &str) -> bool {
    let parse = |url: &str| url.parse::<Uri>().ok();
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a.scheme() == b.scheme() && a.authority() == b.authority() && a.authority().is_some(),
        _ => false,
    }
}

/// Where a redirect leads; nowhere if it leads from https to plain http, or is not an address.
fn join(at: &str, target: &str) -> Option<String> {
    let from: Uri = at.parse().ok()?;
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let joined = match target.parse::<Uri>().ok()? {
        whole if whole.authority().is_some() && whole.scheme().is_some() => target.to_owned(),
        _ if target.starts_with("//") => format!("{scheme}:{target}"),
        _ if target.starts_with('/') => format!("{scheme}://{authority}{target}"),
        _ => return None, // relative to the path: the hub sends none
    };
    let safe = joined.starts_with("https://") || (scheme == "http" && joined.starts_with("http://"));
    safe.then_some(joined)
}

/// SHA-256 of a file in lower-case hexadecimal, and its size.
pub(super) fn sha256(path: &Path, watch: &Watch) -> Result<(String, u64)> {
    use sha2::{Digest, Sha256};
    let mut file = crate::input::open(path).map_err(Error::io("read", path))?;
    let (mut hash, mut chunk, mut size) = (Sha256::new(), vec![0; CHUNK], 0);
    loop {
        watch.check()?;
        match file.read(&mut chunk).map_err(Error::io("read", path))? {
            0 => break,
            read => {
                hash.update(&chunk[..read]);
                size += read as u64;
            }
        }
    }
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_join_and_never_leave_https() {
        let at = "https://hub:8/a/b?c";
        assert_eq!(join(at, "/d?e").as_deref(), Some("https://hub:8/d?e"));
        assert_eq!(join(at, "https://cdn/f").as_deref(), Some("https://cdn/f"));
        assert_eq!(join(at, "//cdn/f").as_deref(), Some("https://cdn/f"));
        assert_eq!(join(at, "http://cdn/f"), None);
        assert_eq!(join("http://hub/a", "http://cdn/f").as_deref(), Some("http://cdn/f"));
        assert_eq!(join(at, "file:///etc/passwd"), None);
        assert_eq!(join(at, ""), None);
    }

    #[test]
    fn the_token_is_for_scheme_host_and_port() {
        assert!(same_origin("https://hub/x/y", "https://hub"));
        assert!(!same_origin("http://hub/x", "https://hub"));
        assert!(!same_origin("https://hub:444/x", "https://hub"));
        assert!(!same_origin("https://hub.evil/x", "https://hub"));
    }
}
