//! A browser's connection: hyper speaks HTTP/1, within bounds of size and time.

use super::answer::{self, Answer};
use super::site::{Asked, Site};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite};
use smol_hyper::rt::{FuturesIo, SmolTimer};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Time for a request's head, and for what follows it.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection ends after this. Nobody needs it for longer: a page is a few kilobytes.
const LIFE: Duration = Duration::from_mins(2);
/// Octets of a request's head: the least that hyper takes.
const HEAD: usize = 8 << 10;
/// Octets of a form: a code, an address, a password twice, each octet as three.
const FORM: usize = 8 << 10;

/// Who comes, and how.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// From where.
    pub from: IpAddr,
    /// In TLS.
    pub tls: bool,
}

/// Answers all that comes on a connection.
pub async fn answer<S>(site: Arc<Site>, socket: S, visit: Visit) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(hear(&site, request, visit).await) }
    });
    let talk = http1::Builder::new()
        .timer(SmolTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(FuturesIo::new(socket), service);
    let talk = async { talk.await.map_err(io::Error::other) };
    talk.or(late(LIFE)).await
}

/// One request.
async fn hear(site: &Arc<Site>, request: Request<Incoming>, visit: Visit) -> Answer {
    let (head, body) = request.into_parts();
    let form = match body_of(body).await {
        Ok(form) => form,
        Err(status) => return answer::text(status, "That was too much, or too slow.\n"),
    };
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    site.answer(Asked { method: head.method, path: head.uri.path().to_owned(), host, form, visit }).await
}

async fn body_of(body: Incoming) -> Result<Bytes, StatusCode> {
    let reading = async {
        let collected = Limited::new(body, FORM).collect().await;
        collected.map(http_body_util::Collected::to_bytes).map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
    };
    let late = async {
        smol::Timer::after(PATIENCE).await;
        Err(StatusCode::REQUEST_TIMEOUT)
    };
    reading.or(late).await
}

async fn late<T>(after: Duration) -> io::Result<T> {
    smol::Timer::after(after).await;
    Err(io::ErrorKind::TimedOut.into())
}
