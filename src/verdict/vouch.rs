//! Whether what is known of a mail vouches for its reverse path: nobody else is written to by the server itself.

use super::checker::Verdict;
use super::dkim::DkimResult;
use super::dmarc::DmarcResult;
use super::spf::SpfResult;
use crate::dns::to_ascii;
use crate::mail::Envelope;

impl Verdict {
    /// Whether the reverse path is whose it says: the domain lets the peer send for it (SPF), or signed the mail as being
    /// by this very address (DKIM, DMARC).
    ///
    /// A signature stands for who is in From, and goes wherever the mail is sent on to; whoever sends it once more under
    /// another reverse path is not vouched for.
    #[must_use]
    pub fn vouches_for(&self, from: &str, header: &[u8]) -> bool {
        let Some((_, domain)) = from.rsplit_once('@') else { return false };
        if self.spf.result == SpfResult::Pass && !self.spf.is_helo {
            return true;
        }
        let domain = to_ascii(domain).to_ascii_lowercase();
        let signed = self.dkim.iter().any(|one| one.result == DkimResult::Pass && is_within(&domain, &one.domain));
        let aligned =
            self.dmarc.iter().any(|one| one.result == DmarcResult::Pass && one.domain.eq_ignore_ascii_case(&domain));
        (signed || aligned) && is_author(from, header)
    }
}

/// Whether a domain is another one, or below it.
fn is_within(domain: &str, other: &str) -> bool {
    let other = other.trim_end_matches('.').to_ascii_lowercase();
    // A name of one label is a registry, which signs for nobody.
    other.contains('.') && (domain == other || domain.strip_suffix(&other).is_some_and(|below| below.ends_with('.')))
}

/// Whether an address stands in From, alone.
fn is_author(address: &str, header: &[u8]) -> bool {
    let from = Envelope::read(header).from;
    let [author] = from.as_slice() else { return false };
    let (Some(local), Some(host)) = (&author.mailbox, &author.host) else { return false };
    let author = format!("{}@{}", String::from_utf8_lossy(local), String::from_utf8_lossy(host));
    author.eq_ignore_ascii_case(address)
}

#[cfg(test)]
mod tests {
    use super::super::checker::Disposition;
    use super::super::dkim::Dkim;
    use super::super::dmarc::{Dmarc, Policy};
    use super::super::spf::Spf;
    use super::*;

    const HEADER: &[u8] = b"From: Bob <bob@news.example.net>\r\nSubject: x\r\n\r\n";

    fn verdict(spf: SpfResult, is_helo: bool, signed: &[(&str, DkimResult)], dmarc: Option<DmarcResult>) -> Verdict {
        let dkim = signed.iter().map(|(domain, result)| Dkim {
            result: *result,
            why: None,
            domain: (*domain).to_owned(),
            identity: String::new(),
            selector: String::new(),
            method: String::new(),
            begin: String::new(),
        });
        let dmarc = dmarc.map(|result| Dmarc { result, domain: "news.example.net".to_owned(), policy: Policy::None });
        Verdict {
            header: String::new(),
            disposition: Disposition::None,
            spf: Spf { result: spf, domain: "news.example.net".to_owned(), is_helo, explanation: None },
            dkim: dkim.collect(),
            dmarc: dmarc.into_iter().collect(),
        }
    }

    #[test]
    fn only_a_pass_for_the_reverse_path_s_own_domain_vouches() {
        use DkimResult::{Fail, Pass, TempError};
        let vouches = |verdict: &Verdict| verdict.vouches_for("Bob@News.example.net", HEADER);
        assert!(vouches(&verdict(SpfResult::Pass, false, &[], None)));
        assert!(!vouches(&verdict(SpfResult::Pass, true, &[], None)), "what the host calls itself says nothing");
        for none in [SpfResult::None, SpfResult::Neutral, SpfResult::SoftFail, SpfResult::Fail, SpfResult::TempError] {
            assert!(!vouches(&verdict(none, false, &[], None)), "{none:?}");
            for own in ["news.example.net", "Example.net"] {
                assert!(vouches(&verdict(none, false, &[("spam.example", Pass), (own, Pass)], None)), "{own}");
                assert!(!vouches(&verdict(none, false, &[(own, Fail), (own, TempError)], None)), "{own}");
            }
            for other in ["spam.example", "net", "s.example.net", "ews.example.net", "other.news.example.net", ""] {
                assert!(!vouches(&verdict(none, false, &[(other, Pass)], None)), "{other}");
            }
            assert!(vouches(&verdict(none, false, &[], Some(DmarcResult::Pass))));
            assert!(!vouches(&verdict(none, false, &[], Some(DmarcResult::Fail))));
        }
    }

    #[test]
    fn a_signed_mail_that_is_sent_once_more_vouches_for_nobody_but_its_author() {
        let signed = verdict(SpfResult::None, false, &[("example.net", DkimResult::Pass)], Some(DmarcResult::Pass));
        for other in ["victim@news.example.net", "bob@example.net", "", "bob", "news.example.net"] {
            assert!(!signed.vouches_for(other, HEADER), "{other}");
        }
        let two = b"From: bob@news.example.net, victim@news.example.net\r\n\r\n";
        assert!(!signed.vouches_for("victim@news.example.net", two));
        assert!(!signed.vouches_for("bob@news.example.net", b"Subject: x\r\n\r\n"));
    }
}
