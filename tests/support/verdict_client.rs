//! Lets the checks of other languages ask `verdict`: for `tests/clients/{spf_suite,dkim_verdicts,dmarc_verdicts}.py`.
//!
//! ```text
//! target/debug/examples/verdict SERVER:PORT
//! ```
//!
//! Names are asked for at that server. Each line of stdin is a question in JSON, each line of stdout its answer:
//!
//! ```text
//! {"check": {"client": "192.0.2.1", "helo": "…", "from": "…", "now": 1, "draw": 0, "message": BASE64}}
//!     → {"header", "disposition", "spf", "explanation", "dkim": [{"result", "why", "domain"}], "dmarc": [{"result", "domain", "policy"}]}
//! {"generate": {"algorithm": "rsa" | "ed25519", "domain": "…", "selector": "…"}} → {"pem", "name", "text"}
//! {"sign": {"keys": [{"pem", "domain", "selector"}], "now": 1, "message": BASE64}} → {"header"}
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pillarbox::dns::{Lookup, Resolver, Servers};
use pillarbox::verdict::{Algorithm, Checker, Checking, Disposition, Key, Signer, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// Octets that are pushed at once: an odd number, so that ends of lines and of headers fall between two.
const PIECE: usize = 1021;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Question {
    Check { client: IpAddr, helo: String, from: String, now: i64, draw: u8, message: String },
    Generate { algorithm: String, domain: String, selector: String },
    Sign { keys: Vec<Stored>, now: i64, message: String },
}

#[derive(Deserialize)]
struct Stored {
    pem: String,
    domain: String,
    selector: String,
}

fn main() -> io::Result<()> {
    let server = std::env::args().nth(1).and_then(|server| server.parse().ok());
    let server = server.ok_or_else(|| io::Error::other("verdict ADDRESS:PORT"))?;
    let lookup: Arc<dyn Lookup> = Arc::new(Resolver::new(Servers::fixed(vec![server])));
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = answer(serde_json::from_str(&line?)?, &lookup)?;
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

fn answer(question: Question, lookup: &Arc<dyn Lookup>) -> io::Result<Value> {
    match question {
        Question::Check { client, helo, from: mail_from, now, draw, message } => {
            let (lookup, receiver) = (Arc::clone(lookup), "mx.receiver.example".to_owned());
            let mut checker = Checker::new(Checking { lookup, client, helo, mail_from, receiver, now, draw });
            decode(&message)?.chunks(PIECE).for_each(|piece| checker.push(piece));
            Ok(told(&smol::block_on(checker.finish())))
        }
        Question::Generate { algorithm, domain, selector } => {
            let algorithm = if algorithm == "rsa" { Algorithm::Rsa } else { Algorithm::Ed25519 };
            let key = Key::generate(algorithm, &domain, &selector).map_err(io::Error::other)?;
            let record = key.dns_record();
            Ok(json!({"pem": key.pem(), "name": record.name, "text": record.text}))
        }
        Question::Sign { keys, now, message } => {
            let read = |key: &Stored| Key::from_pem(&key.domain, &key.selector, &key.pem).map(Arc::new);
            let keys = keys.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
            let mut signer = Signer::new(keys, now);
            decode(&message)?.chunks(PIECE).for_each(|piece| signer.push(piece));
            Ok(json!({"header": signer.finish()}))
        }
    }
}

fn decode(message: &str) -> io::Result<Vec<u8>> {
    STANDARD.decode(message).map_err(io::Error::other)
}

fn told(verdict: &Verdict) -> Value {
    let disposition = match &verdict.disposition {
        Disposition::None => "none",
        Disposition::Quarantine => "quarantine",
        Disposition::Reject { .. } => "reject",
        Disposition::TryLater => "later",
    };
    let dkim = |one: &pillarbox::verdict::Dkim| json!({"result": one.result.name(), "why": one.why, "domain": one.domain, "method": one.method});
    let dmarc = |one: &pillarbox::verdict::Dmarc| json!({"result": one.result.name(), "domain": one.domain, "policy": one.policy.name()});
    json!({
        "header": verdict.header,
        "disposition": disposition,
        "spf": verdict.spf.result.name(),
        "explanation": verdict.spf.explanation,
        "dkim": verdict.dkim.iter().map(dkim).collect::<Vec<_>>(),
        "dmarc": verdict.dmarc.iter().map(dmarc).collect::<Vec<_>>(),
    })
}
