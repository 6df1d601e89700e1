//! Which web pages may read joints: those of this computer. A browser lets every page connect to
//! every port of its computer, and names the page's origin in the request.

use super::target::is_local;

/// Returns whether a page of `origin` may connect: `null` (a file that was opened, in most
/// browsers), `file:`, or served by this computer. Programs other than browsers send no origin.
pub(super) fn is_allowed(origin: &str) -> bool {
    if origin == "null" || origin.starts_with("file://") {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    matches!(scheme, "http" | "https") && is_local(host(authority))
}

/// Returns the host of `HOST:PORT`, without brackets.
fn host(authority: &str) -> &str {
    if let Some(v6) = authority.strip_prefix('[') {
        return v6.split_once(']').map_or("", |(host, _)| host);
    }
    authority
        .split_once(':')
        .map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a page of the internet can read joints, or one of this computer cannot.
    #[test]
    fn only_pages_of_this_computer_are_allowed() {
        for origin in [
            "null",
            "file://",
            "http://localhost",
            "http://localhost:8000",
            "https://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert!(is_allowed(origin), "{origin}");
        }
        for origin in [
            "",
            "http://example.org",
            "https://localhost.example.org",
            "https://127.0.0.1.example.org",
            "http://localhost@example.org",
            "http://[::1",
            "http://192.168.1.7",
            "chrome-extension://localhost",
            "null.example.org",
            "localhost",
        ] {
            assert!(!is_allowed(origin), "{origin}");
        }
    }
}
