//! Answers: a status, a kind, and the headers that keep a page to itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use std::sync::LazyLock;

/// What is sent.
pub(super) type Answer = Response<Full<Bytes>>;

/// The one style of all pages, inside of each of them: a page asks for nothing else.
pub(super) const STYLE: &str = include_str!("style.css");

/// No scripts, no pictures but what a page itself brings along, nobody's frame; forms go to where they came from.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A page.
pub(super) fn html(status: StatusCode, page: String) -> Answer {
    of(status, "text/html; charset=utf-8", page)
}

/// A line.
pub(super) fn text(status: StatusCode, line: &'static str) -> Answer {
    of(status, "text/plain; charset=utf-8", line)
}

/// Something of a kind.
pub(super) fn of(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(content.into()));
    *answer.status_mut() = status;
    let fixed = |value| HeaderValue::from_static(value);
    let headers: [(HeaderName, HeaderValue); 6] = [
        (CONTENT_TYPE, fixed(kind)),
        (CACHE_CONTROL, fixed("no-store")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        // For browsers that do not know frame-ancestors.
        (X_FRAME_OPTIONS, fixed("DENY")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (REFERRER_POLICY, fixed("no-referrer")),
    ];
    answer.headers_mut().extend(headers);
    answer
}

/// Not with this method.
pub(super) fn only(methods: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here.\n");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

/// It is done: what became of it is another page, which can be loaded again and come back to (RFC 9110 §15.4.4).
pub(super) fn see(path: &str) -> Answer {
    let mut answer = text(StatusCode::SEE_OTHER, "");
    if let Ok(path) = HeaderValue::try_from(path) {
        answer.headers_mut().insert(LOCATION, path);
    }
    answer
}

/// What answers a form, and holds no secret: the browser may keep it for who goes back to it.
pub(super) fn kept_for_back(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=0"));
    answer
}

/// Try again later.
pub(super) fn later(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    answer
}
