//! Why the hub gave no encoder.

use super::Source;

/// Why the hub gave no encoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each says what it is
pub enum HubFault {
    #[error("no ONNX export of it is known on the hub")]
    NoExport { checkpoint: &'static str },
    #[error("HF_HUB_OFFLINE is set, and the hub's cache on this machine does not have it")]
    Offline,
    #[error("the hub has no such file (404)")]
    NotFound,
    #[error("the hub refuses access ({status})")]
    Refused { status: u16, token: bool },
    #[error("the hub answered with status {0}")]
    Status(u16),
    #[error("the server sent a web page instead of the file")]
    WebPage,
    #[error("it is redirected endlessly")]
    Redirects,
    #[error("it is redirected to {0:?}, which is not a safe address")]
    BadRedirect(String),
    #[error("the server sent a different range of bytes than was asked for")]
    OtherRange,
    #[error("only {found} of {expected} bytes arrived")]
    Short { expected: u64, found: u64 },
    #[error("more than the expected {expected} bytes arrived")]
    TooLong { expected: u64 },
    #[error("its SHA-256 is {found}, not {expected}")]
    OtherBytes { expected: String, found: String },
    #[error("the hub now declares SHA-256 {declared}, but {pinned} is pinned")]
    OtherFile { pinned: String, declared: String },
    #[error("the connection failed: {0}")]
    Broken(#[source] Source),
    #[error("the request failed: {0}")]
    Failed(#[source] Source),
}

impl HubFault {
    /// Returns what to do next, if there is anything to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            HubFault::NoExport { checkpoint } => {
                return Some(format!(
                    "export it with `python scripts/export_encoder.py {checkpoint} DIR`, then `msdata encoders add DIR`"
                ));
            }
            HubFault::Offline => "unset HF_HUB_OFFLINE, or fetch it on another machine and use `msdata encoders add DIR`",
            HubFault::NotFound => "it may have been moved or renamed; HF_ENDPOINT may name a mirror that lacks it",
            HubFault::Refused { token: false, .. } => "if it is gated or private, accept its terms on the hub and set HF_TOKEN",
            HubFault::Refused { token: true, .. } => "the account of HF_TOKEN has no access, or the token is no longer valid",
            HubFault::WebPage => "a proxy or a login page may be in between; check HTTPS_PROXY and HF_ENDPOINT",
            HubFault::OtherBytes { .. } | HubFault::OtherFile { .. } => {
                "do not use this file; if the repository was changed on purpose, remove the encoder's directory and pull again"
            }
            fault if fault.may_pass() => "run the same command again: it continues where it stopped",
            _ => return None,
        };
        Some(hint.into())
    }

    /// Returns whether the same request may succeed a little later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            HubFault::Status(status) => *status >= 500 || matches!(status, 408 | 429),
            HubFault::Broken(_) | HubFault::Short { .. } | HubFault::OtherRange => true,
            _ => false,
        }
    }
}
